"""What DSPy itself tells of calls: of programs that wait for several at once."""

import asyncio

import dspy
import pytest

from headrace_consumers.cycle.metering import meter
from headrace_consumers.cycle.phases import phase
from headrace_consumers.cycle.spending import Budget, Spending
from tests.support.openai_server import MODEL, chat, serving


@pytest.fixture(scope="module")
def lm():
    with serving(chat(answer="blue")) as server:
        yield dspy.LM(MODEL, api_base=server.url, api_key="none", cache=False)


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
