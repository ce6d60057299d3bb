"""One segment that waits for replay, and how far it has been replayed.

The position stands in a file of its own beside the segment, replaced whole. It is behind what Kafka has acknowledged by
no more than `Replay` allows: that many records a crash repeats.
"""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from headrace.delivery.outgoing import Kind
from headrace.delivery.spool.folder import Folder, segment_of

__all__ = ["Segment", "adopted_from"]


@dataclass(slots=True, eq=False)
class Segment:
    """A file that nobody writes any more, in a folder that this process owns.

    Attributes:
        folder: where it is.
        kind: of its records.
        begun_ms: when it was begun, Unix time in milliseconds.
        path: the file; another one once it is compressed.
        is_adopted: whether a dead process wrote it.
        records: how many of its records this process's ledger counts as spooled.
    """

    folder: Folder
    kind: Kind
    begun_ms: int
    path: Path
    is_adopted: bool = False
    records: int = 0

    def position(self) -> int:
        """Return the offset up to which all was replayed, in uncompressed bytes; 0 where nothing sensible says so."""
        try:
            return max(0, int(self._position_path.read_text(encoding="ascii")))
        except (OSError, ValueError):
            return 0

    def save_position(self, offset: int) -> None:
        """Remember a position. Where the disk refuses, a crash repeats more records, and that is all."""
        part = self._position_path.with_suffix(".position.part")
        with contextlib.suppress(OSError):
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                os.write(descriptor, str(offset).encode())
            finally:
                os.close(descriptor)
            part.replace(self._position_path)

    def remove(self) -> None:
        """Remove it.

        Raises:
            OSError: it cannot be removed, and would be replayed again by the next process.
        """
        self.path.unlink(missing_ok=True)
        self._position_path.unlink(missing_ok=True)

    @property
    def _position_path(self) -> Path:
        return self.path.with_name(f"{self.kind}-{self.begun_ms:013d}.position")


def adopted_from(folder: Folder) -> list[Segment]:
    """Return a dead process's segments. One whose compression was cut off is there twice: then the file counts.

    Raises:
        OSError: the folder cannot be read.
    """
    found: dict[tuple[Kind, int], Segment] = {}
    for path in sorted(folder.segments(), reverse=True):  # x.jsonl.gz before x.jsonl
        identity = segment_of(path)
        if identity is not None:
            twin = found.get(identity)
            if twin is not None:
                twin.path.unlink(missing_ok=True)
            found[identity] = Segment(folder, *identity, path, is_adopted=True)
    return list(found.values())
