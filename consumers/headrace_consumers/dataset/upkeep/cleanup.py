"""What the table no longer needs in its store: files that were replaced or never committed, and old log entries.

A file that was replaced stays for readers that opened the table before; one that no commit names may belong to a commit
under way. So both stay `spare` long, and a commit refuses files of its own that are half as old.
"""

import datetime as dt
import math
import re
from typing import Final

from deltalake import DeltaTable

from headrace_consumers.dataset.delta.place import PARTITION_COLUMN
from headrace_consumers.dataset.delta.store import Store
from headrace_consumers.dataset.delta.table_log import log_names
from headrace_consumers.dataset.delta.torn import is_readable
from headrace_consumers.dataset.upkeep.maintenance_plan import log_bases

__all__ = ["KEPT_ENTRIES", "old_log_entries", "unnamed_files"]

KEPT_ENTRIES: Final = 20_000
"""Of the log, for `history()` and time travel: 28 hours at a commit every 5 s."""

_NOT_AHEAD: Final = dt.timedelta(0)
_OURS: Final = re.compile(rf"{PARTITION_COLUMN}=[^/]+/[^/]+\.parquet")
_ABANDONED: Final = re.compile(rf"(_delta_log|{PARTITION_COLUMN}=[^/]+)/[^/]*#\d+")
"""What is left on a local disk of a file that it was writing under another name when the process was killed."""


def unnamed_files(
    table: DeltaTable, store: Store, spare: dt.timedelta, now: dt.datetime, ahead: dt.timedelta = _NOT_AHEAD
) -> list[str]:
    """Return the data files that the table at this version does not name, and has not named for `spare`.

    Args:
        table: a handle at the newest version.
        store: holds its files.
        spare: how long a file stays after it was replaced or written.
        now: UTC.
        ahead: by how much the system's clock is ahead of `now`; delta-rs looks at that one.

    Raises:
        DeltaError, OSError: the table or its store cannot be read.
    """
    hours = math.ceil((spare + ahead) / dt.timedelta(hours=1))
    unnamed = table.vacuum(hours, dry_run=True, enforce_retention_duration=False, full=True)
    written_at = dict(store.files())
    found = [name for name in unnamed if _OURS.fullmatch(name)]
    found += [name for name in written_at if _ABANDONED.fullmatch(name)]
    until = (now - spare).timestamp()
    return [name for name in found if name in written_at and written_at[name] < until]


def old_log_entries(store: Store) -> list[str]:
    """Return the log entries and checkpoints that are expendable, the oldest first.

    Raises:
        OSError: the log cannot be read.
    """
    entries, found = log_names(store)
    bases = log_bases(entries, found, KEPT_ENTRIES)
    base = next((base for base in bases if is_readable(store.source(found[base]))), -1)
    return [versions[v] for versions in (entries, found) for v in sorted(versions) if v < base]
