"""What the LMs cost: each paid call is noted, counted and, where there is a budget, let through only within it.

A call that may be the last one waits until those before it have told whether the cache answered them, so that the
budget is never passed. DSPy's own entry of a call has its cost; one without usage came from the cache.
"""

import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from headrace_consumers.cycle.ending import Ending
from headrace_consumers.cycle.lms import GO_ON, is_of_lm, is_of_prompt, one_line
from headrace_consumers.versions.files.disk import FILE_MODE

__all__ = ["Budget", "Spending", "meter"]

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


class Spending:
    """What is spent, over all processes that work on a signature's run.

    Args:
        path: a line for each paid call; one that is missing is empty. OSError passes through.
        budget: beyond it calls of LMs end the work.
        ending: told when the budget is spent, or the LM cannot be used.

    Attributes:
        calls: paid ones so far.
        cost_usd: theirs.
    """

    def __init__(self, path: Path, budget: Budget, ending: Ending) -> None:
        lines = _lines(path)
        self.calls = len(lines)
        self.cost_usd = sum(lines)
        self._budget = budget
        self._ending = ending
        self._changed = threading.Condition()
        self._in_flight = 0
        self._failures = 0
        self._descriptor: Final = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)

    def begin(self) -> None:
        """Note that a call begins; where the budget has no room for it, the calling thread does not return."""
        with self._changed:
            while (full := self._full(self._in_flight)) and not self._full(0):
                self._changed.wait()
            if not full:
                self._in_flight += 1
        if full:
            self._ending.stopped(full)

    def end(self, error: BaseException | None) -> None:
        """Note that a call has ended; too many failures in a row end the work."""
        with self._changed:
            self._in_flight -= 1
            self._failures = self._failures + 1 if error is not None and is_of_lm(error) else 0
            failures = self._failures
            self._changed.notify_all()
        if error is not None and failures >= _FAILURES_IN_A_ROW and not is_of_prompt(error):
            self._ending.failed(f"the LM does not answer, {failures} times in a row: {one_line(error)}; {GO_ON}")

    def pay(self, entry: Mapping[str, Any]) -> None:
        """Note what DSPy tells of a call that has its answer."""
        if not entry.get("usage"):
            return
        cost = entry.get("cost")
        usd = float(cost) if isinstance(cost, int | float) else 0.0
        os.write(self._descriptor, json.dumps({"cost_usd": usd}).encode() + b"\n")
        with self._changed:
            self.calls += 1
            self.cost_usd += usd

    def _full(self, in_flight: int) -> str | None:
        calls, cost_usd = self._budget.calls, self._budget.cost_usd
        if calls is not None and self.calls + in_flight >= calls:
            return "lm_calls"
        return "cost" if cost_usd is not None and self.cost_usd >= cost_usd else None


class _Entries:
    """A history in DSPy's sense that keeps nothing."""

    def __init__(self, spending: Spending) -> None:
        self._spending = spending

    def __len__(self) -> int:
        return 0

    def append(self, entry: Mapping[str, Any]) -> None:
        self._spending.pay(entry)


class _Collector:
    """What DSPy tells of each call, as it tells a module that calls an LM."""

    def __init__(self, spending: Spending) -> None:
        self.history = _Entries(spending)


def meter(spending: Spending) -> dict[str, Any]:
    """Return the settings for dspy.context under which all calls of LMs are metered."""
    import dspy
    from dspy.utils.callback import BaseCallback

    class Meter(BaseCallback):  # type: ignore[misc]  # DSPy is untyped
        def on_lm_start(self, call_id: str, instance: Any, inputs: Mapping[str, Any]) -> None:
            del call_id, instance, inputs
            spending.begin()

        def on_lm_end(self, call_id: str, outputs: Any, exception: Exception | None = None) -> None:
            del call_id, outputs
            spending.end(exception)

    return {
        "callbacks": [*(dspy.settings.callbacks or []), Meter()],
        "caller_modules": [*(dspy.settings.caller_modules or []), _Collector(spending)],
        "disable_history": False,
        "max_history_size": 1,
    }


def _lines(path: Path) -> list[float]:
    """Return the cost of each call that was noted; a line that a crash tore is none."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    found = []
    for line in content.splitlines():
        try:
            found.append(float(json.loads(line)["cost_usd"]))
        except (ValueError, KeyError, TypeError):
            continue
    return found
