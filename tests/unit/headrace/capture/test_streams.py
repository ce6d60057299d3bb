"""A call that returns a generator ends with it; the caller sees the generator that it would have seen."""

import asyncio
import gc
import inspect

import dspy
import pytest

import headrace
from headrace import runtime
from headrace.capture.streams import Collected
from headrace.config import load
from headrace_schemas.latency import bucket_of
from tests.unit.headrace.capture.offline import KeepingPipeline


class Streams(dspy.Module):
    """Yields what it is told, an error by raising it; echoes what it is sent."""

    def __init__(self):
        super().__init__()
        self.closed = []
        self.ask = dspy.Predict("question -> answer")

    def forward(self, items=("a", "b"), asks=False):
        def speak():
            try:
                for item in items:
                    if asks:
                        self.ask(question=item)
                    if isinstance(item, BaseException):
                        raise item
                    try:
                        sent = yield item
                    except KeyError as thrown:
                        yield f"caught {thrown.args[0]}"
                    else:
                        if sent is not None:
                            yield f"sent {sent}"
                return "result"
            finally:
                self.closed.append(True)

        return speak()

    async def aforward(self, items=("a", "b"), asks=False):
        async def speak():
            try:
                for item in items:
                    if asks:
                        await self.ask.acall(question=item)
                    if isinstance(item, BaseException):
                        raise item
                    await asyncio.sleep(0)
                    try:
                        sent = yield item
                    except KeyError as thrown:
                        yield f"caught {thrown.args[0]}"
                    else:
                        if sent is not None:
                            yield f"sent {sent}"
            finally:
                self.closed.append(True)

        return speak()


def counted(pipeline, name="streams"):
    found = [each for each in pipeline.counters.snapshot() if each["module_name"] == name]
    if not found:
        return None
    return found[0]["calls"], found[0]["cancelled"], {each["name"]: each["count"] for each in found[0]["errors"]}


def streams():
    return headrace.instrument(Streams(), "streams")


@pytest.fixture(params=[0, 100])
def pipeline(request, at):
    return at(request.param)


def test_it_ends_when_it_is_consumed(pipeline):
    pieces = streams()()
    assert type(pieces) is type(i for i in ())
    assert inspect.getgeneratorstate(pieces) == inspect.GEN_CREATED
    assert (pieces.__name__, pieces.__qualname__.rpartition(".")[2]) == ("speak", "speak")
    assert next(pieces) == "a"
    assert counted(pipeline) is None
    assert list(pieces) == ["b"]
    assert counted(pipeline) == (1, 0, {})
    gc.collect()
    assert counted(pipeline) == (1, 0, {})


def test_an_async_one_likewise(pipeline):
    async def consume():
        pieces = await streams().acall()
        assert inspect.isasyncgen(pieces)
        assert await anext(pieces) == "a"
        assert counted(pipeline) is None
        return [piece async for piece in pieces]

    assert asyncio.run(consume()) == ["b"]
    assert counted(pipeline) == (1, 0, {})


def test_what_is_sent_thrown_and_returned_passes_through(pipeline):
    def rest(pieces):
        return (yield from pieces)

    plain, watched = Streams()(), streams()()
    for pieces in (plain, watched):
        assert [next(pieces), pieces.send("x"), next(pieces)] == ["a", "sent x", "b"]
        assert pieces.throw(KeyError("k")) == "caught k"
        with pytest.raises(StopIteration) as stopped:
            next(rest(pieces))
        assert stopped.value.value == "result"
    assert counted(pipeline) == (1, 0, {})


def test_what_is_sent_to_and_thrown_into_an_async_one_passes_through(pipeline):
    async def drive(pieces):
        said = [await anext(pieces), await pieces.asend("x"), await anext(pieces), await pieces.athrow(KeyError("k"))]
        return said, [piece async for piece in pieces]

    async def run():
        return [await drive(await module.acall()) for module in (Streams(), streams())]

    plain, watched = asyncio.run(run())
    assert plain == watched == (["a", "sent x", "b", "caught k"], [])
    assert counted(pipeline) == (1, 0, {})


def test_what_it_raises_is_an_error(pipeline):
    pieces = streams()(items=("a", ValueError("x")))
    assert next(pieces) == "a"
    with pytest.raises(ValueError, match="x"):
        next(pieces)
    with pytest.raises(StopIteration):
        next(pieces)

    async def consume():
        return [piece async for piece in await streams().acall(items=(ValueError("y"),))]

    with pytest.raises(ValueError, match="y"):
        asyncio.run(consume())
    assert counted(pipeline) == (2, 0, {"ValueError": 2})


def test_what_is_thrown_in_and_not_caught_is_an_error(pipeline):
    pieces = streams()()
    next(pieces)
    with pytest.raises(OSError, match="x"):
        pieces.throw(OSError("x"))
    assert counted(pipeline) == (1, 0, {"OSError": 1})


def test_closed_early_it_is_cancelled_and_the_module_s_own_is_closed(pipeline):
    module = streams()
    pieces = module()
    next(pieces)
    pieces.close()
    pieces.close()
    assert module.closed == [True]

    async def leave():
        pieces = await module.acall()
        await anext(pieces)
        await pieces.aclose()

    asyncio.run(leave())
    assert module.closed == [True, True]
    assert counted(pipeline) == (2, 2, {})


@pytest.mark.parametrize("steps", [0, 1])
def test_abandoned_it_is_cancelled(pipeline, steps):
    module = streams()
    pieces = module()
    for _ in range(steps):
        next(pieces)
    del pieces
    gc.collect()
    assert module.closed == [True] * steps

    async def abandon():
        pieces = await module.acall()
        for _ in range(steps):
            await anext(pieces)
        del pieces
        gc.collect()
        for _ in range(5):
            await asyncio.sleep(0)

    asyncio.run(abandon())
    assert module.closed == [True] * steps * 2
    assert counted(pipeline) == (2, 2, {})


def test_a_consumer_s_task_that_is_cancelled_cancels_it(pipeline):
    module = streams()

    async def consume(begun):
        async for _ in await module.acall(items=("a",) * 1000):
            begun.set()

    async def run():
        begun = asyncio.Event()
        task = asyncio.create_task(consume(begun))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        gc.collect()
        await asyncio.sleep(0)

    asyncio.run(run())
    assert counted(pipeline) == (1, 1, {})


def test_its_record_has_all_of_its_text_its_usage_and_its_inner_calls(everything):
    with headrace.request("r-1"):
        pieces = streams()(asks=True)
    assert everything.calls == []
    assert list(pieces) == ["a", "b"]  # outside the request, and still of it
    asyncio.run(_consume(streams().acall(asks=True)))
    for root in everything.roots:
        assert (root.output, root.success, root.lm_calls, root.tokens_input) == ({"output": "ab"}, True, 2, 14)
        assert [call.signature for call in everything.inside(root)] == ["streams.ask", "streams.ask"]
    assert everything.roots[0].request_id == "r-1"
    assert len(everything.roots) == 2
    (usage,) = everything.counters.snapshot()[0]["usage"]
    assert (usage["sampled"], usage["tokens_input"]) == (2, 28)


async def _consume(awaitable):
    return [piece async for piece in await awaitable]


def test_between_its_steps_the_consumer_s_own_calls_are_its_own(everything):
    other = headrace.instrument(Streams().ask, "other")
    for _ in streams()():
        other(question="x")
    assert {call.module_name: call.parent_event_id for call in everything.calls} == {"other": None, "streams": None}


def test_inside_one_that_is_not_sampled_nothing_is_recorded_and_calls_are_counted(at):
    pipeline = at(0)
    module = streams()
    headrace.instrument(module.ask, "ask")
    headrace.set_sampling("ask", rate_pct=100)
    assert list(module(asks=True)) == ["a", "b"]
    assert pipeline.calls == []
    assert counted(pipeline, "ask") == (2, 0, {})


def test_a_nested_one_is_a_record_of_its_own_that_ends_when_it_is_consumed(everything):
    class Outer(dspy.Module):
        def __init__(self):
            super().__init__()
            self.inner = streams()

        def forward(self):
            return "|".join(self.inner(asks=True))

    headrace.instrument(Outer(), "outer")()
    (root,) = everything.roots
    (inner,) = everything.inside(root)
    assert (inner.module_name, inner.output, inner.lm_calls) == ("streams", {"output": "ab"}, 2)
    assert (root.output, root.lm_calls) == ({"output": "a|b"}, 2)
    assert counted(everything) == (1, 0, {})


@pytest.mark.parametrize(
    ("items", "output"),
    [
        (("a", 1, {"b": 2}), {"output": ["a", 1, {"b": 2}]}),
        ((), {"output": ""}),
        (("a", dspy.Prediction(answer="blue")), {"answer": "blue"}),
    ],
)
def test_the_output_is_the_prediction_at_the_end_else_all_text_else_all_items(everything, items, output):
    assert list(streams()(items=items)) == list(items)
    assert everything.calls[0].output == output


def test_items_are_recorded_as_they_were_when_they_were_yielded(everything):
    for item in streams()(items=([1], [2])):
        item.append("changed")
    assert everything.calls[0].output == {"output": [[1], [2]]}


def test_what_is_kept_of_a_long_stream_is_bounded():
    texts, things = Collected(1000), Collected(1000)
    for number in range(100_000):
        texts.add("0123456789")
        things.add([number])
    assert 1000 < len(texts.output()) <= 1010
    assert len(things.output()) < 1000
    assert things.output()[-1].startswith("<99")
    assert things.last == [99_999]


def test_the_latency_is_from_the_call_to_the_end_and_the_predicate_judges_the_last_item():
    class Clock:
        now_s = 100.0

        def __call__(self):
            return self.now_s

    clock, pipeline = Clock(), KeepingPipeline()
    config = load(None, {"telemetry": {"enabled": True, "sampling_rate_pct": 0, "keep": {"slow_per_s": 5}}}, {})
    before = runtime.swap(runtime.Runtime(config, pipeline, perf_counter=clock))
    try:
        module = headrace.instrument(Streams(), "streams", success=lambda last: last == "b")
        for items in (("a", "b"), ("b", "a")):
            for _ in module(items=items):
                clock.now_s += 4
    finally:
        runtime.swap(before)
    assert counted(pipeline) == (2, 0, {"Unsuccessful": 1})
    assert pipeline.counters.snapshot()[0]["latency_counts"][bucket_of(8.0)] == 2
    assert [(call.keep_reason, call.latency_ms, call.success) for call in pipeline.calls] == [
        ("slow", 8000.0, True),
        ("slow", 8000.0, False),
    ]


def test_suppressed_or_switched_off_the_module_s_own_generator_is_returned(everything):
    module = streams()
    with headrace.suppress():
        assert list(module()) == ["a", "b"]
    headrace.set_sampling(enabled=False)
    pieces = module()
    assert pieces.gi_code is Streams()().gi_code
    assert list(pieces) == ["a", "b"]
    assert everything.counters.is_empty


class Tokens:
    """An iterator as SDKs return them: no generator, with more to it than its items."""

    def __init__(self):
        self.items = iter(["a", "b"])
        self.is_closed = False

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.items)

    def __aiter__(self):
        return self

    async def __anext__(self):
        try:
            return next(self.items)
        except StopIteration:
            raise StopAsyncIteration from None

    def close(self):
        self.is_closed = True


@pytest.mark.parametrize("make", [Tokens, lambda: iter(["a", "b"]), lambda: map(str, "ab"), lambda: zip("ab")])
def test_other_iterators_are_returned_as_they_are_and_their_call_has_ended(everything, make):
    class Iterates(dspy.Module):
        def forward(self):
            self.made = make()
            return self.made

        async def aforward(self):
            return self.forward()

    module = headrace.instrument(Iterates(), "iterates")
    assert (pieces := module()) is module.made
    assert counted(everything, "iterates") == (1, 0, {})
    assert len(list(pieces)) == 2  # recording it took nothing out of it
    assert asyncio.run(module.acall()) is module.made
    assert counted(everything, "iterates") == (2, 0, {})
    assert all(call.output["output"].startswith("<unencodable ") for call in everything.calls)


def test_a_generator_over_such_an_iterator_is_followed(everything):
    class Follows(dspy.Module):
        def forward(self):
            yield from Tokens()

        async def aforward(self):
            async def speak():
                async for token in Tokens():
                    yield token

            return speak()

    module = headrace.instrument(Follows(), "follows")
    pieces = module()
    assert counted(everything, "follows") is None
    assert list(pieces) == ["a", "b"]

    async def consume():
        return [token async for token in await module.acall()]

    assert asyncio.run(consume()) == ["a", "b"]
    assert counted(everything, "follows") == (2, 0, {})
    assert [call.output for call in everything.calls] == [{"output": "ab"}] * 2
