"""What maintenance is to do, as functions over values: which files to merge, which have expired, how much log to keep.

Small files of a date are merged by tiers of size, so that a row is rewritten once a tier and not once a commit; a date
that has come to rest is merged down to what is left of it.
"""

import datetime as dt
import itertools
import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from headrace_consumers.table_files import MOST_FILES

__all__ = ["ActiveFile", "expired", "has_room", "is_crowded", "log_bases", "to_merge"]

_LEAST_FILES: Final = 10
_WAITING_FILES: Final = 200
"""Of a date, which wait to be merged while a backlog is read: it is read sooner, and in less memory."""

_MOST_AT_ONCE: Final = 32  # each is open while they are merged, with some megabytes
_TIER_FACTOR: Final = 8
_SMALLEST_TIER_BYTES: Final = 65_536
_REST: Final = dt.timedelta(hours=1)
_CROWDED_SHARE: Final = 0.8
_RESERVED_SHARE: Final = 0.05
"""Of the disk, for what is being committed: a merge frees nothing until `keep_replaced_h` later."""


@dataclass(frozen=True, slots=True)
class ActiveFile:
    """A file that the table names.

    Attributes:
        path: relative to the table.
        size_bytes: on disk.
        rows: how many it holds; None where its writer did not say.
        date: its rows' ingest date.
        written_at: when the newest of its rows were committed, UTC.
    """

    path: str
    size_bytes: int
    rows: int | None
    date: dt.date
    written_at: dt.datetime


def is_crowded(files: Sequence[ActiveFile]) -> bool:
    """Tell whether the table nears the number of files that it should not have."""
    return len(files) > MOST_FILES * _CROWDED_SHARE


def to_merge(
    files: Sequence[ActiveFile], now: dt.datetime, target_bytes: int, *, has_backlog: bool = False
) -> list[ActiveFile]:
    """Return the files of one date that are to become one, or none; the group that saves the most files.

    Args:
        files: all active files.
        now: UTC.
        target_bytes: what a merged file has at most. One of over half of it is left as it is.
        has_backlog: whether the consumer has much to read: merging waits, unless many files do.
    """
    crowded = is_crowded(files)
    best: list[ActiveFile] = []
    by_date = sorted(files, key=lambda file: (file.date, file.size_bytes, file.path))
    for _, members in itertools.groupby(by_date, key=lambda file: file.date):
        of_date = list(members)
        small = [file for file in of_date if file.size_bytes < target_bytes / 2]
        if has_backlog and len(small) < _WAITING_FILES:
            continue
        at_rest = now - max(file.written_at for file in of_date) >= _REST
        group = _fitting(small, target_bytes) if at_rest or crowded else _tier(small, target_bytes)
        if len(group) > max(len(best), 1):
            best = group
    return best


def expired(files: Iterable[ActiveFile], today: dt.date, retention_days: int) -> list[ActiveFile]:
    """Return the files whose rows were taken in more than `retention_days` ago."""
    return [file for file in files if (today - file.date).days > retention_days]


def has_room(group: Iterable[ActiveFile], free_bytes: int, disk_bytes: int) -> bool:
    """Tell whether the file that a group is to become has room on the disk, beside the group.

    Args:
        group: to be merged.
        free_bytes: on the disk.
        disk_bytes: its size.
    """
    return free_bytes - sum(file.size_bytes for file in group) >= _RESERVED_SHARE * disk_bytes


def log_bases(versions: Collection[int], checkpoints: Iterable[int], kept: int) -> list[int]:
    """Return the checkpoints below which the log is not needed any more, the best first.

    The table's state is a checkpoint and the entries after it. So everything below one can go, once it is known to be
    readable, if the `kept` newest entries lie above it.

    Args:
        versions: of the entries that are there.
        checkpoints: versions of the checkpoints that are there.
        kept: so many of the newest entries stay.
    """
    newest = max(versions, default=-1)
    bases = sorted((c for c in checkpoints if c <= newest - kept), reverse=True)
    return [base for base in bases if min(versions) < base]


def _tier(small: Sequence[ActiveFile], target_bytes: int) -> list[ActiveFile]:
    """Return the files of the lowest tier that has enough of them, with those of the tiers below; sorted by size."""
    for tier, members in itertools.groupby(small, key=_tier_of):
        if len(list(members)) >= _LEAST_FILES:
            return _fitting([file for file in small if _tier_of(file) <= tier], target_bytes)
    return []


def _fitting(small: Sequence[ActiveFile], target_bytes: int) -> list[ActiveFile]:
    """Return as many of the smallest as fit into one file."""
    sums = itertools.accumulate(file.size_bytes for file in small)
    fitting = sum(1 for size in itertools.islice(sums, _MOST_AT_ONCE) if size <= target_bytes)
    return list(small[:fitting])


def _tier_of(file: ActiveFile) -> int:
    return max(0, math.ceil(math.log(max(file.size_bytes, 1) / _SMALLEST_TIER_BYTES, _TIER_FACTOR)))
