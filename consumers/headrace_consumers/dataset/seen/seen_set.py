"""Which keys the table holds: an index derived from it, never ahead of it, and rebuilt whenever it is in doubt.

    table (the truth)  >  a DuckDB file a partition  >  a table of fingerprints in memory, which answers

A set is loaded when its partition is first asked for. What is added is in memory at once and in the file every 20
additions or 245,760 keys: the file may lag the table, and is then brought forward; it never leads it.

With n keys in a partition, a new key is mistaken for a copy with probability n / 2^64: 5e-12 at 10^8 keys.
"""

from collections.abc import Container, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
import structlog

from headrace_consumers.dataset.seen.fingerprints import Fingerprints
from headrace_consumers.dataset.seen.memory import MemoryWatch, Size
from headrace_consumers.dataset.seen.partition_set import PartitionSet
from headrace_consumers.dataset.seen.seen_file import Origin, SeenFile, connect

__all__ = ["DuckDbSeenSet", "SeenSet"]

log = structlog.get_logger("headrace.dataset")

_OLD_FILE: Final = "seen.duckdb"


class SeenSet(Protocol):
    """The keys that the table holds, by the partition that Kafka puts them in."""

    def watermark(self, partition: int) -> int | None:
        """Return the next offset that the partition's keys cover, or None when they must be rebuilt."""
        ...

    def is_new(self, fingerprints: Fingerprints, partitions: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Tell for each message key, read from its partition, whether the table lacks it.

        Args:
            fingerprints: of the keys; one that is 0 is of no key that a table holds, and so is new.
            partitions: where each was read.
        """
        ...

    def add(self, partition: int, keys: Mapping[int, Fingerprints], next_offset: int | None = None) -> None:
        """Add keys that are in the table.

        Args:
            partition: theirs.
            keys: by the ingest date of their rows, days since 1970; any may be in the set already.
            next_offset: what the partition's keys cover with these; None: as much as before.
        """
        ...

    def save(self, partition: int) -> None:
        """Bring the partition's file to what is in memory."""
        ...

    def erasures(self, partition: int) -> int:
        """Return how many erasures of the table the partition's keys reflect."""
        ...

    def reflects(self, erasures: int) -> bool:
        """Tell whether all sets that are loaded reflect so many."""
        ...

    def forget(self, partition: int, erasures: int = 0) -> None:
        """Drop a partition's keys and watermark, to rebuild them from a table that has seen so many erasures."""
        ...

    def forget_before(self, day: int) -> int:
        """Take the keys of rows before a day out of the sets that are loaded; return how many were there.

        Args:
            day: days since 1970.
        """
        ...

    def give_up_behind(self) -> bool:
        """Release each partition whose file fell behind and can be written again; return whether there was one.

        What is asked of it next finds it as the file has it, to be brought forward.
        """
        ...

    def release_all_but(self, partitions: Container[int]) -> None:
        """Give back the memory of all other partitions; their files are kept for the next time."""
        ...

    @property
    def size(self) -> Size:
        """Tell how large it is."""
        ...

    def close(self) -> None:
        """Release all files."""
        ...


class DuckDbSeenSet:
    """A seen-set with one DuckDB file a partition.

    Args:
        folder: a folder of this member's own, locked (`lock_member_folder`).
        origin: what the keys come from.
        watch: looks at the memory that it takes.
    """

    def __init__(self, folder: Path, origin: Origin, watch: MemoryWatch | None = None) -> None:
        self._folder = folder
        self._origin = origin
        self._watch = watch
        self._connection = connect()
        self._sets: dict[int, PartitionSet] = {}
        _set_old_file_aside(folder / _OLD_FILE)

    def watermark(self, partition: int) -> int | None:
        """See `SeenSet.watermark`."""
        return self._set(partition).next_offset

    def is_new(self, fingerprints: Fingerprints, partitions: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """See `SeenSet.is_new`."""
        is_new: npt.NDArray[np.bool_] = fingerprints == 0
        borders = [0, *(np.flatnonzero(np.diff(partitions)) + 1).tolist(), len(partitions)]
        for first, last in pairwise(borders):  # a batch holds one partition after the other
            if first < last:
                table = self._set(int(partitions[first])).table
                is_new[first:last] |= ~table.contains(fingerprints[first:last])
        return is_new

    def add(self, partition: int, keys: Mapping[int, Fingerprints], next_offset: int | None = None) -> None:
        """See `SeenSet.add`."""
        self._set(partition).add(keys, next_offset)
        self._look()

    def save(self, partition: int) -> None:
        """See `SeenSet.save`."""
        self._set(partition).save()

    def erasures(self, partition: int) -> int:
        """See `SeenSet.erasures`."""
        return self._set(partition).file.erasures

    def reflects(self, erasures: int) -> bool:
        """See `SeenSet.reflects`."""
        return all(loaded.file.erasures == erasures for loaded in self._sets.values())

    def forget(self, partition: int, erasures: int = 0) -> None:
        """See `SeenSet.forget`."""
        self._set(partition).forget(erasures)

    def forget_before(self, day: int) -> int:
        """See `SeenSet.forget_before`."""
        return sum(loaded.forget_before(day) for loaded in self._sets.values())

    def give_up_behind(self) -> bool:
        """See `SeenSet.give_up_behind`."""
        behind = [partition for partition, loaded in self._sets.items() if loaded.can_catch_up()]
        for partition in behind:
            self._sets.pop(partition).close()
        return bool(behind)

    def release_all_but(self, partitions: Container[int]) -> None:
        """See `SeenSet.release_all_but`."""
        for partition in [loaded for loaded in self._sets if loaded not in partitions]:
            self._sets.pop(partition).close()

    def close(self) -> None:
        """See `SeenSet.close`."""
        self.release_all_but(())
        self._connection.close()

    @property
    def size(self) -> Size:
        """See `SeenSet.size`."""
        sets = self._sets.values()
        return Size(sum(len(loaded.table) for loaded in sets), sum(loaded.table.size_bytes for loaded in sets))

    def _set(self, partition: int) -> PartitionSet:
        if partition not in self._sets:
            self._sets[partition] = PartitionSet(
                SeenFile(self._connection, self._folder / f"seen-{partition}.duckdb", self._origin)
            )
            self._look()
        return self._sets[partition]

    def _look(self) -> None:
        if self._watch is not None:
            self._watch.look(self.size)


def _set_old_file_aside(path: Path) -> None:
    """Rename the file of an older release, one for all partitions; what was in it is rebuilt from the table."""
    for old in (path, path.with_name(path.name + ".wal")):
        if old.exists():
            log.info("seen-set of an older release set aside, rebuilding", path=str(old))
            old.replace(old.with_name(old.name + ".old"))
