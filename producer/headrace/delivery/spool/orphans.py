"""What dead processes left in the spool: taken over by a live one, or deleted when it is too old."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from headrace.delivery.spool.folder import Folder
from headrace.delivery.spool.reader import SegmentReader
from headrace.delivery.spool.segment import Segment, adopted_from

__all__ = ["Orphans", "records_left"]

_CLAIM: Final = "cannot adopt what a dead process left (%s)"


class Orphans:
    """The folders of dead processes.

    Args:
        root: the folder of all processes.
        instance: this process.
        complain: logs what cannot be done, with the error.
    """

    def __init__(self, root: Path, instance: str, complain: Callable[[str, OSError], object]) -> None:
        self._root = root
        self._instance = instance
        self._complain = complain

    def adopt(self) -> tuple[Folder, list[Segment]] | None:
        """Take over the folder that was changed first, with its segments; None where there is none."""
        for folder, segments in self._claimed():
            if segments:
                return folder, segments
            self._remove(folder)
        return None

    def expire(self, oldest_ms: float) -> int:
        """Delete segments that were begun before, Unix time in milliseconds; return how many records they held."""
        records = 0
        for folder, segments in self._claimed():
            old = [segment for segment in segments if segment.begun_ms < oldest_ms]
            try:
                for segment in old:
                    left = records_left(segment)
                    segment.remove()
                    records += left
            except OSError as error:
                self._complain("cannot delete old records (%s)", error)
            if old:
                self._remove(folder)
            else:
                folder.release()
        return records

    def _claimed(self) -> Iterator[tuple[Folder, list[Segment]]]:
        """Yield each folder that nobody owns, owned from now on."""
        try:
            paths = sorted((path for path in self._root.iterdir() if path.is_dir()), key=_modified_s)
        except FileNotFoundError:  # no spool yet
            return
        except OSError as error:
            self._complain("cannot look for what dead processes left (%s)", error)
            return
        for path in paths:
            if path.name == self._instance:
                continue
            folder = None
            try:
                folder = Folder.claim(path)
                segments = [] if folder is None else adopted_from(folder)
            except OSError as error:  # another user's, say: the next one may be ours
                self._complain(_CLAIM, error)
                if folder is not None:
                    folder.release()
                continue
            if folder is not None:
                yield folder, segments

    def _remove(self, folder: Folder) -> None:
        try:
            folder.remove()
        except OSError as error:
            self._complain("cannot remove an empty spool (%s)", error)


def records_left(segment: Segment) -> int:
    """Return how many records of a segment no ledger of a live process counts; those before a damaged place."""
    if segment.kind == "statistics" or not segment.is_adopted:
        return 0
    records = 0
    try:
        reader = SegmentReader(segment.path, segment.position())
        try:
            while reader.next() is not None:
                records += 1
        finally:
            reader.close()
    except OSError:
        pass
    return records


def _modified_s(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # another process was first
        return 0.0
