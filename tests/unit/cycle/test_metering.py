"""What DSPy itself tells of calls: of several at once, of LMs without usage or price, of its cache."""

import asyncio
from importlib.util import find_spec

import dspy
import pytest

from headrace_consumers.cycle.ending import Ending
from headrace_consumers.cycle.lms import cache_answers
from headrace_consumers.cycle.metering import meter
from headrace_consumers.cycle.phases import phase
from headrace_consumers.cycle.spending import Budget, Spending, Taken
from tests.support.openai_server import MODEL, chat, serving


@pytest.fixture(scope="module")
def lm():
    with serving(chat(answer="blue")) as server:
        yield dspy.LM(MODEL, api_base=server.url, api_key="none", cache=False)


since_engines = pytest.mark.skipif(find_spec("dspy.lm15") is None, reason="since dspy 3.4 an LM has an engine")


class Silent:
    """An engine that says nothing of tokens."""

    def __init__(self):
        self.asked = 0

    def complete(self, _request):
        from dspy.lm15 import Message, Response, TextPart, Usage

        self.asked += 1
        said = TextPart("[[ ## answer ## ]]\nblue\n\n[[ ## completed ## ]]")
        return Response(id=None, model="mine", message=Message.assistant([said]), finish_reason="stop", usage=Usage())

    def stream(self, _request):
        raise NotImplementedError

    def close(self):
        pass


def test_a_program_that_asks_several_questions_at_once_ends_at_its_budget(tmp_path, lm):
    path = tmp_path / "spent.jsonl"
    program = dspy.Predict("question -> answer")

    async def both(number):
        await asyncio.gather(*(program.acall(question=f"{each}{number}") for each in "ab"))

    def work(ending):
        with dspy.context(**meter(Spending(path, Budget(calls=3), ending)), lm=lm):
            for number in range(4):
                asyncio.run(both(number))

    assert phase(work).stopped == "lm_calls"
    assert len(path.read_text().splitlines()) == 2


@since_engines
def test_an_lm_without_a_price_is_refused_where_the_cost_is_bounded(tmp_path, lm):
    def work(ending):
        with dspy.context(**meter(Spending(tmp_path / "spent.jsonl", Budget(cost_usd=2), ending))):
            for each in (lm, dspy.LM("mine/silent", engine=Silent(), cache=False)):
                with dspy.context(lm=each):
                    dspy.Predict("question -> answer")(question="a")

    assert phase(work).failure.startswith(
        "optimization.max_cost_usd is $2, but DSPy knows no price of mine/silent, so that what it costs"
    )


@pytest.mark.filterwarnings("ignore:Implementing custom LMs:DeprecationWarning")  # DSPy before 3.4 has no other
def test_a_call_that_its_caller_cancels_counts_and_ends_no_work_whose_cost_is_bounded(tmp_path):
    class Hanging(dspy.BaseLM):
        async def aforward(self, *_given, **_named):
            is_sent.set()
            await asyncio.Event().wait()

    async def cancelled():
        call = asyncio.create_task(Hanging("mine/hanging").acall("a"))
        await is_sent.wait()
        call.cancel()
        await asyncio.wait([call])
        return call.cancelled()

    def work(ending):
        spending = Spending(tmp_path / "spent.jsonl", Budget(cost_usd=2), ending)
        with dspy.context(**meter(spending)):
            assert asyncio.run(cancelled())
        return spending.taken

    is_sent = asyncio.Event()
    assert phase(work).result == Taken(0, 1, 0.0, 1)


@since_engines
@pytest.mark.parametrize("more", [{}, {"disable_history": True}])
def test_calls_of_an_lm_that_tells_no_usage_count_and_what_the_cache_has_does_not(tmp_path, monkeypatch, more):
    kept = dspy.cache
    monkeypatch.setattr(dspy, "cache", kept)
    cache_answers(tmp_path / "cache")
    engine = Silent()
    spending = Spending(tmp_path / "spent.jsonl", Budget(), Ending())
    with dspy.context(**meter(spending), lm=dspy.LM("mine/silent", engine=engine)), dspy.context(**more):
        for question in ("a", "b", "a", "b"):
            assert dspy.Predict("question -> answer")(question=question).answer == "blue"
    assert engine.asked == 2
    assert (spending.taken, spending.of_task.asked) == (Taken(0, 2, 0.0, 2), 4)
