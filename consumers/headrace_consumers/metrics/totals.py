"""The totals that scrapes show, and up to which offset what they show is complete. Pure.

    add(place, increases, position)    read, not shown yet
    show() -> what to show now
    positions                          up to where, by partition: what may be committed once the page has been sent

Counters begin at zero with the process, and Prometheus takes that for the reset it is. What must hold is that no
increase is shown by two processes, or by none. So a partition's offset is committed when a scrape has shown what comes
before it: after a kill, reading begins where Prometheus stopped seeing.

A series that is new is shown as zero once before it shows a value, since Prometheus takes a series' first value for
granted and counts only what comes after it. Until then the rest of what was read with it waits too, or a kill in
between would repeat or lose it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from headrace_consumers.statistics.place import Place, Position
from headrace_consumers.statistics.series import Key, Series, Vector

__all__ = ["Totals"]


@dataclass(slots=True)
class _Batch:
    """What was read of a place since the batch before.

    Attributes:
        grown: series -> by how much.
        position: behind what was read; None: of no partition that is owned.
    """

    grown: Series = field(default_factory=dict)
    position: Position | None = None


class Totals:
    """Adds up increases until they are shown.

    Attributes:
        shown: series -> what a scrape shows.
        positions: partition -> before it, everything is shown.
    """

    def __init__(self) -> None:
        self.shown: Series = {}
        self.positions: dict[Place, Position] = {}
        self._read: dict[Place | None, _Batch] = {}
        self._waiting: dict[Place | None, _Batch] = {}

    def add(self, place: Place, grown: Mapping[Key, Vector], position: Position) -> None:
        """Take in what a record adds.

        Args:
            place: the partition.
            grown: series -> by how much; may be empty.
            position: behind the record.
        """
        batch = self._read.setdefault(place, _Batch())
        _add(batch.grown, grown.items())
        batch.position = position

    def show(self) -> Series:
        """Return what to show; the same mapping each time, not to be changed."""
        for place, batch in self._waiting.items():
            self._fold(place, batch)
        self._waiting = {}
        new: Series = {}
        for place, batch in self._read.items():
            unseen = {key: [0.0] * len(vector) for key, vector in batch.grown.items() if key not in self.shown}
            new.update(unseen)
            if unseen:
                self._waiting[place] = batch
            else:
                self._fold(place, batch)
        self.shown.update(new)  # now only: another partition's batch may have the same new series
        self._read = {}
        return self.shown

    def look(self) -> Series:
        """Return all that was read, and change nothing: no series counts as shown by it."""
        looked = dict(self.shown)
        for batches in (self._waiting, self._read):
            for batch in batches.values():
                _add(looked, batch.grown.items())
        return looked

    def settle(self, place: Place) -> None:
        """Let go of a partition whose whole position was committed: what was read is still shown, by this process."""
        for batches in (self._waiting, self._read):
            batch = batches.pop(place, None)
            if batch is not None:
                left = self._read.setdefault(None, _Batch())
                _add(left.grown, batch.grown.items())
        self.positions.pop(place, None)

    def discard(self, place: Place) -> Position | None:
        """Let go of a partition that is read from its committed offset on: what was not shown is the next owner's.

        Returns:
            Up to where it was shown here, committed or not; None: nothing was.
        """
        self._waiting.pop(place, None)
        self._read.pop(place, None)
        return self.positions.pop(place, None)

    def drop(self, key: Key) -> None:
        """Show a series no more; if it comes again it begins at zero."""
        self.shown.pop(key, None)

    def _fold(self, place: Place | None, batch: _Batch) -> None:
        _add(self.shown, batch.grown.items())
        if place is not None and batch.position is not None:
            self.positions[place] = batch.position


def _add(totals: Series, grown: Iterable[tuple[Key, Vector]]) -> None:
    for key, vector in grown:
        total = totals.get(key)
        totals[key] = vector.copy() if total is None else [a + b for a, b in zip(total, vector, strict=True)]
