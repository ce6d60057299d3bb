"""Records carry the place of the OpenTelemetry span that was active at their call; without one, the caller's."""

import asyncio
import subprocess
import sys

import dspy
import pytest
from opentelemetry.sdk.trace import TracerProvider

import headrace
from headrace.testing import capture
from headrace_schemas import interaction_codec
from tests.unit.headrace.capture.offline import Echo, Program

TRACER = TracerProvider().get_tracer("tests")
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
PLACE = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")


def place(span):
    context = span.get_span_context()
    return f"{context.trace_id:032x}", f"{context.span_id:016x}"


def places(calls):
    return {(call.trace_id, call.span_id) for call in calls}


def ways(program):
    return {
        "sync": lambda: program(question="x"),
        "async": lambda: asyncio.run(program.acall(question="x")),
        "asyncify": lambda: asyncio.run(dspy.asyncify(program)(question="x")),
        "streamify": lambda: list(dspy.streamify(program, async_streaming=False)(question="x")),
    }


@pytest.mark.parametrize("way", ["sync", "async", "asyncify", "streamify"])
def test_the_active_span_is_the_records_place(everything, way):
    program = headrace.instrument(Program(), "qa")
    with TRACER.start_as_current_span("handler") as span:
        ways(program)[way]()
    assert len(everything.calls) == 3
    assert places(everything.calls) == {place(span)}


def test_a_span_around_an_inner_call_is_its_own_records_place(everything):
    spans = []

    class Traced(Program):
        def forward(self, question):
            with TRACER.start_as_current_span("inner") as span:
                spans.append(place(span))
                return super().forward(question)

    with TRACER.start_as_current_span("outer") as span:
        headrace.instrument(Traced(), "qa")(question="x")
    (root,) = everything.roots
    assert places([root]) == {place(span)}
    assert places(everything.inside(root)) == {spans[0]}
    assert spans[0][0] == root.trace_id


def test_inner_calls_in_threads_that_the_span_does_not_reach_stand_where_their_root_stands(everything):
    class Fans(dspy.Module):
        def __init__(self):
            super().__init__()
            self.ask, self.judge = dspy.Predict("question -> answer"), dspy.Predict("answer -> score: float")

        def forward(self, question):
            pairs = [(self.ask, {"question": f"{question} {number}"}) for number in range(3)]
            return dspy.Parallel(num_threads=3, disable_progress_bar=True)(pairs)[0]

    with TRACER.start_as_current_span("handler") as span:
        headrace.instrument(Fans(), "fans")(question="x")
    assert len(everything.calls) == 4
    assert places(everything.calls) == {place(span)}


def test_without_a_span_it_is_the_callers_place_and_nested_requests_keep_it(everything):
    echo = headrace.instrument(Echo(), "echo")
    with headrace.request("r-1", traceparent=PARENT):
        echo(value=1)
        with headrace.request("r-2"):
            echo(value=2)
        with TRACER.start_as_current_span("handler") as span:
            echo(value=3)
    echo(value=4)
    with headrace.request("r-3", traceparent="malformed"):
        echo(value=5)
    assert [(call.trace_id, call.span_id) for call in everything.calls] == [
        PLACE,
        PLACE,
        place(span),
        (None, None),
        (None, None),
    ]


def test_the_place_is_in_the_record_that_leaves():
    with capture() as sink, TRACER.start_as_current_span("handler") as span:
        headrace.instrument(Echo(), "echo")(value=1)
    (record,) = sink.records
    assert (record["trace_id"], record["span_id"]) == place(span)
    codec = interaction_codec()
    assert codec.decode(codec.encode(record)) == record


def test_a_call_that_is_not_sampled_does_not_ask_for_the_span(at, monkeypatch):
    asked = []

    class Asks:
        def get_current_span(self):
            asked.append(1)
            raise RuntimeError("broken tracing")

    monkeypatch.setitem(sys.modules, "opentelemetry.trace", Asks())
    echo = headrace.instrument(Echo(), "echo")
    at(0.000001)
    with headrace.request("r-1"):
        assert echo(value=1) == 1
    assert asked == []
    pipeline = at(100)
    assert echo(value=2) == 2
    assert asked == [1]
    assert (pipeline.calls[0].trace_id, pipeline.failures) == (None, [])


def test_opentelemetry_is_not_imported_by_us():
    code = (
        "import sys, dspy, headrace, headrace.middleware\n"
        "from headrace.testing import capture\n"
        "class Echo(dspy.Module):\n"
        "    def forward(self): return dspy.Prediction(a=1)\n"
        "before = {n for n in sys.modules if n.startswith('opentelemetry')}\n"
        "with capture() as sink: headrace.instrument(Echo(), 'e')()\n"
        "after = {n for n in sys.modules if n.startswith('opentelemetry')}\n"
        "print(len(sink.records), after - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout == "1 set()\n", done.stderr
