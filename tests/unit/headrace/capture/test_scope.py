"""headrace.request: what it tells its calls, nested and in async code."""

import asyncio

import dspy
import pytest

import headrace
from headrace import runtime
from headrace.capture.scope import setting
from headrace.config import load
from headrace.errors import UsageError
from tests.unit.headrace.capture.offline import Echo, KeepingPipeline, Program


def test_calls_carry_the_request_that_is_open(everything):
    echo = headrace.instrument(Echo())
    with headrace.request("r-1", subject_id=7, attributes={"tenant": "acme", "sizes": {3}}) as request:
        echo(value=1)
    assert (request.request_id, request.subject_id) == ("r-1", "7")
    (call,) = everything.calls
    assert (call.request_id, call.subject_id) == ("r-1", "7")
    assert call.attributes == {"tenant": "acme", "sizes": [3]}


def test_after_the_request_its_id_is_gone(everything):
    echo = headrace.instrument(Echo())
    with headrace.request("r-1"):
        pass
    echo(value=1)
    assert everything.calls[0].request_id != "r-1"
    assert everything.calls[0].subject_id is None


@pytest.mark.parametrize("nothing", [None, ""])
def test_a_request_without_an_id_gets_one_that_the_caller_can_read(everything, nothing):
    echo = headrace.instrument(Echo())
    with headrace.request(nothing) as request:
        echo(value=1)
        echo(value=2)
    assert len(request.request_id) == 32
    assert [call.request_id for call in everything.calls] == [request.request_id] * 2


def test_as_a_decorator_it_opens_another_request_for_each_call(everything):
    echo = headrace.instrument(Echo())

    @headrace.request(subject_id="ann")
    def serve(value):
        return echo(value=value)

    serve(1)
    serve(2)
    assert {call.subject_id for call in everything.calls} == {"ann"}
    assert len({call.request_id for call in everything.calls}) == 2


def test_ids_are_made_text_that_utf8_can_carry(everything):
    echo = headrace.instrument(Echo())
    with headrace.request(42):
        echo(value=1)
    with headrace.request("\udcff!", subject_id="\ud800"):
        echo(value=1)
    assert [(call.request_id, call.subject_id) for call in everything.calls] == [("42", None), ("?!", "?")]


def test_a_nested_request_is_about_the_same_person_until_it_says_otherwise(everything):
    echo = headrace.instrument(Echo())
    with headrace.request("outer", subject_id="ann", attributes={"a": 1, "b": 1}):
        with headrace.request("inner", attributes={"b": 2}):
            echo(value=1)
        with headrace.request("other", subject_id="bob"):
            echo(value=1)
        echo(value=1)
    assert [(call.request_id, call.subject_id, call.attributes) for call in everything.calls] == [
        ("inner", "ann", {"a": 1, "b": 2}),
        ("other", "bob", {"a": 1, "b": 1}),
        ("outer", "ann", {"a": 1, "b": 1}),
    ]


def test_tasks_have_requests_of_their_own(everything):
    echo = headrace.instrument(Echo())

    async def serve(name):
        with headrace.request(name):
            await asyncio.sleep(0)
            await echo.acall(value=name)

    async def serve_all():
        await asyncio.gather(*(serve(f"r-{n}") for n in range(20)))

    asyncio.run(serve_all())
    assert all(call.request_id == call.input["value"] for call in everything.calls)
    assert len(everything.calls) == 20


def test_the_bodys_exception_passes(everything):
    with pytest.raises(KeyError), headrace.request("r"):
        raise KeyError
    assert everything.calls == []


def test_attributes_that_are_no_mapping_are_refused():
    with pytest.raises(UsageError, match="attributes must be a mapping, found list"):
        headrace.request("r", attributes=["tenant"])


@pytest.mark.parametrize("no", [False, None, 0])
def test_without_consent_calls_are_counted_and_nothing_of_them_is_captured(everything, no):
    program = headrace.instrument(Program(), "program")
    with headrace.request("r-1", consent=no) as request:
        program(question="x")
        asyncio.run(program.acall(question="x"))
        with headrace.request("r-2", consent=True) as nested:
            program(question="x")
    assert (request.consent, nested.consent) == (False, False)
    assert everything.calls == []
    assert [each["calls"] for each in everything.counters.snapshot()] == [3]
    with headrace.request("r-3"):
        program(question="x")
    assert {call.request_id for call in everything.calls} == {"r-3"}


def test_without_consent_no_rule_keeps_an_error():
    pipeline = KeepingPipeline()
    config = load(None, {"telemetry": {"enabled": True, "sampling_rate_pct": 0, "keep": {"errors_per_s": 9}}}, {})
    before = runtime.swap(runtime.Runtime(config, pipeline))
    try:
        echo = headrace.instrument(Echo())
        for consent in (False, True):
            with headrace.request(f"consent: {consent}", consent=consent), pytest.raises(ValueError, match="x"):
                echo(value=ValueError("x"))
    finally:
        runtime.swap(before)
    assert [call.request_id for call in pipeline.calls] == ["consent: True"]


def test_refused_inside_a_captured_call_it_holds_for_the_calls_in_there(everything):
    class Outer(Echo):
        def __init__(self):
            super().__init__()
            self.inner = headrace.instrument(Program(), "inner")

        def forward(self, value):
            with headrace.request(consent=False):
                self.inner(question=value)
            return "done"

    headrace.instrument(Outer(), "outer")(value="x")
    assert [call.module_name for call in everything.calls] == ["outer"]
    assert everything.calls[0].lm_calls == 2


def test_a_task_that_outlives_its_request_stays_in_it(everything):
    echo = headrace.instrument(Echo())

    async def later(go):
        await go.wait()
        await echo.acall(value="late")

    async def serve():
        go = asyncio.Event()
        with headrace.request("agreed", subject_id="ann"):
            agreed = asyncio.create_task(later(go))
        with headrace.request("refused", consent=False):
            refused = asyncio.create_task(later(go))
        await asyncio.sleep(0)
        go.set()
        await asyncio.gather(agreed, refused)

    asyncio.run(serve())
    assert [(call.request_id, call.subject_id) for call in everything.calls] == [("agreed", "ann")]


def test_a_task_that_outlives_its_call_makes_calls_of_its_own(everything):
    echo = headrace.instrument(Echo(), "echo")
    tasks = []

    class Starts(Echo):
        async def aforward(self, value):
            async def later():
                await value.wait()
                await echo.acall(value="late")

            tasks.append(asyncio.create_task(later()))
            return "done"

    starts = headrace.instrument(Starts(), "starts")

    async def serve():
        go = asyncio.Event()
        with headrace.request("r-1", subject_id="ann"):
            await starts.acall(value=go)
        go.set()
        await asyncio.gather(*tasks)

    asyncio.run(serve())
    assert [(call.signature, call.parent_event_id, call.subject_id) for call in everything.calls] == [
        ("starts", None, "ann"),
        ("echo", None, "ann"),
    ]


def test_a_stream_that_outlives_its_refused_request_gives_nothing_away(everything):
    echo = headrace.instrument(Echo(), "echo")

    class Streams(Echo):
        def forward(self, value):
            for each in value:
                yield echo(value=each)

    streams = headrace.instrument(Streams(), "streams")
    with headrace.request(consent=False):
        stream = streams(value="ab")
    assert list(stream) == ["a", "b"]
    with headrace.request("r-1"):
        stream = streams(value="ab")
    with headrace.request("other", consent=False):
        assert list(stream) == ["a", "b"]
    assert [(call.signature, call.request_id) for call in everything.calls] == [
        ("echo", "r-1"),
        ("echo", "r-1"),
        ("streams", "r-1"),
    ]


def test_a_setting_is_what_dspy_says_it_is():
    names = ("callbacks", "caller_modules", "disable_history", "max_history_size", "lm", "no_such_setting")
    for changes in ({}, {"max_history_size": 0}, {"lm": None, "no_such_setting": 7, "callbacks": [1]}):
        with dspy.context(**changes):
            assert [setting(name) for name in names] == [dspy.settings.get(name) for name in names]
