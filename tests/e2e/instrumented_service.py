"""A DSPy service as its owner would write it: an instrumented program, an offline LM, a thread pool of callers.

python -m tests.e2e.instrumented_service CONFIG CALLS        prints headrace.stats() and what succeeded, as JSON
"""

import dataclasses
import json
import random
import sys
from concurrent.futures import ThreadPoolExecutor

import dspy

import headrace

REPEATED, FAILED = 0.3, 0.1


class Answer(dspy.Signature):
    """Answer the question."""

    question: str = dspy.InputField()
    answer: str = dspy.OutputField()


class Answerer(dspy.Module):
    """Answers without a language model: what is measured here is the way from the call to the table."""

    def __init__(self) -> None:
        super().__init__()
        self.signature = Answer

    def forward(self, question: str, refuse: bool) -> dspy.Prediction:
        if refuse:
            raise ValueError("the model refused")
        return dspy.Prediction(answer=f"an answer to {question}")


def main(config_path: str, calls: int) -> None:
    """Make the calls from four threads; 30% repeat a question, 10% fail."""
    headrace.configure(config_path)
    program = headrace.instrument(Answerer(), name="answerer")
    draw = random.Random(7)
    plan = []
    for number in range(calls):
        repeats = plan and draw.random() < REPEATED
        question = draw.choice(plan)[0] if repeats else f"question {number}"
        plan.append((question, draw.random() < FAILED))

    def ask(item: tuple[str, bool]) -> str | None:
        question, refuse = item
        try:
            program(question=question, refuse=refuse)
        except ValueError:
            return None
        return question

    with ThreadPoolExecutor(4) as pool:
        answered = sorted({question for question in pool.map(ask, plan) if question is not None})
    flushed = headrace.flush(60)
    json.dump({"stats": dataclasses.asdict(headrace.stats()), "flushed": flushed, "answered": answered}, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
