"""Exact counters of every call of an instrumented module, sampled or not, since this producer instance began.

    add(key, latency_s, ...)         on the caller's thread, about half a microsecond
    add_usage(key, ...)              what a sampled call tells of model, tokens and cost
    snapshot() -> [CallStatistics]   on the delivery thread; the last one seals

Exact in threads (each series has a lock) and in what interrupts a thread that holds it: a signal handler or finalizer
that ends a call of its own enters the lock again, and the locked lines read and write without a call in between, where
alone Python lets such code in. Bounded: what exceeds the limits is counted under `other`; of a rollout's stage both
arms or neither, for one without the other would be taken for evidence.
"""

import threading
from bisect import bisect_left
from collections.abc import Callable
from typing import Final, TypeAlias

from headrace_schemas import CallStatistics, Count, UsageStatistics
from headrace_schemas.latency import BOUNDS_S

__all__ = ["MAX_KINDS", "MAX_SERIES", "OTHER", "Counters", "Key"]

Key: TypeAlias = tuple[str, str, str] | tuple[str, str, str, str, str, int]
"""Module name, version and signature; valid names. In a rollout also its arm, its id and its stage."""

MAX_SERIES: Final = 1_000
MAX_KINDS: Final = 32
"""Of errors, and of models, in one series."""
OTHER: Final = "other"


class Counters:
    """Counts calls; thread-safe.

    Args:
        on_new_series: called after the first call of each key, from its thread; never raises.
    """

    def __init__(self, on_new_series: Callable[[], object] = lambda: None) -> None:
        self._on_new_series = on_new_series
        self._series: dict[Key, _Series] = {}
        # Stages of which one arm has entered, and which; a place is kept for the other one.
        self._half: dict[tuple[str, str, str, int], str] = {}
        self._lock = threading.RLock()
        self._is_sealed = False

    def add(self, key: Key, latency_s: float, error_type: str | None = None, *, cancelled: bool = False) -> bool:
        """Count a call that ended.

        Args:
            key: whose call.
            latency_s: how long it took.
            error_type: the class name of what it raised, if it failed.
            cancelled: it was told to end; then it is no error.

        Returns:
            False once sealed: the call is not counted here.
        """
        series = self._series.get(key)
        is_new = series is None
        if series is None:
            series = self._enter(key)
            if series is None:
                return False
        bucket = bisect_left(BOUNDS_S, latency_s)
        error = None if cancelled or error_type is None else _cell(series.errors, error_type)
        with series.lock:
            if series.is_sealed:
                return False
            series.latency_counts[bucket] += 1
            series.latency_s_sum += latency_s
            if cancelled:
                series.cancelled += 1
            elif error is not None:
                error[0] += 1
        if is_new:
            self._on_new_series()
        return True

    def add_usage(
        self,
        key: Key,
        model: str | None,
        weight: float,
        *,
        tokens_input: int | None,
        tokens_output: int | None,
        cost_usd: float | None,
    ) -> bool:
        """Add what a sampled call used; it stands for `weight` calls. None is unknown, and nothing is added for it.

        Returns:
            False once sealed: it is not added here.
        """
        series = self._series.get(key) or self._enter(key)
        if series is None:
            return False
        usage = series.usage_of(model or "")
        weighted_input = weight * (tokens_input or 0)
        weighted_output = weight * (tokens_output or 0)
        weighted_cost = weight * (cost_usd or 0.0)
        with series.lock:
            if series.is_sealed:
                return False
            usage["sampled"] += 1
            usage["weight"] += weight
            usage["tokens_input"] += weighted_input
            usage["tokens_output"] += weighted_output
            usage["cost_usd"] += weighted_cost
            usage["unknown_cost"] += cost_usd is None
        return True

    @property
    def is_empty(self) -> bool:
        """Whether no call was counted."""
        return not self._series

    def snapshot(self, *, seal: bool = False) -> list[CallStatistics]:
        """Return the counters of this moment; each series is consistent in itself.

        Args:
            seal: count nothing after this, so that this snapshot is the last word.
        """
        with self._lock:
            self._is_sealed |= seal
            series = self._series.copy()
        return [each.snapshot(key, seal=seal) for key, each in series.items()]

    def _enter(self, key: Key) -> "_Series | None":
        with self._lock:
            if self._is_sealed:
                return None
            if key not in self._series and not self._has_room(key):
                key = (OTHER, OTHER, OTHER)
            return self._series.setdefault(key, _Series())

    def _has_room(self, key: Key) -> bool:
        free = MAX_SERIES - len(self._series) - len(self._half)
        if len(key) == 3:  # noqa: PLR2004  # in no rollout
            return free > 0
        name, _, signature, arm, rollout_id, stage = key
        pair = (name, signature, rollout_id, stage)
        entered = self._half.get(pair)
        if entered is None:
            if free < 2:  # noqa: PLR2004
                return False
            self._half[pair] = arm
            return True
        if entered == arm:  # another version in the same arm: two modules of one name
            return free > 0
        self._half.pop(pair, None)
        return True


class _Series:
    """The counters of one key."""

    __slots__ = ("cancelled", "errors", "is_sealed", "latency_counts", "latency_s_sum", "lock", "usage")

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.is_sealed = False
        self.latency_counts = [0] * (len(BOUNDS_S) + 1)
        self.latency_s_sum = 0.0
        self.cancelled = 0
        self.errors: dict[str, list[int]] = {}
        self.usage: dict[str, UsageStatistics] = {}

    def usage_of(self, model: str) -> UsageStatistics:
        known = self.usage.get(model)
        if known is not None:
            return known
        if len(self.usage) >= MAX_KINDS:
            model = OTHER
        nothing: UsageStatistics = {
            "model": model,
            "sampled": 0,
            "weight": 0.0,
            "tokens_input": 0.0,
            "tokens_output": 0.0,
            "cost_usd": 0.0,
            "unknown_cost": 0,
        }
        return self.usage.setdefault(model, nothing)

    def snapshot(self, key: Key, *, seal: bool) -> CallStatistics:
        with self.lock:
            self.is_sealed |= seal
            # Copies are made in one step, so that an interruption that enters a new kind meets no iteration; and the
            # calls are read last, so that it leaves no more errors than calls.
            used = [each.copy() for each in self.usage.copy().values()]
            errors = [Count(name=kind, count=cell[0]) for kind, cell in self.errors.copy().items() if cell[0]]
            cancelled = self.cancelled
            latency_s_sum = self.latency_s_sum
            latency_counts = self.latency_counts.copy()
        name, version, signature = key[:3]
        arm, rollout_id, stage = key[3:] or ("", "", 0)
        return {
            "module_name": name,
            "module_version": version,
            "signature": signature,
            "arm": arm,
            "rollout_id": rollout_id,
            "stage": stage,
            "calls": sum(latency_counts),
            "cancelled": cancelled,
            "errors": errors,
            "latency_s_sum": latency_s_sum,
            "latency_counts": latency_counts,
            "usage": used,
        }


def _cell(cells: dict[str, list[int]], kind: str) -> list[int]:
    """Return the cell of a kind; the limit may be exceeded by as many as enter new kinds at one moment."""
    cell = cells.get(kind)
    if cell is None:
        cell = cells.setdefault(kind if len(cells) < MAX_KINDS else OTHER, [0])
    return cell
