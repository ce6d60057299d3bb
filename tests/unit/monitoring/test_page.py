"""A page in both formats, and the server that gives it out."""

import socket
import threading
import urllib.request

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from headrace.errors import ConfigError
from headrace_consumers.monitoring.catalogue.calls import CALL_DURATION, CALLS_TOTAL
from headrace_consumers.monitoring.page import Page, Seen
from headrace_consumers.monitoring.server import LOOK, Answer, of_json, serve
from tests.support.metrics_consumer import samples

_OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_CALL = ("support", 'v"1', "Triage", "production")


def _page(request_id: str = "r-1") -> Page:
    page = Page()
    page.add(CALLS_TOTAL, 2, *_CALL)
    counts = [0] * (len(CALL_DURATION.bounds) + 1)
    counts[3] = 2
    page.add_histogram(CALL_DURATION, [*counts, 0.11], *_CALL, exemplars={3: Seen(request_id, 0.06, 1.5)})
    page.add(CALLS_TOTAL, 5, "other", *_CALL[1:])
    return page


def test_by_default_it_is_the_text_format() -> None:
    body, content_type = _page().render("")
    lines = body.decode().splitlines()
    assert content_type.startswith("text/plain")
    values = [
        value
        for (name, labels), value in samples(body.decode()).items()
        if name == CALLS_TOTAL.name and ("version", 'v"1') in labels
    ]
    assert values == [2, 5]
    assert [line for line in lines if line.startswith("# TYPE")] == [
        "# TYPE headrace_calls_total counter",
        "# TYPE gen_ai_client_operation_duration_seconds histogram",
    ]
    assert "request_id" not in body.decode()


def test_in_openmetrics_a_bucket_tells_a_request() -> None:
    body, content_type = _page().render(_OPENMETRICS)
    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    (duration,) = [
        family for family in text_string_to_metric_families(body.decode()) if family.name.startswith("gen_ai")
    ]
    with_one = {each.labels["le"]: each.exemplar for each in duration.samples if each.exemplar is not None}
    assert list(with_one) == ["0.08"]
    assert (with_one["0.08"].labels, with_one["0.08"].value) == ({"request_id": "r-1"}, 0.06)


def test_weights_are_rounded_as_openmetrics_wants_whole_counts() -> None:
    page = Page()
    counts = [3.4, 3.4, 3.4, *[0.0] * (len(CALL_DURATION.bounds) - 2)]
    page.add_histogram(CALL_DURATION, [*counts, 0.3], *_CALL)
    (duration,) = text_string_to_metric_families(page.render(_OPENMETRICS)[0].decode())
    assert [each.value for each in duration.samples][:4] == [3, 7, 10, 10]


@pytest.mark.parametrize("request_id", ["", "r" * 119])
def test_a_request_id_that_openmetrics_forbids_is_left_out(request_id: str) -> None:
    assert b"request_id" not in _page(request_id).render(_OPENMETRICS)[0]


def test_the_server_gives_what_it_is_told_and_minds_no_one_who_hangs_up() -> None:
    asked = []

    def answer(path: str, accept: str) -> Answer:
        asked.append((path, accept))
        return of_json(200, {"ok": True})

    with serve(answer, "127.0.0.1", 0, setting="a.port", host_setting="a.host") as port:
        with socket.create_connection(("127.0.0.1", port)) as hanging_up:
            hanging_up.sendall(b"GET /gone HTTP/1.0\r\n\r\n")
        request = urllib.request.Request(f"http://127.0.0.1:{port}/metrics?x=1", headers={"Accept": "a/b"})
        with urllib.request.urlopen(request, timeout=10) as given:
            assert given.read() == b'{"ok": true}'
        assert ("/metrics", "a/b") in asked
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{LOOK}", timeout=10):
            assert asked[-1][0] == LOOK
        with (
            pytest.raises(
                ConfigError, match=rf"a\.port: cannot listen on 127\.0\.0\.1:{port} .*; give another port or a\.host"
            ),
            serve(answer, "127.0.0.1", port, setting="a.port", host_setting="a.host"),
        ):
            pass


def test_nothing_happens_for_whoever_hangs_up_before_the_answer_is_ready() -> None:
    is_asked, has_hung_up, sending = threading.Event(), threading.Event(), []

    def answer(path: str, _accept: str) -> Answer:
        if path == "/slow":
            is_asked.set()
            has_hung_up.wait(30)
        return Answer(200, b"x", on_sending=lambda: sending.append(path))

    with serve(answer, "127.0.0.1", 0, setting="a.port", host_setting="a.host") as port:
        with socket.create_connection(("127.0.0.1", port)) as impatient:
            impatient.sendall(b"GET /slow HTTP/1.0\r\n\r\n")
            is_asked.wait(30)
        has_hung_up.set()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/patient", timeout=10) as given:
            assert given.read() == b"x"
        running = [thread for thread in threading.enumerate() if "process_request" in thread.name]
        for thread in running:
            thread.join(30)
    assert sending == ["/patient"]
