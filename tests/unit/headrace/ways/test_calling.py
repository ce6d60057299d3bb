"""Sync, async, streamed, asyncified, parallel, in pools: the same results, and a record for each call, joined right."""

import asyncio
import contextvars
from concurrent.futures import ThreadPoolExecutor

import dspy
import pytest

import headrace
from tests.unit.headrace.capture.offline import ANSWERS, OfflineLM, Program
from tests.unit.headrace.ways.outcomes import outcome

N = 6
QUESTIONS = [f"question {number}" for number in range(N)]
EXAMPLES = [dspy.Example(question=question).with_inputs("question") for question in QUESTIONS]


async def all_of(calls):
    """Gather all to their ends, then raise the first error."""
    results = await asyncio.gather(*calls, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result
    return results


def gathered(program):
    async def run():
        return await all_of(program.acall(question=question) for question in QUESTIONS)

    return asyncio.run(run())


def asyncified(program):
    call = dspy.asyncify(program)

    async def run():
        return await all_of(call(question=question) for question in QUESTIONS)

    return asyncio.run(run())


def to_thread(program):
    async def run():
        return await all_of(asyncio.to_thread(program, question=question) for question in QUESTIONS)

    return asyncio.run(run())


def syncified(program):
    return [dspy.syncify(program)(question=question) for question in QUESTIONS]


def streamed(program, **options):
    stream = dspy.streamify(program, **options)

    async def run(question):
        return [chunk async for chunk in stream(question=question) if isinstance(chunk, dspy.Prediction)]

    return [asyncio.run(run(question)) for question in QUESTIONS]


def streamed_to_a_sync_consumer(program):
    stream = dspy.streamify(program, async_streaming=False)
    return [[c for c in stream(question=question) if isinstance(c, dspy.Prediction)] for question in QUESTIONS]


def pooled(program):
    """Raw threads know nothing of the caller's settings; a service gives each its own."""
    lm = dspy.settings.lm

    def work(question):
        with dspy.context(lm=lm, adapter=dspy.ChatAdapter()):
            return program(question=question)

    with ThreadPoolExecutor(3) as pool:
        return list(pool.map(work, QUESTIONS))


def pooled_with_context(program):
    with ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(contextvars.copy_context().run, program, question=question) for question in QUESTIONS]
        return [future.result() for future in futures]


WAYS = {
    "sync": lambda program: [program(question=question) for question in QUESTIONS],
    "async": lambda program: [asyncio.run(program.acall(question=question)) for question in QUESTIONS],
    "gather": gathered,
    "asyncify": asyncified,
    "to_thread": to_thread,
    "syncify": syncified,
    "streamify": streamed,
    "streamify of acall": lambda program: streamed(program, is_async_program=True),
    "streamify, sync consumer": streamed_to_a_sync_consumer,
    "Parallel": lambda program: dspy.Parallel(num_threads=3, disable_progress_bar=True)(
        [(program, example) for example in EXAMPLES]
    ),
    "Parallel, positional": lambda program: dspy.Parallel(num_threads=3, disable_progress_bar=True)(
        [(program, (question,)) for question in QUESTIONS]
    ),
    "Parallel, one thread": lambda program: dspy.Parallel(num_threads=1, disable_progress_bar=True)(
        [(program, {"question": question}) for question in QUESTIONS]
    ),
    "batch": lambda program: program.batch(EXAMPLES, num_threads=3, disable_progress_bar=True),
    "thread pool": pooled,
    "thread pool with the caller's context": pooled_with_context,
}
KEEPS_THE_REQUEST = set(WAYS) - {"thread pool"}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_results_are_those_of_the_plain_program_and_each_call_has_its_three_records(everything, way):
    plain = outcome(way, Program())
    assert plain.raised is None
    assert outcome(way, headrace.instrument(Program(), "qa")) == plain
    assert sorted(root.input["question"] for root in everything.roots) == QUESTIONS
    assert len({root.request_id for root in everything.roots}) == N
    for root in everything.roots:
        assert (root.signature, root.output, root.lm_calls, root.cost_usd) == (
            "qa",
            {"answer": "blue", "score": 0.5},
            2,
            0.5,
        )
        children = everything.inside(root)
        assert [child.signature for child in children] == ["qa.generate.predict", "qa.judge"]
        assert {child.request_id for child in children} == {root.request_id}
    assert len(everything.calls) == 3 * N


@pytest.mark.parametrize("name", WAYS)
def test_the_open_request_reaches_the_calls_wherever_they_run(everything, name):
    program = headrace.instrument(Program(), "qa")
    with headrace.request("r-1", subject_id="ann"):
        WAYS[name](program)
    ids = {(call.request_id, call.subject_id) for call in everything.calls}
    if name in KEEPS_THE_REQUEST:
        assert ids == {("r-1", "ann")}
    else:  # dspy's settings do not reach such a thread either: each call is a request of its own
        assert len(ids) == N
    assert len(everything.roots) == N


def test_a_request_opened_inside_a_raw_thread_holds_there(everything):
    program, lm = headrace.instrument(Program(), "qa"), OfflineLM()

    def work(question):
        with headrace.request(f"r {question}"), dspy.context(lm=lm, adapter=dspy.ChatAdapter()):
            program(question=question)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, QUESTIONS))
    assert {call.request_id for call in everything.calls} == {f"r {question}" for question in QUESTIONS}


@pytest.mark.parametrize("name", WAYS)
def test_a_request_that_is_not_sampled_leaves_nothing_wherever_it_runs(at, name):
    pipeline = at(0.0001)
    program = headrace.instrument(Program(), "qa")
    with headrace.request("r-1"):
        WAYS[name](program)
    assert [call for call in pipeline.calls if call.request_id == "r-1"] == []


@pytest.mark.parametrize("name", WAYS)
def test_errors_are_those_of_the_plain_program_and_recorded(everything, name):
    with dspy.context(lm=OfflineLM(error=ValueError("no such ship"))):
        plain = outcome(WAYS[name], Program())
        assert outcome(WAYS[name], headrace.instrument(Program(), "qa")) == plain
    roots = everything.roots
    assert roots
    assert all((root.success, root.output) == (False, {}) for root in roots)
    assert all("no such ship" in root.error for root in roots)


def test_thousands_at_once_are_told_apart(everything):
    ask = headrace.instrument(dspy.Predict("question -> answer"), "ask")

    async def one(number):
        with headrace.request(f"r-{number}"):
            return await ask.acall(question=f"#{number}")

    async def all_at_once():
        return await asyncio.gather(*(one(number) for number in range(3_000)))

    answers = asyncio.run(all_at_once())
    assert {answer.answer for answer in answers} == {ANSWERS["answer"]}
    assert len(everything.calls) == 3_000
    assert all(call.input == {"question": call.request_id.replace("r-", "#")} for call in everything.calls)
    assert all((call.lm_calls, call.parent_event_id) == (1, None) for call in everything.calls)


def test_parallel_inside_a_program_and_nested_in_itself(everything):
    ask = dspy.Predict("question -> answer")

    class Fans(dspy.Module):
        def __init__(self):
            super().__init__()
            self.ask = ask

        def forward(self, questions):
            inner = dspy.Parallel(num_threads=2, disable_progress_bar=True)
            halves = [questions[: N // 2], questions[N // 2 :]]
            pairs = [(inner, [(self.ask, {"question": question}) for question in half]) for half in halves]
            # One thread outside: tqdm's registry, which DSPy uses even without a bar, is not safe against two.
            answers = dspy.Parallel(num_threads=1, disable_progress_bar=True)(pairs)
            return dspy.Prediction(answers=[answer.answer for half in answers for answer in half])

    plain = outcome(Fans(), questions=QUESTIONS)
    assert outcome(headrace.instrument(Fans(), "fans"), questions=QUESTIONS) == plain
    (root,) = everything.roots
    children = everything.inside(root)
    assert sorted(child.input["question"] for child in children) == QUESTIONS
    assert {child.signature for child in children} == {"fans.ask"}
    assert root.lm_calls == N


def test_a_wrapper_that_calls_aforward_itself_is_what_has_to_be_instrumented(everything):
    """Neither `__call__` nor `acall` of the program runs: to DSPy, too, it is no call of it."""
    program = headrace.instrument(Program(), "qa")
    assert dspy.syncify(program, in_place=False)(question="x").answer == "blue"
    assert everything.calls == []
    assert headrace.instrument(dspy.syncify(Program(), in_place=False), "qa")(question="x").answer == "blue"
    assert [call.signature for call in everything.calls] == ["qa.program.generate.predict", "qa.program.judge", "qa"]


def test_forward_is_no_call_to_dspy_nor_to_us(everything):
    program = headrace.instrument(Program(), "qa")
    assert program.forward("x").answer == "blue"
    assert everything.calls == []
