"""Who gets an answer, and what a browser is told to do with it."""

import http.client
import socket

import pytest

from headrace.config import load
from headrace_consumers.monitoring.guard import Guard
from headrace_consumers.ui.server import Answer, serve

TOKEN = "a-token-that-nobody-guesses"


class Client:
    def __init__(self, port, asked):
        self.port = port
        self.asked = asked

    def get(self, path="/", method="GET", **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, headers=told)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        return response, body


def client_of(guard=None):
    asked = []

    def answer(path, query):
        asked.append((path, query))
        own = {"style": "'sha256-AAAA='"} if path == "/report" else {}
        return Answer(200, b"<p>here", is_kept=path == "/style.css", **own)

    return serve(answer, "127.0.0.1", 0, names=["ui.example.org"], guard=guard), asked


@pytest.fixture(scope="module")
def client():
    context, asked = client_of()
    with context as port:
        yield Client(port, asked)


def test_a_page_runs_nothing_loads_nothing_and_is_not_kept(client):
    response, body = client.get("/a%2Fb?q=x")
    assert (response.status, body, client.asked[-1]) == (200, b"<p>here", ("/a%2Fb", "q=x"))
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "style-src 'self';" in policy
    own = client.get("/report")[0].headers["Content-Security-Policy"]
    assert own == policy.replace("style-src 'self'", "style-src 'sha256-AAAA='")
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert "Python" not in response.headers["Server"]
    assert client.get("/style.css")[0].headers["Cache-Control"] == "private, max-age=86400"


def test_head_has_the_headers_alone(client):
    response, body = client.get(method="HEAD")
    assert (response.status, response.headers["Content-Length"], body) == (200, "7", b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_nothing_but_reading(client, method):
    before = len(client.asked)
    response, _ = client.get(method=method)
    assert (response.status, response.headers["Allow"], len(client.asked)) == (405, "GET, HEAD", before)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "localhost.evil.example", ""])
def test_another_name_is_refused_before_anything_is_read(client, host):
    before = len(client.asked)
    response, body = client.get(Host=host)
    assert (response.status, len(client.asked)) == (421, before)
    assert b"--name" in body
    assert response.headers["Content-Security-Policy"]


def test_our_name_is_served(client):
    assert client.get(Host="ui.example.org:8080")[0].status == 200


def test_another_site_may_link_to_it_and_not_make_use_of_it(client):
    assert client.get(Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")[0].status == 200
    assert client.get(Sec_Fetch_Site="same-origin", Sec_Fetch_Mode="cors")[0].status == 200
    for mode in ("no-cors", "cors"):
        assert client.get(Sec_Fetch_Site="cross-site", Sec_Fetch_Mode=mode)[0].status == 403


@pytest.mark.parametrize(
    "text", [b"nonsense\r\n\r\n", b"BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\x16\x03\x01\r\n"]
)
def test_what_is_no_request_gets_a_line(client, text):
    with socket.create_connection(("127.0.0.1", client.port), timeout=60) as connection:
        connection.sendall(text)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while some := connection.recv(4096):
            received += some
    assert b"<" not in received
    assert b"this is no request that a browser makes" in received


def test_with_a_token_nothing_is_shown_without_it():
    guard = Guard(load(None, {"web": {"token": "env:UI_TOKEN"}}, {}), {"UI_TOKEN": TOKEN})
    context, asked = client_of(guard)
    with context as port:
        client = Client(port, asked)
        for headers in ({}, {"Authorization": "Bearer wrong-token-of-some-length"}):
            response, body = client.get("/style.css", **headers)
            assert (response.status, asked) == (401, [])
            assert response.headers["WWW-Authenticate"].startswith("Basic")
            assert TOKEN.encode() not in body
        assert client.get(Authorization=f"Bearer {TOKEN}")[0].status == 200
        # The name is looked at first: with a token, too.
        assert client.get(Authorization=f"Bearer {TOKEN}", Host="evil.example")[0].status == 421
