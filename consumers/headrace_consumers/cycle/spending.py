"""What the LMs cost: each paid call is noted, counted and, where there is a budget, let through only within it.

A call that may be the last one waits until those before it have told whether the cache answered them, so that the
budget is never passed. DSPy's own entry of a call has its cost, where it knows one. Where an LM asks
another one, only the inner call counts, and the outer one keeps nobody waiting.
"""

import json
import os
import threading
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from headrace.capture.usage import LMCall
from headrace_consumers.cycle.ending import Ending
from headrace_consumers.cycle.lms import GO_ON, is_of_lm, is_of_prompt, one_line
from headrace_consumers.versions.files.disk import FILE_MODE

__all__ = ["Budget", "Spending", "Taken", "note_hit"]

_FAILURES_IN_A_ROW: Final = 5


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be spent, with what was spent before.

    Attributes:
        calls: paid calls of LMs; None: any number.
        cost_usd: None: any amount.
    """

    calls: int | None = None
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """What a part of the work took of LMs.

    Attributes:
        asked: calls, with those that the cache answered.
        calls: paid ones.
        cost_usd: theirs, as far as it is known.
        unpriced: those of which DSPy knows no cost.
    """

    asked: int = 0
    calls: int = 0
    cost_usd: float = 0.0
    unpriced: int = 0

    def since(self, before: "Taken") -> "Taken":
        """Return what was taken since then."""
        return Taken(
            self.asked - before.asked,
            self.calls - before.calls,
            self.cost_usd - before.cost_usd,
            self.unpriced - before.unpriced,
        )

    def with_paid(self, cost_usd: float | None) -> "Taken":
        """Return it with another paid call; None: nobody knows its cost."""
        return replace(
            self,
            calls=self.calls + 1,
            cost_usd=self.cost_usd + (cost_usd or 0.0),
            unpriced=self.unpriced + (cost_usd is None),
        )


@dataclass(slots=True, eq=False)
class _Call:
    """A call of an LM that is under way.

    Attributes:
        loop: the event loop on whose thread it began; None: it began on none.
        outer: the call that asks it, where an LM wraps another; None: none does.
        asks_others: whether it has asked an LM itself.
        is_answered: whether one of those has answered; then that call counts, and not this one.
        is_hit: whether DSPy's cache had its answer.
        is_told: whether DSPy has told of its answer.
        is_over: whether it has ended.
    """

    loop: object | None
    outer: "_Call | None"
    asks_others: bool = False
    is_answered: bool = False
    is_hit: bool = False
    is_told: bool = False
    is_over: bool = False


_UNDER_WAY: Final[ContextVar[_Call | None]] = ContextVar("headrace_lm_call", default=None)
"""The innermost call of this thread or task."""
_PATIENCE_S: Final = 30.0
"""The cache answers at once: a call that takes longer is paid for."""


class Spending:
    """What is spent, over all processes that work on a signature's run.

    Args:
        path: a line for each paid call; one that is missing is empty. OSError passes through.
        budget: beyond it calls of LMs end the work.
        ending: told when the budget is spent, or the LM cannot be used.
        task: for which it is spent.
        patience_s: calls that are under way for so long, without one that ends, count as spent.

    Attributes:
        taken: since the run began, in all processes; `asked` is 0.
        of_task: that of the task, in all processes; `asked` in this one.
    """

    def __init__(
        self, path: Path, budget: Budget, ending: Ending, task: str = "", *, patience_s: float = _PATIENCE_S
    ) -> None:
        self.taken, self.of_task = Taken(), Taken()
        for whose, usd in _lines(path):
            self.taken = self.taken.with_paid(usd)
            self.of_task = self.of_task.with_paid(usd) if whose == task else self.of_task
        self._task: Final = task
        self._budget = budget
        self._reserved_calls, self._reserved_usd = 0, 0.0
        self._ending = ending
        self._changed = threading.Condition()
        self._patience_s: Final = patience_s
        self._in_flight: set[_Call] = set()
        self._failures = 0
        self._descriptor: Final = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)

    def reserve(self, calls: int, cost_usd: float) -> None:
        """Set so much of the budget aside, or as much as was before."""
        with self._changed:
            self._reserved_calls = max(self._reserved_calls, calls)
            self._reserved_usd = max(self._reserved_usd, cost_usd)
            self._changed.notify_all()

    def begin(self, loop: object | None = None) -> None:
        """Note that a call begins; where the budget has no room for it, the calling thread does not return.

        Args:
            loop: the event loop that runs in the calling thread. While it waits no other call of it can end, so where
                there are any, they count as spent.
        """
        call = _Call(loop, _UNDER_WAY.get())
        with self._changed:
            while (full := self._full_for(call)) and not self._full(0) and self._others_end(loop):
                if not self._changed.wait(self._patience_s):
                    break
            if not full:
                self._in_flight.add(call)
        if full:
            self._ending.stopped(full)
        _UNDER_WAY.set(call)

    def end(self, error: BaseException | None, *, is_cancelled: bool = False) -> None:
        """Note that a call has ended; too many failures in a row end the work.

        Args:
            error: what it raised.
            is_cancelled: its caller did not wait for it. It may have been sent, so it counts, but nobody tells its
                cost, whatever the LM's price.
        """
        call = _UNDER_WAY.get()
        if call is None:
            return
        is_counted = call.is_told or call.is_hit or call.is_answered
        if is_cancelled and not is_counted and not call.asks_others:
            self._note(None)
        elif error is None and not is_cancelled and not is_counted:
            self._paid(None, "")
        _UNDER_WAY.set(call.outer)
        with self._changed:
            call.is_over = True
            self._in_flight.discard(call)
            if error is None and not is_cancelled:
                self._answered(call)
            elif call.outer is not None and not call.outer.is_over and not call.outer.is_answered:
                self._in_flight.add(call.outer)  # it may try another LM, or answer by itself
            if not call.is_answered:
                self.of_task = replace(self.of_task, asked=self.of_task.asked + 1)
            if not call.asks_others:
                self._failures = self._failures + 1 if error is not None and is_of_lm(error) else 0
            failures = self._failures
            self._changed.notify_all()
        if error is not None and failures >= _FAILURES_IN_A_ROW and not is_of_prompt(error):
            self._ending.failed(f"the LM does not answer, {failures} times in a row: {one_line(error)}; {GO_ON}")

    def pay(self, entry: Mapping[str, Any]) -> None:
        """Note what DSPy tells of an answer. Where the cost is bounded, one that DSPy does not know ends the work."""
        call = _UNDER_WAY.get()
        if call is not None:
            call.is_told = True
            if call.is_answered or (call.is_hit and not entry.get("usage")):
                return
        told = LMCall.from_history(entry)
        if not told.cache_hit:
            self._paid(told.cost_usd, told.model)

    def _note(self, cost_usd: float | None) -> None:
        os.write(self._descriptor, json.dumps({"cost_usd": cost_usd, "task": self._task}).encode() + b"\n")
        with self._changed:
            self.taken, self.of_task = self.taken.with_paid(cost_usd), self.of_task.with_paid(cost_usd)

    def _paid(self, cost_usd: float | None, model: str) -> None:
        self._note(cost_usd)
        if cost_usd is None and self._budget.cost_usd is not None:
            self._ending.failed(
                f"optimization.max_cost_usd is ${self._budget.cost_usd:g}, but DSPy knows no price of "
                f"{model or 'the LM'}, so that what it costs cannot be bounded; take an LM with a price, or leave "
                "max_cost_usd out and bound the calls with optimization.max_lm_calls"
            )

    def _full_for(self, call: _Call) -> str | None:
        """Tell what of the budget has no room for a call; those that ask it make room."""
        outer = call.outer
        while outer is not None:
            outer.asks_others = True
            self._in_flight.discard(outer)
            outer = outer.outer
        return self._full(len(self._in_flight))

    def _others_end(self, loop: object | None) -> bool:
        return loop is None or all(each.loop is not loop for each in self._in_flight)

    def _answered(self, call: _Call) -> None:
        outer = call.outer
        while outer is not None:
            outer.is_answered = True
            outer = outer.outer

    def _full(self, in_flight: int) -> str | None:
        calls, cost_usd = self._budget.calls, self._budget.cost_usd
        if calls is not None and self.taken.calls + in_flight + self._reserved_calls >= calls:
            return "lm_calls"
        return "cost" if cost_usd is not None and self.taken.cost_usd + self._reserved_usd >= cost_usd else None


def note_hit() -> None:
    """Note that DSPy's cache has the answer of the call that is under way."""
    call = _UNDER_WAY.get()
    if call is not None:
        call.is_hit = True


def _lines(path: Path) -> list[tuple[str, float | None]]:
    """Return the task and the cost of each call that was noted; a line that a crash tore is none."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    found = []
    for line in content.splitlines():
        try:
            told = json.loads(line)
            usd = told["cost_usd"]
            found.append((str(told.get("task", "")), None if usd is None else float(usd)))
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    return found
