"""The files of the table's log; and on a local disk, that they are on it for good."""

import contextlib
import re
from pathlib import Path
from typing import Final

from headrace_consumers.dataset.delta.store import FILE_MODE, Store, fsync_file, fsync_folder

__all__ = ["LINES_KEY", "UNSYNCED_ENTRIES", "checkpoints", "fsync_entries", "log_entries", "log_folder", "log_names"]

LINES_KEY: Final = "headrace.lines"
"""In an entry's commitInfo: how many lines follow it. Entries of other writers lack it."""

UNSYNCED_ENTRIES: Final = 64
"""Each member may have one entry that is not on disk yet; there are never so many members."""

_ENTRY: Final = re.compile(r"(\d{20})\.json")
_CHECKPOINT: Final = re.compile(r"(\d{20})\.checkpoint.*\.parquet")


def log_folder(table: Path) -> Path:
    """Return the folder of the table's log."""
    return table / "_delta_log"


def log_entries(table: Path) -> dict[int, Path]:
    """Return the log's entries by version.

    Raises:
        OSError: the log cannot be listed.
    """
    return _versions(table, _ENTRY)


def checkpoints(table: Path) -> dict[int, Path]:
    """Return the log's checkpoints by version.

    Raises:
        OSError: the log cannot be listed.
    """
    return _versions(table, _CHECKPOINT)


def log_names(store: Store) -> tuple[dict[int, str], dict[int, str]]:
    """Return the names of the log's entries and of its checkpoints, by version.

    Raises:
        OSError: the log cannot be listed.
    """
    names = [name for name, _ in store.files("_delta_log")]
    entries, found = (
        {int(match[1]): name for name in names if (match := pattern.fullmatch(name.rpartition("/")[2]))}
        for pattern in (_ENTRY, _CHECKPOINT)
    )
    return entries, found


def fsync_entries(table: Path, after: int, last: int) -> None:
    """Put the log on disk, others' entries too, the oldest first: a torn entry must never lie below a whole one.

    Args:
        table: its folder.
        after: entries up to this version are known to be on disk.
        last: entries up to this version are put there.

    Raises:
        OSError: the disk refuses.
    """
    folder = log_folder(table)
    for version in range(max(after, last - UNSYNCED_ENTRIES) + 1, last + 1):
        for name in (f"{version:020}.json", f"{version:020}.checkpoint.parquet"):
            with contextlib.suppress(FileNotFoundError):  # cleaned up by now, or no checkpoint
                fsync_file(folder / name)
                _make_private(folder / name)
    _make_private(folder / "_last_checkpoint")
    fsync_folder(folder)


def _make_private(path: Path) -> None:
    """Let only the owner read what delta-rs wrote: it leaves that to the process."""
    with contextlib.suppress(FileNotFoundError, PermissionError):  # not there, or another user's
        path.chmod(FILE_MODE)


def _versions(table: Path, pattern: re.Pattern[str]) -> dict[int, Path]:
    folder = log_folder(table)
    paths = list(folder.iterdir()) if folder.is_dir() else []
    return {int(match[1]): path for path in paths if (match := pattern.fullmatch(path.name)) is not None}
