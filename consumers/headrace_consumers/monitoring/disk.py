"""How much room a disk has."""

import shutil
from contextlib import suppress
from pathlib import Path

from headrace_consumers.monitoring.catalogue import consumers
from headrace_consumers.monitoring.page import Page

__all__ = ["add_disk"]


def add_disk(page: Page, name: str, folder: Path) -> None:
    """Add the room and the size of a folder's disk; nothing of a folder that is not there.

    Args:
        page: takes the samples.
        name: the folder's, for people.
        folder: on that disk.
    """
    with suppress(OSError):
        usage = shutil.disk_usage(folder)
        page.add(consumers.DISK_FREE, usage.free, name)
        page.add(consumers.DISK_SIZE, usage.total, name)
