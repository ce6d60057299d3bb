"""Signatures and programs that a user might name as `package.module:object`."""

import enum
from typing import Any, Literal, Self

import dspy
from pydantic import BaseModel, model_validator


class Urgency(enum.Enum):
    low = "low"
    high = "high"


class Finding(BaseModel):
    line: int
    text: str


class ReviewChange(dspy.Signature):
    """Say what is wrong with a change."""

    change: str = dspy.InputField(desc="what was changed")
    focus: list[str] = dspy.InputField()
    findings: list[Finding] = dspy.OutputField()
    urgency: Urgency = dspy.OutputField()


class Route(dspy.Signature):
    """Route a ticket."""

    ticket: str = dspy.InputField()
    queue: Literal["billing", "bug"] = dspy.OutputField()


class ValidateCompleteness(dspy.Signature):
    """Tell whether all requirements are met."""

    implementation: str = dspy.InputField()
    requirements: list[str] = dspy.InputField()
    is_complete: bool = dspy.OutputField()
    missing_requirements: list[str] = dspy.OutputField()
    explanation: str = dspy.OutputField()


class WithDefault(dspy.Signature):
    question: str = dspy.InputField()
    style: str = dspy.InputField(default="plain")
    answer: str = dspy.OutputField()


class Suspicious(BaseModel):
    text: str

    @model_validator(mode="after")
    def _refuse(self) -> Self:
        raise RuntimeError(f"this quotes {self.text}")


class Picky(dspy.Signature):
    question: str = dspy.InputField()
    answer: Suspicious = dspy.OutputField()


class TwoSteps(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = dspy.Predict(Route)
        self.second = dspy.Predict(ReviewChange)


inline = dspy.Predict("question -> answer")
no_signature = 7


class OwnMiner(dspy.Module):
    """Takes what it needs of a commit, and returns the fields side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.guess = dspy.Predict("subject -> ticket, queue: str")

    def forward(self, subject: str) -> dspy.Prediction:
        made = self.guess(subject=subject)
        return dspy.Prediction(examples=[dspy.Example(ticket=made.ticket, queue=made.queue, category="own")])


class OwnEdgeCases(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.guess = dspy.Predict("edge_case -> ticket, queue: str")

    def forward(self, edge_case: str) -> dspy.Prediction:
        made = self.guess(edge_case=edge_case)
        return dspy.Prediction(examples=[dspy.Example(ticket=made.ticket, queue=made.queue)])


class Broken(dspy.Module):
    def forward(self, **_: Any) -> None:
        raise KeyError("the payload is not to be shown")


def returns_nothing(subject: str) -> dict[str, Any]:
    return {"subject": subject}
