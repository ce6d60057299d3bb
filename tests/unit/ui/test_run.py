"""Elsewhere than on this machine: behind a token, under the names that were given."""

import http.client
import threading
from contextlib import contextmanager

import pytest

from headrace.config import load
from headrace.errors import UsageError
from headrace_consumers.ui.run import run

TOKEN = "a-token-that-nobody-guesses"


@contextmanager
def running(tmp_path, **options):
    """Serve in a thread; yield the address, the notes and the port."""
    token = tmp_path / "token"
    token.write_text(TOKEN)
    config = load(None, {"web": {"token": f"file:{token}"}, "dataset": {"path": str(tmp_path / "none")}}, {})
    stop, told, is_there = threading.Event(), [], threading.Event()

    def on_listening(address, notes):
        told.extend((address, notes, int(address.rstrip("/").rpartition(":")[2])))
        is_there.set()

    thread = threading.Thread(
        target=run, args=(config, None), kwargs={"port": 0, "stop": stop, "on_listening": on_listening, **options}
    )
    thread.start()
    try:
        assert is_there.wait(60)
        yield told
    finally:
        stop.set()
        thread.join(60)
    assert not thread.is_alive()


def status(port, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/", headers=headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def test_elsewhere_it_answers_to_its_names_and_the_token(tmp_path):
    with running(tmp_path, host="0.0.0.0", names=["ui.example.org"]) as (address, notes, port):
        assert address == f"http://ui.example.org:{port}/"
        assert [note.partition(":")[0] for note in notes] == [
            "it asks for the token of web.token", "the token and what is shown go unencrypted",
        ]  # fmt: skip
        assert TOKEN not in str(notes)
        told = {"Authorization": f"Bearer {TOKEN}"}
        assert status(port, Host="ui.example.org", **told) == 200
        assert status(port, Host="ui.example.org") == 401
        assert status(port, Host="other.example.org", **told) == 421


def test_here_it_asks_for_the_token_where_there_is_one(tmp_path):
    with running(tmp_path, host="127.0.0.1", names=[]) as (address, notes, port):
        assert address == f"http://127.0.0.1:{port}/"
        assert len(notes) == 1
        assert status(port) == 401


def test_elsewhere_it_does_not_begin_without_a_token():
    for host in ("0.0.0.0", "::", "10.1.2.3", "example.org"):
        with pytest.raises(UsageError, match=r"set web\.token"):
            run(load(None, {}, {}), None, host=host, port=0, names=[], stop=threading.Event(), on_listening=print)
