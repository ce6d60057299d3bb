"""The keys of one partition: in memory at once, in their DuckDB file now and then."""

from collections.abc import Mapping
from typing import Final

import structlog

from headrace_consumers.dataset.errors import StateError
from headrace_consumers.dataset.seen.fingerprint_table import FingerprintTable
from headrace_consumers.dataset.seen.fingerprints import Fingerprints
from headrace_consumers.dataset.seen.seen_file import SeenFile

__all__ = ["PartitionSet"]

log = structlog.get_logger("headrace.dataset")

PENDING_KEYS: Final = 245_760
"""Two of DuckDB's row groups: as many go to the file without passing through its log."""

PENDING_ADDITIONS: Final = 20


class PartitionSet:
    """A partition's fingerprints in memory, the file behind them, and what the file lacks yet.

    Args:
        file: of this partition; read at once. One that cannot be is set aside, and the set is empty.

    Attributes:
        table: the fingerprints.
        file: see above.
        next_offset: the next offset that they cover; None: they must be rebuilt.
    """

    def __init__(self, file: SeenFile) -> None:
        self.file = file
        self._is_behind = False
        try:
            if self.file.next_offset is None and len(self.file):
                self.file.empty(self.file.erasures)  # a rebuild was interrupted
            self.table = FingerprintTable(self.file.read(), len(self.file))
        except StateError as error:
            self.file.set_aside(error)
            self.table = FingerprintTable()
        self.next_offset = self.file.next_offset
        self._nothing_pending()

    def add(self, keys: Mapping[int, Fingerprints], watermark: int | None) -> None:
        """Add keys by the ingest date of their rows, days since 1970; the file follows now and then."""
        for day, fingerprints in keys.items():
            added = self.table.add(fingerprints)
            self._pending.append((day, added))
            self._pending_keys += len(added)
        if watermark is not None:
            self.next_offset = watermark
        self._pending_additions += 1
        if self._pending_keys >= PENDING_KEYS or self._pending_additions >= PENDING_ADDITIONS:
            self.save()

    def save(self) -> None:
        """Bring the file forward. One that cannot be written stays behind, which is no harm: memory has the keys."""
        if self._pending_additions and not self._is_behind:
            try:
                self.file.append(self._pending, self.next_offset)
            except StateError as error:
                self._stay_behind(error)
        self._nothing_pending()

    def forget(self, erasures: int) -> None:
        """Drop all, to rebuild it from a table that has seen so many erasures."""
        self.file.empty(erasures)
        self.table.close()
        self.table = FingerprintTable()
        self.next_offset = None
        self._nothing_pending()

    def forget_before(self, day: int) -> int:
        """Drop the keys of rows before a day; return how many were there."""
        self.save()
        if self._is_behind:
            return 0
        gone = 0
        try:
            gone = self.table.remove(self.file.read_before(day))
            if gone:
                self.file.remove_before(day)  # of a file that keeps them they go at the next turn after a start
        except StateError as error:
            self._stay_behind(error)
        return gone

    def can_catch_up(self) -> bool:
        """Whether the file is behind, and takes what is written again."""
        if not self._is_behind:
            return False
        try:
            self.file.append([], self.file.next_offset)
        except StateError:
            return False
        return True

    def close(self) -> None:
        """Bring the file forward, and give the memory back."""
        self.save()
        self.file.close()
        self.table.close()

    def _nothing_pending(self) -> None:
        self._pending: list[tuple[int, Fingerprints]] = []
        self._pending_keys = self._pending_additions = 0

    def _stay_behind(self, error: StateError) -> None:
        self._is_behind = True
        log.warning(
            "seen-set file not written: the keys stay in memory; once it can be, it is brought forward from the table",
            reason=str(error),
        )
