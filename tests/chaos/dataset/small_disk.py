"""A disk of a few megabytes that can be filled and emptied: a tmpfs of its own, where this process may mount one."""

import contextlib
import subprocess
from pathlib import Path
from typing import Final

__all__ = ["SmallDisk"]

_SIZE_MB: Final = 64
_BLOCK: Final = b"\0" * 65_536


class SmallDisk:
    """A folder that is a disk of its own, or None of that where mounting is not permitted.

    Args:
        folder: where; made here.

    Attributes:
        is_mounted: whether it is a disk of its own, so that filling it hurts nobody else.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE_MB}m", "tmpfs", str(folder)]
        try:
            self.is_mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
        except OSError:
            self.is_mounted = False

    def fill(self) -> None:
        """Leave no room."""
        with contextlib.suppress(OSError), (self._folder / "ballast").open("ab", buffering=0) as ballast:
            while self.is_mounted:
                ballast.write(_BLOCK)

    def empty(self) -> None:
        """Give the room back."""
        (self._folder / "ballast").unlink(missing_ok=True)

    def remove(self) -> None:
        if self.is_mounted:
            subprocess.run(["umount", "-l", str(self._folder)], capture_output=True, check=False)
            self.is_mounted = False
