"""Looking at consumers: over HTTP, and what becomes of it when they go and come back."""

import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from headrace_consumers.monitoring.catalogue import calls
from headrace_consumers.monitoring.server import LOOK, Answer, of_json, serve
from headrace_consumers.top.fetch import UnreachableError, fetch
from headrace_consumers.top.history import History
from headrace_consumers.top.targets import of_url
from headrace_consumers.top.watching import Watcher, look_at_all
from tests.unit.top.pages import WHOSE, page, reading


@pytest.fixture
def answering():
    """Serve an answer over HTTP; yield its address and what was asked."""
    given = Answer(200, page({}).encode(), "text/plain")
    asked = []

    def answer(path, accept):
        asked.append((path, accept))
        return given if path == LOOK else of_json(404, {})

    with serve(answer, "127.0.0.1", 0, setting="a.port", host_setting="a.host") as port:
        yield f"127.0.0.1:{port}", asked


def test_a_page_is_looked_at_and_not_scraped(answering):
    address, asked = answering
    assert fetch(of_url(address), 10).consumer == "metrics"
    assert asked == [(LOOK, "text/plain;version=0.0.4")]


def test_why_there_is_no_page_is_told_in_few_words(answering):
    address, _ = answering
    with pytest.raises(UnreachableError, match=r"^answers 404 Not Found$"):
        fetch(of_url(f"{address}/other"), 10)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(UnreachableError, match=r"^cannot be reached \(Connection refused\)$"):
            fetch(of_url(f"127.0.0.1:{closed.getsockname()[1]}"), 10)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with pytest.raises(UnreachableError, match=r"^cannot be reached \(no answer in 0\.05 s\)$"):
            fetch(of_url(f"127.0.0.1:{silent.getsockname()[1]}"), 0.05)
        with pytest.raises(UnreachableError, match=r"^cannot be (reached|trusted) \("):
            fetch(of_url(f"https://127.0.0.1:{silent.getsockname()[1]}"), 0.05)
    with pytest.raises(UnreachableError, match=r"^cannot be reached \(.+\)$"):
        fetch(of_url("nowhere.invalid:1"), 10)


def test_nobody_who_was_not_named_is_sent_the_password(answering):
    address, asked = answering

    class Redirecting(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(302)
            self.send_header("Location", f"http://{address}{LOOK}")
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Redirecting) as server:
        thread = threading.Thread(target=server.handle_request, daemon=True)
        thread.start()
        with pytest.raises(UnreachableError, match=r"^answers 302 Found$"):
            fetch(of_url(f"http://ops:secret@127.0.0.1:{server.server_port}"), 10)
        thread.join(10)
    assert asked == []


class _World:
    def __init__(self):
        self.now, self.answer = 0.0, None

    def fetch(self, _target):
        if isinstance(self.answer, str):
            raise UnreachableError(self.answer)
        return self.answer


def test_a_consumer_that_goes_shows_no_old_figures_and_comes_back():
    world = _World()
    watcher = Watcher(of_url("host:1"), world.fetch, lambda: world.now, History(over_s=60))
    seen = []
    for now, answer in (
        (0, reading({(calls.CALLS_TOTAL, WHOSE): 5})),
        (2, reading({(calls.CALLS_TOTAL, WHOSE): 9}, records=101)),
        (4, "cannot be reached (x)"),
        (6, "cannot be reached (y)"),
        (8, reading({(calls.CALLS_TOTAL, WHOSE): 3}, records=2)),  # it has begun again
        (10, reading({(calls.CALLS_TOTAL, WHOSE): 7}, records=3)),
    ):
        world.now, world.answer = now, answer
        watcher.look()
        world.now += 1
        source = watcher.source()
        grown = source.window.grown.get((calls.CALLS_TOTAL.name, WHOSE))
        seen.append((source.reading is not None, source.window.lasted_s, grown, source.problem, source.problem_for_s))
    assert [each[:4] for each in seen] == [
        (True, 0, None, ""),
        (True, 2, 4, ""),
        (False, 0, None, "cannot be reached (x)"),
        (False, 0, None, "cannot be reached (y)"),
        (True, 0, None, ""),
        (True, 2, 4, ""),
    ]
    assert [each[4] for each in seen[2:4]] == [1, 3]
    assert watcher.looks == 6
    world.answer = "cannot be reached (z)"
    watcher.look()
    assert watcher.source().consumer == "metrics"  # it said so while it was there


def test_all_are_looked_at_once():
    world = _World()
    world.answer = reading({})
    watchers = [Watcher(of_url(f"host:{n}"), world.fetch, lambda: world.now, History(over_s=60)) for n in (1, 2)]
    look_at_all(watchers)
    assert [(each.looks, each.problem) for each in watchers] == [(1, ""), (1, "")]
