"""Reading a segment from a position: plain or compressed, whole lines and what a crash left of one."""

import gzip
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from io import BufferedReader

__all__ = ["SegmentReader"]

_LONGEST_LINE: Final = 1 << 26
"""No record is so long; bounds the memory that a damaged file takes."""


class SegmentReader:
    """Reads lines.

    Args:
        path: the segment.
        offset: where to begin, in uncompressed bytes.

    Raises:
        OSError: the file cannot be read there.
    """

    def __init__(self, path: Path, offset: int = 0) -> None:
        self._file: gzip.GzipFile | BufferedReader = gzip.GzipFile(path) if path.suffix == ".gz" else path.open("rb")
        self.offset = offset
        try:
            self._file.seek(offset)
        except (EOFError, zlib.error) as error:
            self.close()
            raise OSError("the archive is damaged") from error

    def next(self) -> bytes | None:
        """Return the next line; one without an end where the file is torn; None at the end.

        Raises:
            OSError: the file cannot be read.
        """
        try:
            line = self._file.readline(_LONGEST_LINE)
        except (EOFError, zlib.error) as error:
            raise OSError("the archive is damaged") from error
        self.offset += len(line)
        return line or None

    def close(self) -> None:
        """Close the file."""
        self._file.close()
