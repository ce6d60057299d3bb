"""Headers that give a request its id and its place in a trace, and headers that do not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.propagation import MAX_REQUEST_ID_CHARACTERS, Trace, request_id_of, trace_of

TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE_ID}-{SPAN_ID}-01"


@pytest.mark.parametrize(
    "text", [PARENT, f" {PARENT}\t", f"00-{TRACE_ID}-{SPAN_ID}-00", f"cc-{TRACE_ID}-{SPAN_ID}-01-new"]
)
def test_a_traceparent_is_read(text):
    assert trace_of(text) == Trace(TRACE_ID, SPAN_ID)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        7,
        "garbage",
        PARENT.upper(),
        f"ff-{TRACE_ID}-{SPAN_ID}-01",
        f"00-{'0' * 32}-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        f"00-{TRACE_ID}-{SPAN_ID}",
        f"00-{TRACE_ID}-{SPAN_ID}-01-more",
        f"00-{TRACE_ID[:-1]}-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{SPAN_ID}-1",
        f"{PARENT}\n{PARENT}",
        PARENT.replace("4", "٤"),
    ],
)
def test_what_is_malformed_is_no_trace(text):
    assert trace_of(text) is None


@pytest.mark.parametrize("request_id", ["a", "req_1.2:3/4+5=6~7-8", "x" * MAX_REQUEST_ID_CHARACTERS])
def test_an_id_is_taken_from_its_header(request_id):
    assert request_id_of({"x-request-id": [request_id]}, ["x-request-id"]) == request_id


@pytest.mark.parametrize(
    "values",
    [
        [],
        [""],
        [" "],
        ["a", "a"],
        ["a", "b"],
        ["a,b"],
        ["a b"],
        ["ann@example.com"],
        ["{jndi}"],
        ["ü"],
        ["a\r\nSet-Cookie: x"],
        ["x" * (MAX_REQUEST_ID_CHARACTERS + 1)],
    ],
)
def test_what_is_malformed_is_no_id_and_the_next_header_is_asked(values):
    headers = {"x-request-id": values, "traceparent": [PARENT]}
    assert request_id_of(headers, ["x-request-id"]) is None
    assert request_id_of(headers, ["x-request-id", "traceparent"]) == TRACE_ID


def test_the_order_is_the_services():
    headers = {"x-request-id": ["a"], "x-correlation-id": ["b"], "traceparent": [PARENT]}
    assert request_id_of(headers, ["traceparent", "x-request-id"]) == TRACE_ID
    assert request_id_of(headers, ["x-correlation-id", "x-request-id"]) == "b"
    assert request_id_of(headers, []) is None


@given(st.text())
def test_no_text_becomes_anything_but_an_id_or_nothing(text):
    found = request_id_of({"x-request-id": [text]}, ["x-request-id"])
    assert found is None or (found.isascii() and found.isprintable() and 0 < len(found) <= MAX_REQUEST_ID_CHARACTERS)
    trace = trace_of(text)
    assert trace is None or len(trace.trace_id) == 32
