"""Files of the spool that could not be read, kept for a person to look at.

    <spool.path>/<instance>-<kind>-<milliseconds>.jsonl[.gz].damaged

Their records count as lost already. So they are deleted at the age of all others, and before a record that is not lost
yet would be: within the cap they give way, the oldest first.
"""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from headrace.delivery.spool.segment import Segment

__all__ = ["Damaged"]

_NAME: Final = re.compile(r".+-(?:interaction|feedback|statistics)-(\d{13,})\.jsonl(?:\.gz)?\.damaged")


class Damaged:
    """The damaged files of all processes.

    Args:
        root: the folder of all processes.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def add(self, segment: Segment) -> None:
        """Set a segment's file aside.

        Raises:
            OSError: it cannot be moved.
        """
        with contextlib.suppress(FileNotFoundError):  # somebody removed it
            segment.path.rename(self._root / f"{segment.folder.path.name}-{segment.path.name}.damaged")

    def remove_oldest(self) -> int:
        """Delete the file that was begun first; return its bytes, 0 where there is none.

        Raises:
            OSError: the folder cannot be read, or the file not be deleted.
        """
        for _, path in sorted(self._files()):
            try:
                size = path.stat().st_size
                path.unlink()
            except FileNotFoundError:  # another process was first
                continue
            return size
        return 0

    def expire(self, oldest_ms: float) -> int:
        """Delete what was begun before, Unix time in milliseconds; return how many files.

        Raises:
            OSError: as `remove_oldest`.
        """
        old = [path for begun_ms, path in self._files() if begun_ms < oldest_ms]
        for path in old:
            path.unlink(missing_ok=True)
        return len(old)

    def _files(self) -> Iterator[tuple[int, Path]]:
        for path in self._root.glob("*.damaged"):
            if match := _NAME.fullmatch(path.name):
                yield int(match[1]), path
