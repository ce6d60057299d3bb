"""How many series are told apart: what exceeds the limits is added up under `other`. Pure.

Names come from services, so their number is anybody's. The first of each metric keep their names for as long as they
are used; one that was silent for a day makes room.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Final

from headrace_consumers.monitoring.catalogue import METRICS
from headrace_consumers.monitoring.catalogue.calls import CALL
from headrace_consumers.monitoring.catalogue.producers import LAST_REPORT
from headrace_consumers.statistics.series import Key

__all__ = ["MAX_KINDS", "MAX_SERIES", "OTHER", "Labels"]

OTHER: Final = "other"
MAX_SERIES: Final = 2_000
"""Of one metric, by the labels that say whose it is: a call's, or service and environment."""
MAX_KINDS: Final = 32
"""Of error classes, models or reasons in one of these."""
SILENT_S: Final = 86_400.0
_MAX_LENGTH: Final = 128
_OWNED_BY: Final = {
    **{each.name: len(CALL) if each.labels[: len(CALL)] == CALL else 2 for each in METRICS},
    LAST_REPORT.name: len(LAST_REPORT.labels),
}
"""Metric -> how many of its labels say whose it is: a call's, a producer's, or service and environment."""


class Labels:
    """Decides under which labels an increase counts.

    Args:
        clock: seconds, monotonic.
        max_series: see `MAX_SERIES`.
        silent_s: a series that was silent for so long makes room.
        on_silent: told of the series that made room.
        overflow: counts what goes to `other`; None: a counter of its own.

    Attributes:
        overflow: metric -> increases that went to `other`.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        max_series: int = MAX_SERIES,
        silent_s: float = SILENT_S,
        on_silent: Callable[[Key], object] = lambda _: None,
        overflow: Counter[str] | None = None,
    ) -> None:
        self.overflow: Counter[str] = Counter() if overflow is None else overflow
        self._clock = clock
        self._max_series = max_series
        self._silent_s = silent_s
        self._on_silent = on_silent
        self._groups: dict[str, OrderedDict[tuple[str, ...], _Group]] = {}

    def place(self, key: Key) -> Key:
        """Return the key under which this one's increase counts."""
        name, values = key
        values = tuple(value[:_MAX_LENGTH] for value in values)
        count = _OWNED_BY[name]
        owner, kind = values[:count], values[count:]
        groups = self._groups.setdefault(name, OrderedDict())
        group = groups.get(owner)
        if group is None:
            has_other = (OTHER,) * count in groups
            if len(groups) - has_other >= self._max_series and not self._make_room(name):
                self.overflow[name] += 1
                owner = (OTHER,) * count
            group = groups.setdefault(owner, _Group())
        group.used_at = self._clock()
        groups.move_to_end(owner)
        if kind and kind not in group.kinds:
            if len(group.kinds) >= MAX_KINDS:
                self.overflow[name] += 1
                # What a token is counted as is no name of anybody's: both kinds of it remain.
                kind = (OTHER, *kind[1:])
            group.kinds.add(kind)
        return name, (*owner, *kind)

    def find(self, key: Key) -> Key:
        """Return the key under which a metric without kinds was placed last; nothing is counted."""
        name, values = key
        owner = tuple(value[:_MAX_LENGTH] for value in values)
        return name, owner if owner in self._groups.get(name, {}) else (OTHER,) * len(owner)

    def forget(self, key: Key) -> None:
        """Make room at once: whose this is has ended."""
        name, values = key
        self._groups.get(name, OrderedDict()).pop(tuple(value[:_MAX_LENGTH] for value in values), None)

    def _make_room(self, name: str) -> bool:
        groups = self._groups[name]
        owner, group = next((owner, group) for owner, group in groups.items() if set(owner) != {OTHER})
        if self._clock() - group.used_at < self._silent_s:
            return False
        del groups[owner]
        for kind in group.kinds or {()}:
            self._on_silent((name, (*owner, *kind)))
        return True


class _Group:
    __slots__ = ("kinds", "used_at")

    def __init__(self) -> None:
        self.kinds: set[tuple[str, ...]] = set()
        self.used_at = 0.0
