"""A program with a weakness: its instructions do not say where a parcel belongs."""

from typing import Literal

import dspy


class ClassifyTicket(dspy.Signature):
    """Sort the ticket."""

    ticket: str = dspy.InputField()
    queue: Literal["billing", "shipping", "other"] = dspy.OutputField()


class Triage(dspy.Module):
    def __init__(self):
        super().__init__()
        self.classify = dspy.Predict(ClassifyTicket)

    def forward(self, ticket):
        return self.classify(ticket=ticket)


class RenamedTicket(dspy.Signature):
    """Sort the ticket."""

    message: str = dspy.InputField()
    queue: str = dspy.OutputField()


def broken_metric(example, _prediction):
    raise KeyError(example.ticket)
