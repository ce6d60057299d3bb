"""The folders that are written to: room, permission, clock. `look` is the edge; the judging is pure."""

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headrace.config import Config
from headrace.delivery.spool import spool_root
from headrace_consumers.doctor.result import Result, note, ok, wrong

__all__ = ["Facts", "Place", "judge_modes", "judge_place", "judge_secrets", "look", "places"]

_MB: Final = 1_000_000
_FULL_MB: Final = 100
_CLOCK_S: Final = 5.0
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class Place:
    """A folder that something of ours writes to.

    Attributes:
        key: where it is configured.
        folder: the folder; it may not exist yet.
        wanted_mb: as much may be written there.
    """

    key: str
    folder: Path
    wanted_mb: float


@dataclass(frozen=True, slots=True)
class Facts:
    """What is seen of a folder.

    Attributes:
        exists: the folder is there.
        trouble: why no file can be made in it, or in the nearest folder above that exists; None where one can.
        free_bytes: room for an ordinary user.
        clock_ahead_s: how far a new file's date is ahead of this host's clock, seconds.
    """

    exists: bool
    trouble: str | None
    free_bytes: int = 0
    clock_ahead_s: float = 0.0


def places(config: Config) -> Iterator[Place]:
    """Yield the local folders of a configuration."""
    log = Path(config.telemetry.log_file_path)
    if config.kafka.bootstrap_servers is None:
        yield Place("telemetry.log_file_path", log.parent, config.telemetry.rotation.max_size_mb)
    else:
        yield Place("spool.path", spool_root(config), config.spool.max_total_mb)
    if "://" not in config.dataset.path:
        yield Place("dataset.path", Path(config.dataset.path), 1000)
    if config.dataset.feedback_path is not None and "://" not in config.dataset.feedback_path:
        yield Place("dataset.feedback_path", Path(config.dataset.feedback_path), 100)
    yield Place("dataset.state_path", Path(config.dataset.state_path), 1000)


def look(folder: Path, time_s: Callable[[], float] = time.time) -> Facts:
    """Look at a folder, by a file without a name that is gone at once."""
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=nearest) as file:
            file.write(b"?")
            file.flush()
            ahead_s = os.fstat(file.fileno()).st_mtime - time_s()
        return Facts(folder.exists(), None, shutil.disk_usage(nearest).free, ahead_s)
    except OSError as error:
        return Facts(folder.exists(), f"{nearest}: {error.strerror or type(error).__name__}")


def judge_place(place: Place, facts: Facts) -> Iterator[Result]:
    """Judge what was seen of a folder."""
    check = f"disk {place.folder}"
    if facts.trouble is not None:
        yield wrong(
            check, f"cannot be written ({facts.trouble})", f"mend its permissions or disk, or set {place.key} elsewhere"
        )
        return
    free_mb = facts.free_bytes / _MB
    there = "" if facts.exists else "will be made when it is needed; "
    if free_mb < _FULL_MB:
        yield wrong(check, f"{there}{free_mb:,.0f} MB free", f"free some, or set {place.key} to another disk")
    elif free_mb < place.wanted_mb:
        yield note(
            check,
            f"{there}{free_mb:,.0f} MB free, up to {place.wanted_mb:,.0f} MB may be written",
            f"free some, or set {place.key} to another disk",
        )
    else:
        yield ok(check, f"{there}writable, {free_mb:,.0f} MB free")
    if abs(facts.clock_ahead_s) > _CLOCK_S:
        side = "ahead of" if facts.clock_ahead_s > 0 else "behind"
        yield wrong(
            f"clock of {place.folder}",
            f"new files are dated {abs(facts.clock_ahead_s):.0f} s {side} this host's clock",
            "synchronise this host and the file server, e.g. by chrony",
        )


def judge_modes(what: str, files: Sequence[tuple[Path, int]]) -> Iterator[Result]:
    """Judge the permission bits of files that hold payloads: (path, mode)."""
    open_ = [(path, mode) for path, mode in files if mode & _OTHERS]
    if open_:
        path, mode = open_[0]
        more = f" and {len(open_) - 1} more" if len(open_) > 1 else ""
        yield wrong(
            "permissions",
            f"{path}{more}: others than the owner may read or write {what} (mode {stat.S_IMODE(mode):o})",
            f"chmod 600 {path}",
        )
    elif files:
        yield ok("permissions", f"{what} is its owner's alone")


def judge_secrets(path: Path, mode: int, *, has_secrets: bool) -> Iterator[Result]:
    """Judge the permission bits of a configuration file with passwords or keys in it."""
    if has_secrets and mode & stat.S_IROTH:
        yield note(
            "permissions",
            f"{path}: everybody on this host may read the secrets in it (mode {stat.S_IMODE(mode):o})",
            f"chmod o-r {path}, or give them by the environment",
        )
