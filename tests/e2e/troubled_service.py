"""A DSPy service that fares as it is told: a line on stdin, ``good``, ``bad`` or ``end``, for all calls that follow.

python -m tests.e2e.troubled_service CONFIG
"""

import contextlib
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import dspy

import headrace
from headrace_consumers.demo.program import DraftReply, OfflineLM, happening
from headrace_consumers.demo.tickets import Mishap

CALLERS, PAUSE_S, SLOW_S = 4, 0.05, 2.0  # slower than what a busy machine does to the other calls


class extract_requirements(dspy.Signature):  # noqa: N801  # the document's name
    """List what has to be done."""

    user_intent: str = dspy.InputField()
    requirements: list[str] = dspy.OutputField()


class discover_skills(dspy.Signature):  # noqa: N801  # likewise
    """Find skills."""

    task: str = dspy.InputField()
    skills: list[str] = dspy.OutputField()


class Reviewer(dspy.Module):
    """Fails when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.signature = extract_requirements

    def forward(self, user_intent: str, fails: bool) -> dspy.Prediction:
        if fails:
            raise TimeoutError("the provider did not answer")
        return dspy.Prediction(requirements=[user_intent])


class Optimizer(dspy.Module):
    """Is slow when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.signature = discover_skills

    def forward(self, task: str, slow: bool) -> dspy.Prediction:
        if slow:
            time.sleep(SLOW_S)
        return dspy.Prediction(skills=[task])


class Drafter(dspy.Module):
    """Asks a language model, which is dear for a ticket with pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.draft = dspy.Predict(DraftReply)

    def forward(self, ticket: str) -> dspy.Prediction:
        return self.draft(ticket=ticket, team="billing")


def main(config_path: str) -> None:
    """Call until the end: of the bad calls a fifth fails, a tenth is slow, and a tenth is dear."""
    headrace.configure(config_path)
    dspy.configure(lm=OfflineLM())
    reviewer = headrace.instrument(Reviewer(), name="reviewer", version="v2")
    healthy = headrace.instrument(Reviewer(), name="healthy", version="v1")
    optimizer = headrace.instrument(Optimizer(), name="optimizer", version="v1")
    drafter = headrace.instrument(Drafter(), name="drafter", version="v3")
    rare = headrace.instrument(Reviewer(), name="rare", version="v1")
    told = {"mood": "good"}
    pause = threading.Event()

    def call(caller: int) -> None:
        number = caller
        while told["mood"] != "end":
            bad = told["mood"] == "bad"
            with contextlib.suppress(TimeoutError):
                reviewer(user_intent=f"intent {number}", fails=bad and number % 5 == 0)
            healthy(user_intent=f"intent {number}", fails=False)
            optimizer(task=f"task {number}", slow=bad and number % 10 == 0)
            with happening(Mishap.costly if bad and number % 10 == 0 else Mishap.none):
                drafter(ticket=f"ticket {number}")
            number += 1
            pause.wait(PAUSE_S)

    with ThreadPoolExecutor(CALLERS) as pool:
        for caller in range(CALLERS):
            pool.submit(call, caller * 1_000_000)
        for line in sys.stdin:
            told["mood"] = line.strip()
            if told["mood"] == "bad":
                for number in range(3):  # at night
                    with contextlib.suppress(TimeoutError):
                        rare(user_intent=f"intent {number}", fails=True)
            if told["mood"] == "end":
                break
        told["mood"] = "end"
    headrace.flush(10)


if __name__ == "__main__":
    main(sys.argv[1])
