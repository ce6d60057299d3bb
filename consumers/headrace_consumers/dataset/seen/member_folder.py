"""A folder of a member's own, which it finds again when it is started again."""

import fcntl
from pathlib import Path
from typing import Any

from headrace_consumers.dataset.errors import StateError

__all__ = ["lock_member_folder"]


def lock_member_folder(state_path: Path) -> tuple[Path, Any]:
    """Return a folder below `state_path` that no other process uses, and the open file whose lock says so.

    The first free of member-0, member-1, ...: so a restarted member finds its seen-set again.

    Raises:
        StateError: the folder cannot be written.
    """
    try:
        for number in range(10_000):
            folder = state_path / f"member-{number}"
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = (folder / "lock").open("a")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                continue
            return folder, lock
    except OSError as error:
        raise StateError(f"{state_path}: cannot keep state here ({error.strerror}); see dataset.state_path") from error
    raise StateError(f"{state_path}: 10,000 members hold a folder here; see dataset.state_path")
