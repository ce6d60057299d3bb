"""Calls that are cut short: the caller sees what it saw, the record says how the call ended."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import dspy
import pytest

import headrace
from tests.support.waiting import wait_until
from tests.unit.headrace.ways.outcomes import aoutcome, outcome

SOON_S = 0.2
"""A time-out that certainly comes, for what is timed out waits for an event that never does; and not before that."""


class Waits(dspy.Module):
    """Waits for ever, in its only predictor's stead; tells when it has begun."""

    def __init__(self):
        super().__init__()
        self.begun = threading.Event()
        self.released = threading.Event()

    def forward(self, question):
        self.begun.set()
        self.released.wait(30)
        return dspy.Prediction(answer=question)

    async def aforward(self, question):
        self.begun.set()
        await asyncio.Event().wait()
        return dspy.Prediction(answer=question)


class WaitsInside(dspy.Module):
    def __init__(self):
        super().__init__()
        self.ask = dspy.Predict("question -> answer")
        self.waits = Waits()

    async def aforward(self, question):
        await self.ask.acall(question=f"{question}?")
        return await self.waits.acall(question=question)


class GivesUp(WaitsInside):
    """Cancels its own part, and answers all the same."""

    async def aforward(self, question):
        try:
            async with asyncio.timeout(SOON_S):
                await super().aforward(question)
        except TimeoutError:
            return dspy.Prediction(answer="gave up")


async def wait_for(program):
    return await asyncio.wait_for(program.acall(question="x"), SOON_S)


async def timeout(program):
    async with asyncio.timeout(SOON_S):
        return await program.acall(question="x")


async def cancel(program):
    task = asyncio.create_task(program.acall(question="x"))
    await asyncio.sleep(0)
    task.cancel("no longer wanted")
    return await task


async def cancelled_by_a_sibling(program):
    async def fails():
        await asyncio.sleep(0)
        raise ValueError("sibling")

    async with asyncio.TaskGroup() as group:
        group.create_task(program.acall(question="x"))
        group.create_task(fails())


async def gathered(program):
    task = asyncio.gather(*(program.acall(question="x") for _ in range(3)))
    await asyncio.sleep(0)
    task.cancel()
    return await task


WAYS = {
    "wait_for": (wait_for, 1),
    "timeout": (timeout, 1),
    "task.cancel": (cancel, 1),
    "TaskGroup": (cancelled_by_a_sibling, 1),
    "gather": (gathered, 3),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_call_that_is_cut_short(everything, way):
    call, count = WAYS[way]
    plain = aoutcome(call, Waits())
    assert plain.raised is not None
    assert aoutcome(call, headrace.instrument(Waits(), "waits")) == plain
    assert [(root.success, root.error_type, root.output) for root in everything.roots] == [
        (False, "CancelledError", {})
    ] * count


def test_what_was_done_before_the_end_is_recorded_and_billed(everything):
    program = headrace.instrument(WaitsInside(), "waits")

    async def cancel_midway():
        task = asyncio.create_task(program.acall(question="x"))
        await asyncio.to_thread(program.waits.begun.wait)
        task.cancel()
        return await task

    assert aoutcome(cancel_midway).raised.startswith("CancelledError")
    (root,) = everything.roots
    assert (root.error_type, root.lm_calls, root.tokens_input) == ("CancelledError", 1, 7)
    assert [(child.signature, child.success) for child in everything.inside(root)] == [("waits.ask", True)]


def test_a_program_that_gives_up_by_itself_succeeds(everything):
    assert asyncio.run(headrace.instrument(GivesUp(), "waits").acall(question="x")).answer == "gave up"
    assert (everything.roots[0].success, everything.roots[0].output) == (True, {"answer": "gave up"})


def test_an_asyncified_call_that_times_out_goes_on_in_its_thread_and_is_recorded_when_it_ends(everything):
    """DSPy abandons the thread: the caller sees a time-out, the call itself succeeds."""
    program = headrace.instrument(Waits(), "waits")

    async def run():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(dspy.asyncify(program)(question="x"), SOON_S)
        assert everything.calls == []
        program.released.set()
        await asyncio.to_thread(wait_until, lambda: everything.calls, "the call to end")

    asyncio.run(run())
    (call,) = everything.calls
    assert (call.success, call.output) == (True, {"answer": "x"})


def test_the_next_call_of_the_same_task_is_recorded_as_ever(everything):
    """Nothing of the call that was cut short is left in the task's settings."""
    program, ask = headrace.instrument(Waits(), "waits"), headrace.instrument(dspy.Predict("question -> answer"), "ask")

    async def run():
        for way in (wait_for, timeout):
            with pytest.raises(TimeoutError):
                await way(program)
        with headrace.request("r-2"):
            await ask.acall(question="x")

    asyncio.run(run())
    assert [(call.module_name, call.parent_event_id) for call in everything.calls[2:]] == [("ask", None)]
    assert everything.calls[2].request_id == "r-2"


def test_an_exception_thrown_into_a_thread_passes(everything):
    """KeyboardInterrupt and its kin: recorded, and raised on."""
    program = headrace.instrument(Waits(), "waits")

    def forward(question):
        raise KeyboardInterrupt(question)

    program.forward = forward
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(program, question="x")
        assert isinstance(future.exception(30), KeyboardInterrupt)
    assert everything.calls[0].error_type == "KeyboardInterrupt"


def test_a_coroutine_that_is_never_awaited_leaves_nothing(everything):
    coroutine = headrace.instrument(Waits(), "waits").acall(question="x")
    coroutine.close()
    assert everything.calls == []


def test_a_coroutine_that_is_dropped_in_progress_is_recorded(everything):
    class Never:
        def __await__(self):
            yield

    class Pauses(dspy.Module):
        async def aforward(self):
            await Never()

    coroutine = headrace.instrument(Pauses(), "pauses").acall()
    coroutine.send(None)
    assert everything.calls == []
    coroutine.close()
    assert [(call.success, call.error_type) for call in everything.calls] == [(False, "GeneratorExit")]


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("ends", [KeyboardInterrupt, asyncio.CancelledError, SystemExit])
def test_what_ends_an_inner_call_fails_its_record_in_every_release(everything, ends, asynchronous):
    """Older DSPy does not tell its callbacks of what is no Exception; a cancelled call is no good example."""

    class Ends(dspy.Predict):
        def forward(self, **_):
            raise ends

        async def aforward(self, **_):
            raise ends

    class Outer(dspy.Module):
        def __init__(self):
            super().__init__()
            self.ask, self.ends = dspy.Predict("question -> answer"), Ends("answer -> summary")

        def forward(self, question):
            return self.ends(answer=self.ask(question=question).answer)

        async def aforward(self, question):
            return await self.ends.acall(answer=(await self.ask.acall(question=question)).answer)

    program = headrace.instrument(Outer(), "outer")
    told = aoutcome(program.acall, question="x") if asynchronous else outcome(program, question="x")
    assert told.raised is not None
    assert [(call.signature, call.success, call.error_type) for call in everything.calls] == [
        ("outer.ask", True, None),
        ("outer.ends", False, ends.__name__),
        ("outer", False, ends.__name__),
    ]
