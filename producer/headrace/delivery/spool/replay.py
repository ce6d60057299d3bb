"""Replaying one segment: what is next, what is under way, how far all is done.

    position ---- done ---- | read: some acknowledged, some under way ............ | not read yet
                            `---- at most _MAX_RECORDS records, _MAX_BYTES ----'

Acknowledgements come in any order; the position moves over the records before which all are done. Where one comes back,
reading goes back to the position as soon as nothing is under way, and passes over what is done. So a record leaves the
segment only when it is delivered or lost for good, and the disk need not take it a second time.
"""

import contextlib
from collections import Counter
from typing import Final

from headrace.delivery.outgoing import Outgoing
from headrace.delivery.spool import lines
from headrace.delivery.spool.reader import SegmentReader
from headrace.delivery.spool.segment import Segment
from headrace.ledger import Entry, Ledger

__all__ = ["Replay"]

_MAX_RECORDS: Final = 1000
_MAX_BYTES: Final = 8_000_000
_SAVE_EVERY: Final = 100
"""The position on disk is this many records behind at most. With those under way: what a crash repeats."""

_MAX_TRIES: Final = 3
"""A record that fails so often while its neighbours are delivered is lost: it would hold up all behind it."""


class Replay:
    """Reads a segment for the broker.

    Args:
        segment: handed out by the spool.
        ledger: counts what leaves the spool and what comes back.

    Attributes:
        segment: the segment.
    """

    def __init__(self, segment: Segment, ledger: Ledger) -> None:
        self.segment = segment
        self._ledger = ledger
        self._is_counted = segment.kind != "statistics"
        self._position = self._frontier = segment.position()
        self._ends: dict[int, int] = {}
        self._bytes = 0
        self._done: set[int] = set()
        self._under_way: dict[int, Entry | None] = {}
        self._tries: Counter[int] = Counter()
        self._has_returns = False
        self._is_read = False
        self._unsaved = 0
        self._is_unreadable = False
        self._reader: SegmentReader | None = None

    @property
    def is_finished(self) -> bool:
        """Whether each record of the segment is delivered, or lost for good."""
        return self._is_read and not self._ends and not self._has_returns

    @property
    def under_way(self) -> int:
        """How many records were taken and not told of since."""
        return len(self._under_way)

    def take(self) -> tuple[int, Outgoing] | None:
        """Return the next record and its place; None while there is none to be sent.

        Raises:
            OSError: the segment cannot be read.
        """
        if self._has_returns:
            if self._under_way:
                return None
            self.abandon()
            self._has_returns = self._is_read = False
        try:
            return self._take(self._reader or self._open())
        except OSError:
            self._is_unreadable = True
            raise

    def deliver(self, place: int) -> None:
        """Tell that Kafka has the record."""
        self._end(place, None)

    def drop(self, place: int, reason: str) -> None:
        """Tell that the record is lost."""
        self._end(place, reason)

    def give_back(self, place: int, reason: str, *, is_its_own_fault: bool) -> None:
        """Tell that the record did not get through; it stays in the segment, unless that is so again and again.

        Args:
            place: as `take` gave it.
            reason: why.
            is_its_own_fault: others got through meanwhile.
        """
        if place not in self._under_way:
            return
        self._tries[place] += is_its_own_fault
        if self._tries[place] >= _MAX_TRIES or self._is_unreadable:
            self.drop(place, reason)
            return
        entry = self._under_way.pop(place)
        if entry is not None:
            entry.spool()
            self.segment.records += 1
        self._has_returns = True

    def close(self) -> bool:
        """Remember the position and close the file; tell whether each record of the segment had its end."""
        if not self._ends and not self._has_returns and not self._is_read:
            self.abandon()
            with contextlib.suppress(OSError):
                self._is_read = self._open().next() is None
        if self._unsaved:
            self._save()
        self.abandon()
        return self.is_finished

    def abandon(self) -> None:
        """Close the file and do nothing else: in a forked child, it is the parent's."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _open(self) -> SegmentReader:
        self._reader = SegmentReader(self.segment.path, self._position)
        return self._reader

    def _take(self, reader: SegmentReader) -> tuple[int, Outgoing] | None:
        while reader.offset < self._frontier or self._has_room():
            place = reader.offset
            line = reader.next()
            if line is None:
                self._is_read = True
                return None
            if place < self._frontier and (place in self._done or place not in self._ends):
                continue  # it had its end; the position may even have moved past it while this was being read again
            entry = self._enter(place, line)
            outgoing = self._decode(line)
            if outgoing is not None:
                self._under_way[place] = entry
                return place, outgoing
            if entry is not None:
                entry.drop("spool_torn")
            self._finish(place)
        return None

    def _decode(self, line: bytes) -> Outgoing | None:
        try:
            outgoing = lines.decode(line)
        except ValueError:
            return None
        return outgoing if outgoing.kind == self.segment.kind else None

    def _has_room(self) -> bool:
        return len(self._ends) < _MAX_RECORDS and self._bytes < _MAX_BYTES

    def _enter(self, place: int, line: bytes) -> Entry | None:
        is_known = place < self._frontier
        if not is_known:
            self._ends[place] = self._frontier = place + len(line)
            self._bytes += len(line)
        if not self._is_counted:
            return None
        if self.segment.is_adopted and not is_known:
            return self._ledger.adopt()
        self.segment.records -= 1
        return self._ledger.unspool()

    def _end(self, place: int, lost_for: str | None) -> None:
        if place not in self._under_way:  # told of twice
            return
        entry = self._under_way.pop(place)
        if entry is not None:
            entry.deliver() if lost_for is None else entry.drop(lost_for)
        self._finish(place)

    def _finish(self, place: int) -> None:
        self._done.add(place)
        self._tries.pop(place, None)
        while self._position in self._done:
            self._done.remove(self._position)
            end = self._ends.pop(self._position)
            self._bytes -= end - self._position
            self._position = end
            self._unsaved += 1
        if self._unsaved >= _SAVE_EVERY:
            self._save()

    def _save(self) -> None:
        self.segment.save_position(self._position)
        self._unsaved = 0
