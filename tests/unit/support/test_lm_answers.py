"""The LM of the tests understands what DSPy's adapters ask."""

from enum import Enum
from typing import Literal

import dspy
import pytest
from pydantic import BaseModel

from tests.support.lm_answers import answering
from tests.support.openai_server import MODEL, serving


class Size(Enum):
    small = "s"
    large = "l"


class Part(BaseModel):
    name: str
    price: float
    size: Size


class Everything(dspy.Signature):
    """Answer in all types."""

    question: str = dspy.InputField()
    context: list[str] = dspy.InputField()
    answer: str = dspy.OutputField(desc="of several\nlines")
    count: int = dspy.OutputField()
    share: float = dspy.OutputField()
    is_sure: bool = dspy.OutputField()
    color: Literal["red", "blue"] = dspy.OutputField()
    part: Part = dspy.OutputField()
    parts: list[Part] = dspy.OutputField()
    note: str | None = dspy.OutputField()


@pytest.mark.parametrize("adapter", [dspy.ChatAdapter(), dspy.JSONAdapter()], ids=["chat", "json"])
def test_each_field_that_is_asked_gets_a_value_of_its_type(adapter):
    said = []

    def make(asked):
        said.append(asked.inputs)
        return {"answer": asked.inputs["question"].upper()}

    with serving(answering(make)) as server:
        lm = dspy.LM(MODEL, api_base=server.url, api_key="none", cache=False)
        with dspy.context(lm=lm, adapter=adapter):
            answer = dspy.ChainOfThought(Everything)(question="why?", context=["a", "b"])
        assert len(server.requests) == 1  # no adapter fell back to another
    assert (answer.answer, answer.count, answer.share, answer.is_sure) == ("WHY?", 1, 0.5, True)
    assert (answer.color, answer.parts) == ("red", [answer.part])
    assert answer.part == Part(name="some text", price=0.5, size=Size.small)
    assert isinstance(answer.reasoning, str)
    assert set(said[0]) == {"question", "context"}
