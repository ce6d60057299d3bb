"""What the table no longer needs on this disk: files that were replaced or never committed, and old log entries.

A file that was replaced stays for readers that opened the table before; one that no commit names may belong to a commit
under way. So both stay `spare` long, and a commit refuses files of its own that are half as old.
"""

import datetime as dt
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from deltalake import DeltaTable

from headrace_consumers.dataset.maintenance_plan import log_bases
from headrace_consumers.dataset.place import PARTITION_COLUMN
from headrace_consumers.dataset.table_log import checkpoints, log_entries
from headrace_consumers.dataset.torn import is_readable

__all__ = ["KEPT_ENTRIES", "old_log_entries", "unnamed_files"]

KEPT_ENTRIES: Final = 20_000
"""Of the log, for `history()` and time travel: 28 hours at a commit every 5 s."""

_OURS: Final = re.compile(rf"{PARTITION_COLUMN}=[^/]+/[^/]+\.parquet")
_ABANDONED: Final = re.compile(r".*#\d+")
"""What the store leaves of a file that it was writing under another name when the process was killed."""


def unnamed_files(table: DeltaTable, root: Path, spare: dt.timedelta, now: dt.datetime) -> list[Path]:
    """Return the data files that the table at this version does not name, and has not named for `spare`.

    Args:
        table: a handle at the newest version.
        root: its folder.
        spare: how long a file stays after it was replaced or written.
        now: UTC.

    Raises:
        DeltaError, OSError: the table or its folder cannot be read.
    """
    hours = int(spare / dt.timedelta(hours=1))
    unnamed = table.vacuum(hours, dry_run=True, enforce_retention_duration=False, full=True)
    named = [root / name for name in unnamed if _OURS.fullmatch(name)]
    return [*_older(named, now - spare), *_older(_abandoned(root), now - spare)]


def old_log_entries(root: Path) -> list[Path]:
    """Return the log entries and checkpoints that are expendable, the oldest first.

    Raises:
        OSError: the log cannot be read.
    """
    entries, found = log_entries(root), checkpoints(root)
    base = next((base for base in log_bases(entries, found, KEPT_ENTRIES) if is_readable(found[base])), -1)
    return [versions[v] for versions in (entries, found) for v in sorted(versions) if v < base]


def _abandoned(root: Path) -> Iterator[Path]:
    for folder in (root / "_delta_log", *root.glob(f"{PARTITION_COLUMN}=*")):
        yield from (path for path in folder.iterdir() if _ABANDONED.fullmatch(path.name))


def _older(paths: Iterable[Path], than: dt.datetime) -> Iterator[Path]:
    for path in paths:
        try:
            if path.stat().st_mtime < than.timestamp():
                yield path
        except FileNotFoundError:
            continue
