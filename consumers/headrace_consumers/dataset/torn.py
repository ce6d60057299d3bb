"""A last commit that a power cut tore: told from a whole one by itself, and set aside, for nobody has acknowledged it.

A commit counts once its log entry is fsynced; what a power cut tears was never acknowledged, and its batch is read
again. delta-rs cannot open a table whose last entry is half a line, shows the state before one that is empty, and
believes one that was cut at a line's end: its rows would stay while its offsets, the last lines, are gone. So each
commit tells in its first line how many lines follow (`LINES_KEY`).
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
import structlog

from headrace_consumers.dataset.errors import TableError
from headrace_consumers.dataset.store import fsync_file, fsync_folder, make_private_folder

__all__ = ["LINES_KEY", "MOST_TORN", "is_whole", "set_torn_aside", "set_torn_checkpoint_aside", "torn_commits"]

LINES_KEY: Final = "headrace.lines"
"""In an entry's commitInfo: how many lines follow it. Entries of other writers lack it."""

MOST_TORN: Final = 64
"""Each member may leave one unfsynced entry at a power cut; more than this is damage of another kind."""

_ENTRY: Final = re.compile(r"(\d{20})\.json")
_CHECKPOINT: Final = re.compile(r"(\d{20})\.checkpoint.*\.parquet")

log = structlog.get_logger("headrace.dataset")


def is_whole(entry: bytes) -> bool:
    """Tell whether a log entry has all the lines that it was written with."""
    lines = entry.split(b"\n")
    if not lines[-1]:
        lines.pop()  # some writers end the last line too
    try:
        actions = [json.loads(line) for line in lines]
    except ValueError:
        return False
    if not actions or not all(isinstance(action, dict) and action for action in actions):
        return False
    expected = next((a["commitInfo"].get(LINES_KEY) for a in actions if isinstance(a.get("commitInfo"), dict)), None)
    return expected is None or expected == str(len(actions) - 1)


def torn_commits(table: Path) -> dict[int, str]:
    """Return the versions and names of the torn entries at the log's end, the last first.

    Raises:
        TableError: an entry is damaged and a later one is whole, so it was no power cut at the last commit.
        OSError: the log cannot be read.
    """
    folder = _log_folder(table)
    entries = _versions(folder, _ENTRY)
    since = max(_versions(folder, _CHECKPOINT), default=-1)  # what a checkpoint sums up is not read any more
    later = sorted(version for version in entries if version > since)
    damaged = [version for version in later if not is_whole((folder / entries[version]).read_bytes())]
    torn = later[len(later) - len(damaged) :]
    if torn != damaged or len(torn) > MOST_TORN:
        raise TableError(
            f"{folder / entries[damaged[0]]}: this log entry is damaged and not the last, so it cannot be taken "
            "back; restore it from a backup, or go on with a new dataset.path"
        )
    return {version: entries[version] for version in reversed(torn)}


def set_torn_aside(table: Path, torn: Mapping[int, str]) -> None:
    """Move the torn entries to ``<table>/_torn/``.

    Call it while nobody else has the table open: a member that has read an entry would not notice that it goes.

    Raises:
        OSError: an entry cannot be moved.
    """
    for version, name in torn.items():
        aside = _set_aside(table, name)
        log.warning(
            "torn commit set aside: it was never acknowledged, its records are read again",
            version=version,
            entry=str(aside),
        )


def set_torn_checkpoint_aside(table: Path) -> bool:
    """Move the newest checkpoint to ``<table>/_torn/`` if it cannot be read; tell whether it was.

    Nothing is lost by it: the log entries that it sums up are removed only once it is durable.

    Raises:
        OSError: it cannot be moved.
    """
    folder = _log_folder(table)
    checkpoints = _versions(folder, _CHECKPOINT)
    if not checkpoints:
        return False
    name = checkpoints[max(checkpoints)]
    try:
        pq.read_table(folder / name)
    except (pa.ArrowException, OSError):
        aside = _set_aside(table, name)
        (folder / "_last_checkpoint").unlink(missing_ok=True)  # a hint; the folder is listed without it
        log.warning("torn checkpoint set aside: the log's entries say the same", checkpoint=str(aside))
        return True
    return False


def _log_folder(table: Path) -> Path:
    return table / "_delta_log"


def _versions(folder: Path, pattern: re.Pattern[str]) -> dict[int, str]:
    found = (pattern.fullmatch(path.name) for path in folder.iterdir()) if folder.is_dir() else ()
    return {int(match[1]): match[0] for match in found if match is not None}


def _set_aside(table: Path, name: str) -> Path:
    aside = table / "_torn"
    make_private_folder(aside)
    target = aside / name
    number = 0
    while target.exists():
        number += 1
        target = aside / f"{name}.{number}"
    (_log_folder(table) / name).rename(target)
    fsync_file(target)
    for folder in (aside, _log_folder(table), table):
        fsync_folder(folder)
    return target
