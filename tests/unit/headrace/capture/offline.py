"""An LM without a network, a program to call, and a pipeline that keeps what it is given."""

import importlib.metadata
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import dspy
from dspy.utils import DummyLM
from packaging.version import Version

from headrace.captured import CapturedCall
from headrace.counters import Counters
from headrace.ledger import Stats

DSPY: Final = Version(importlib.metadata.version("dspy"))
TRUSTED: Final = {"allow_pickle": True} if Version("3.1") <= DSPY else {}
"""For dspy.load; before, it did not ask."""
ANSWERS = {"reasoning": "because", "answer": "blue", "score": "0.5", "summary": "short"}


class _Answers:
    """What a DummyLM takes its answers from; a list would come to an end."""

    def __init__(self, lm: "OfflineLM") -> None:
        self._lm = lm

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self

    def __next__(self) -> dict[str, Any]:
        return self._lm.answer()


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
        super().__init__(_Answers(self))
        self.fields = dict(fields)
        self.tokens, self.cost_usd, self.cached, self.error = tokens, cost_usd, cached, error

    def answer(self) -> dict[str, Any]:
        """Return the fields of the next answer."""
        if self.error is not None:
            raise self.error
        return self.fields

    def update_history(self, entry: dict[str, Any]) -> None:
        counts = None if self.cached else self.tokens(entry)
        usage = {} if counts is None else {"prompt_tokens": counts[0], "completion_tokens": counts[1]}
        marks = {"cache_hit": True} if self.cached else {"response": None}
        # Before dspy 3.2 a DummyLM's entry names no model, as those of real LMs do.
        entry = {"model": self.model, **entry, "usage": usage, "cost": self.cost_usd, **marks}
        super().update_history(entry)


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
        self.program_failures: list[str] = []
        self.broken = False
        self.closed = False
        self.successor: Callable[[CapturedCall], bool] | None = None

    def submit(self, call: CapturedCall) -> bool:
        if self.broken:
            raise RuntimeError("broken on purpose")
        self.calls.append(call)
        return True

    def count_failure(self, reason: str) -> None:
        self.failures.append(reason)

    def count_program_failure(self, reason: str) -> None:
        self.program_failures.append(reason)

    def flush(self, timeout_s: float) -> bool:
        return timeout_s >= 0

    def close(self, timeout_s: float, successor: Callable[[CapturedCall], bool] | None = None) -> bool:
        self.successor = successor
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
