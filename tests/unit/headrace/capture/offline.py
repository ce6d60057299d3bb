"""An LM without a network, a program to call, and a pipeline that keeps what it is given."""

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import dspy
from dspy.utils import DummyLM

from headrace.captured import CapturedCall
from headrace.counters import Counters
from headrace.ledger import Stats

ANSWERS = {"reasoning": "because", "answer": "blue", "score": "0.5", "summary": "short"}


class OfflineLM(DummyLM):
    """Answers every prompt with the same fields.

    Args:
        fields: the answer.
        tokens: (input, output) of a call, from its history entry; None reports nothing.
        cost_usd: the cost of a call.
        cached: whether the answers come from a cache: no usage, the first call's cost.
        error: raised instead of answering.
    """

    def __init__(
        self,
        fields: Mapping[str, Any] = ANSWERS,
        *,
        tokens: Callable[[Mapping[str, Any]], tuple[int, int] | None] = lambda _: (7, 3),
        cost_usd: float | None = 0.25,
        cached: bool = False,
        error: BaseException | None = None,
    ) -> None:
        super().__init__(itertools.repeat(dict(fields)))
        self.tokens, self.cost_usd, self.cached, self.error = tokens, cost_usd, cached, error

    def _format_answer_fields(self, fields: Any) -> Any:
        if self.error is not None:
            raise self.error
        return super()._format_answer_fields(fields)

    def update_history(self, entry: dict[str, Any]) -> None:
        counts = None if self.cached else self.tokens(entry)
        usage = {} if counts is None else {"prompt_tokens": counts[0], "completion_tokens": counts[1]}
        marks = {"cache_hit": True} if self.cached else {"response": None}
        super().update_history({**entry, "usage": usage, "cost": self.cost_usd, **marks})


class Program(dspy.Module):
    """Two predictors one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.generate = dspy.ChainOfThought("question -> answer")
        self.judge = dspy.Predict("answer -> score: float")

    def forward(self, question: str) -> dspy.Prediction:
        answer = self.generate(question=question).answer
        return dspy.Prediction(answer=answer, score=self.judge(answer=answer).score)

    async def aforward(self, question: str) -> dspy.Prediction:
        answer = (await self.generate.acall(question=question)).answer
        return dspy.Prediction(answer=answer, score=(await self.judge.acall(answer=answer)).score)


class Echo(dspy.Module):
    """No LM at all: returns what it is given, or raises it."""

    def forward(self, value: Any) -> Any:
        if isinstance(value, BaseException):
            raise value
        return value

    async def aforward(self, value: Any) -> Any:
        return self.forward_value(value)

    def forward_value(self, value: Any) -> Any:
        if isinstance(value, BaseException):
            raise value
        return value


class KeepingPipeline:
    """A pipeline that delivers at once, into a list; `broken` makes it raise, as it never should."""

    def __init__(self) -> None:
        self.counters = Counters()
        self.calls: list[CapturedCall] = []
        self.failures: list[str] = []
        self.broken = False
        self.closed = False

    def submit(self, call: CapturedCall) -> bool:
        if self.broken:
            raise RuntimeError("broken on purpose")
        self.calls.append(call)
        return True

    def count_failure(self, reason: str) -> None:
        self.failures.append(reason)

    def flush(self, timeout_s: float) -> bool:
        return timeout_s >= 0

    def close(self, timeout_s: float) -> bool:
        self.closed = True
        return timeout_s >= 0

    def stats(self) -> Stats:
        dropped = {reason: self.failures.count(reason) for reason in set(self.failures)}
        return Stats(
            sampled=len(self.calls) + len(self.failures),
            delivered=len(self.calls),
            dropped=dropped,
        )

    @property
    def roots(self) -> list[CapturedCall]:
        return [call for call in self.calls if call.parent_event_id is None]

    def named(self, signature: str) -> list[CapturedCall]:
        return [call for call in self.calls if call.signature == signature]

    def inside(self, parent: CapturedCall) -> list[CapturedCall]:
        return [call for call in self.calls if call.parent_event_id == parent.event_id]
