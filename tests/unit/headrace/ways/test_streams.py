"""dspy.streamify over a real dspy.LM: the same chunks, listeners intact, tokens counted, also when cancelled midway."""

import asyncio

import dspy
import pytest

import headrace
from tests.support.openai_server import TOKENS, chat, in_turn
from tests.support.waiting import wait_until
from tests.unit.headrace.ways.outcomes import aoutcome

ANSWER = "the sea is blue and wide"


class Chain(dspy.Module):
    def __init__(self):
        super().__init__()
        self.think = dspy.ChainOfThought("question -> answer")
        self.sum_up = dspy.Predict("answer -> summary")

    def forward(self, question):
        return self.sum_up(answer=self.think(question=question).answer)

    async def aforward(self, question):
        return await self.sum_up.acall(answer=(await self.think.acall(question=question)).answer)


def listeners():
    return [dspy.streaming.StreamListener(signature_field_name=name) for name in ("answer", "summary")]


def chunks(program, *, sync, **options):
    """Return everything that the consumer of one call sees, comparably."""
    stream = dspy.streamify(program, stream_listeners=listeners(), async_streaming=not sync, **options)

    async def run():
        return [chunk async for chunk in stream(question="colour?")]

    return [repr(chunk) for chunk in (stream(question="colour?") if sync else asyncio.run(run()))]


@pytest.fixture
def answers(real_lm):
    """Give an LM that answers each call in turn, the two predictors of `Chain` for ever."""

    def answer(body):
        asks_for_summary = "`summary`" in str(body["messages"])
        fields = {"summary": ANSWER.upper()} if asks_for_summary else {"reasoning": "looks so", "answer": ANSWER}
        return chat(**fields)(body)

    lm, server = real_lm(answer)
    with dspy.context(lm=lm):
        yield server


@pytest.mark.parametrize("sync", [False, True], ids=["async consumer", "sync consumer"])
@pytest.mark.parametrize("is_async_program", [False, True], ids=["sync program", "async program"])
def test_the_consumer_sees_the_same_chunks_and_the_records_are_whole(everything, answers, sync, is_async_program):
    plain = chunks(Chain(), sync=sync, is_async_program=is_async_program)
    ours = chunks(headrace.instrument(Chain(), "chain"), sync=sync, is_async_program=is_async_program)
    assert ours == plain
    assert "".join(plain).count("StreamResponse") > 4
    assert len(answers.requests) == 4
    (root,) = everything.roots
    assert (root.success, root.output, root.lm_calls) == (True, {"summary": ANSWER.upper()}, 2)
    assert [call.signature for call in everything.inside(root)] == ["chain.think.predict", "chain.sum_up"]
    assert root.latency_ms > 0


def test_the_tokens_of_a_stream_are_what_dspy_says(everything, answers):
    chunks(headrace.instrument(Chain(), "chain"), sync=False, is_async_program=True)
    reported = [entry["usage"] for entry in dspy.settings.lm.history]
    expected = [usage.get("prompt_tokens") for usage in reported]
    children = everything.inside(everything.roots[0])
    assert [child.tokens_input for child in children] == expected
    if all(expected):
        assert everything.roots[0].tokens_input == 2 * TOKENS[0]
        assert everything.roots[0].tokens_output == 2 * TOKENS[1]
    else:  # an engine that streams without usage: unknown, never zero
        assert everything.roots[0].tokens_input is None
    assert answers.requests


def test_an_instrumented_predictor_keeps_its_own_listener(everything, answers):
    ask = headrace.instrument(dspy.Predict("question -> answer"), "ask")
    stream = dspy.streamify(
        ask, stream_listeners=[dspy.streaming.StreamListener("answer", predict=ask, predict_name="self")]
    )

    async def run():
        return [chunk async for chunk in stream(question="colour?")]

    *pieces, prediction = asyncio.run(run())
    assert "".join(piece.chunk for piece in pieces).strip() == ANSWER
    assert prediction.answer.strip() == ANSWER
    assert [call.output for call in everything.calls] == [{"answer": ANSWER}]
    assert answers.requests[0]["stream"] is True


def test_status_messages_come_as_before(everything, answers):
    class Says(dspy.streaming.StatusMessageProvider):
        def lm_start_status_message(self, instance, inputs):
            del inputs
            return f"asks {instance.model}"

    def told(program):
        stream = dspy.streamify(program, status_message_provider=Says())

        async def run():
            return [chunk.message async for chunk in stream(question="x") if hasattr(chunk, "message")]

        return asyncio.run(run())

    plain = told(Chain())
    assert told(headrace.instrument(Chain(), "chain")) == plain
    assert plain == ["asks openai/gpt-4o-mini"] * 2
    assert len(everything.roots) == 1
    assert answers.requests


@pytest.mark.parametrize("instrumented", [False, True])
def test_a_stream_that_is_cancelled_midway_ends_as_before_and_leaves_a_cancelled_record(
    everything, answers, instrumented
):
    answers.gate.clear()
    program = headrace.instrument(Chain(), "chain") if instrumented else Chain()
    stream = dspy.streamify(program, stream_listeners=listeners(), is_async_program=True)

    async def consume():
        return [chunk async for chunk in stream(question="colour?")]

    async def run():
        task = asyncio.create_task(consume())
        await asyncio.to_thread(wait_until, lambda: answers.requests, "the LM to be asked")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        answers.gate.set()

    asyncio.run(run())
    if instrumented:
        (root,) = everything.roots
        assert (root.success, root.error_type, root.output) == (False, "CancelledError", {})
        (series,) = everything.counters.snapshot()
        assert (series["calls"], series["cancelled"], series["errors"]) == (1, 1, [])
        (child,) = everything.inside(root)
        assert (child.signature, child.success) == ("chain.think.predict", False)
    else:
        assert everything.calls == []


def test_a_consumer_that_leaves_after_the_first_chunk_does_no_harm(everything, answers):
    def left(program):
        stream = dspy.streamify(program, stream_listeners=listeners(), is_async_program=True)

        async def run():
            pieces = stream(question="colour?")
            first = await anext(pieces)
            await pieces.aclose()
            return repr(first)

        return aoutcome(run)

    plain = left(Chain())
    assert left(headrace.instrument(Chain(), "chain")) == plain
    (root,) = everything.roots
    assert (root.success, root.error_type) in {(False, "CancelledError"), (True, None)}
    assert answers.requests


def test_a_stream_that_fails_midway_raises_what_it_raised_and_is_recorded(everything, real_lm):
    lm, _ = real_lm(in_turn({"reasoning": "looks so", "answer": ANSWER}, {"nothing": "asked for"}))

    def told(program):
        stream = dspy.streamify(program, is_async_program=True)

        async def run():
            return [chunk async for chunk in stream(question="x")]

        with dspy.context(lm=lm), pytest.raises(BaseException) as caught:  # noqa: PT011  # a group before dspy 3.4
            asyncio.run(run())
        return type(caught.value).__name__

    told(headrace.instrument(Chain(), "chain"))
    (root,) = everything.roots
    assert (root.success, root.error_type) == (False, "AdapterParseError")
    assert [call.success for call in everything.inside(root)] == [True, False]
