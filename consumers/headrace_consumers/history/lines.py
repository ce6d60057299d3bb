"""Log files as numbered lines: plain or gzip, told by their first bytes and not by their names."""

import gzip
import io
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

from headrace.errors import HeadraceError, UsageError

__all__ = ["MAX_LINE_BYTES", "LogFileError", "LogLine", "read_lines", "require_readable"]

MAX_LINE_BYTES: Final = 16_000_000
"""A longer line is no record; it is passed over without holding it in memory."""

_GZIP: Final = b"\x1f\x8b"
_BOM: Final = b"\xef\xbb\xbf"
_PIECE_BYTES: Final = 1 << 20


class LogFileError(HeadraceError):
    """A log file cannot be read, or is damaged in the middle."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line that is not empty.

    Attributes:
        path: its file.
        number: from 1.
        content: without its end; None where it is longer than MAX_LINE_BYTES.
    """

    path: Path
    number: int
    content: bytes | None


def require_readable(paths: Sequence[Path]) -> None:
    """Open each file once, so that a mistake in the last name is told before the first file is worked on.

    Raises:
        UsageError: a file is missing, a folder, or not to be read.
    """
    for path in paths:
        try:
            with path.open("rb"):
                pass
        except OSError as error:
            raise UsageError(f"{path}: cannot read it ({error.strerror}); nothing was done") from None


def read_lines(path: Path, on_bytes: Callable[[int], None] = lambda _: None) -> Iterator[LogLine]:
    """Return the lines of a file, one after the other.

    Args:
        path: the file.
        on_bytes: told how far in the file, in bytes as they are on disk, after each piece read.

    Raises:
        LogFileError: it cannot be read, or its gzip data end too early or are damaged.
    """
    try:
        with path.open("rb") as file, closing(_unpacked(file)) as unpacked:
            number, content = 0, bytearray()
            is_too_long = False
            while piece := unpacked.readline(_PIECE_BYTES):
                is_too_long |= len(content) + len(piece) > MAX_LINE_BYTES
                content += b"" if is_too_long else piece
                if not piece.endswith(b"\n") and len(piece) == _PIECE_BYTES:
                    continue
                number += 1
                on_bytes(file.tell())
                yield from _line(path, number, content, is_too_long=is_too_long)
                content, is_too_long = bytearray(), False
            if content or is_too_long:  # a last line of whole pieces, without an end
                yield from _line(path, number + 1, content, is_too_long=is_too_long)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise LogFileError(
            f"{path}: the gzip data are damaged after line {number} ({error}); what came before it was taken"
        ) from None
    except OSError as error:
        raise LogFileError(f"{path}: cannot read it ({error.strerror or error})") from None


def _line(path: Path, number: int, content: bytearray, *, is_too_long: bool) -> Iterator[LogLine]:
    if is_too_long:
        yield LogLine(path, number, None)
        return
    text = bytes(content).strip()
    if number == 1:
        text = text.removeprefix(_BOM)
    if text:
        yield LogLine(path, number, text)


def _unpacked(file: BinaryIO) -> BinaryIO:
    head = file.read(len(_GZIP))
    file.seek(0)
    return cast("BinaryIO", gzip.open(file) if head == _GZIP else io.BufferedReader(cast("io.RawIOBase", file)))
