"""Files of examples as numbered entries: JSON, JSON Lines or CSV, plain or gzip.

An entry is what the file has for one example, or why that is nothing. The format is told by the name's ending, else by
the first characters.
"""

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, Literal, TypeAlias, cast, get_args

from headrace_consumers.history.lines import LogFileError, read_lines
from headrace_schemas import CanonicalizationError, canonical

__all__ = ["FORMATS", "Entry", "Format", "entries_of", "format_of"]

Format: TypeAlias = Literal["json", "jsonl", "csv"]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)

_ENDINGS: Final[dict[str, Format]] = {
    ".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "csv",
}  # fmt: skip
_LISTS: Final = ("examples", "data", "entries")
"""Where an object holds the list of examples, one of these members does."""

_GZIP: Final = b"\x1f\x8b"
_LONGEST_CELL: Final = 16_000_000


@dataclass(frozen=True, slots=True)
class Entry:
    """What a file has for one example.

    Attributes:
        path: the file.
        number: of the line in JSON Lines and CSV, of the entry in JSON; from 1.
        value: the entry; None where it cannot be read.
        content: its text, as far as it is known.
        problem: why it cannot be read; None if it can.
        is_text: its values are texts that may stand for other types, as in CSV.
    """

    path: Path
    number: int
    value: dict[str, Any] | None
    content: bytes
    problem: str | None = None
    is_text: bool = False


def format_of(path: Path) -> Format:
    """Return the format of a file.

    Raises:
        LogFileError: it cannot be read.
    """
    ending = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    if (known := _ENDINGS.get(ending.lower())) is not None:
        return known
    first = next(read_lines(path), None)
    if first is None or first.content is None or not first.content.startswith((b"[", b"{")):
        return "csv"
    return "jsonl" if isinstance(_json(first.content), dict) else "json"


def entries_of(path: Path, form: Format, on_bytes: Callable[[int], None] = lambda _: None) -> Iterator[Entry]:
    """Yield the entries of a file.

    Args:
        path: the file.
        form: its format.
        on_bytes: told how far in the file the reading is, where that is known.

    Raises:
        LogFileError: it cannot be read, or is none of that format as a whole.
    """
    if form == "jsonl":
        for line in read_lines(path, on_bytes):
            yield _entry(path, line.number, line.content)
    elif form == "json":
        yield from _of_json(path)
    else:
        yield from _of_csv(path, on_bytes)


def _of_json(path: Path) -> Iterator[Entry]:
    try:
        found = canonical.loads(_read(path).removeprefix(b"\xef\xbb\xbf"))
    except CanonicalizationError as error:
        raise LogFileError(f"{path}: no JSON ({_short(error)}); is it JSON Lines? Then say --format jsonl") from None
    if isinstance(found, dict):
        found = next((found[name] for name in _LISTS if isinstance(found.get(name), list)), [found])
    if not isinstance(found, list):
        raise LogFileError(f"{path}: expected a list of examples, found {type(found).__name__}")
    for number, value in enumerate(found, 1):
        content = canonical.dumps(value)
        is_object = isinstance(value, dict)
        yield Entry(path, number, value if is_object else None, content, None if is_object else "no object")


def _of_csv(path: Path, on_bytes: Callable[[int], None]) -> Iterator[Entry]:
    csv.field_size_limit(_LONGEST_CELL)
    try:
        with _opened(path) as packed, io.TextIOWrapper(packed, encoding="utf-8-sig", newline="") as file:
            sample = file.read(1 << 16)
            file.seek(0)
            header = sample.partition("\n")[0]
            rows = csv.reader(file, delimiter=max(",;\t", key=header.count), strict=True)
            names = next(rows, None)
            if not names or len(set(names)) < len(names):
                raise LogFileError(f"{path}: expected a first line with the columns' names, each once")
            for row in rows:
                if row:
                    yield _row(path, rows.line_num, names, row)
                    on_bytes(rows.line_num)
    except csv.Error as error:
        raise LogFileError(f"{path}: line {rows.line_num}: no CSV ({error}); what came before it was taken") from None
    except UnicodeDecodeError:
        raise LogFileError(f"{path}: is no UTF-8 text; save it as that (iconv -f LATIN1 -t UTF-8)") from None
    except (OSError, EOFError) as error:
        raise LogFileError(f"{path}: cannot read it ({_short(error)})") from None


def _row(path: Path, number: int, names: list[str], row: list[str]) -> Entry:
    content = json.dumps(row, ensure_ascii=False).encode("utf-8", "surrogatepass")
    if len(row) != len(names):
        return Entry(path, number, None, content, f"{len(row)} cells under {len(names)} columns")
    return Entry(path, number, dict(zip(names, row, strict=True)), content, is_text=True)


def _entry(path: Path, number: int, content: bytes | None) -> Entry:
    if content is None:
        return Entry(path, number, None, b"", "longer than 16 MB")
    value = _json(content)
    if not isinstance(value, dict):
        return Entry(path, number, None, content, "no JSON" if value is None else "no object")
    return Entry(path, number, value, content)


def _json(content: bytes) -> Any:
    try:
        return canonical.loads(content)
    except CanonicalizationError:
        return None


def _opened(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        is_packed = file.read(len(_GZIP)) == _GZIP
    return cast("IO[bytes]", gzip.open(path) if is_packed else path.open("rb"))


def _read(path: Path) -> bytes:
    try:
        with _opened(path) as file:
            return file.read()
    except (OSError, EOFError) as error:
        raise LogFileError(f"{path}: cannot read it ({_short(error)})") from None


def _short(error: Exception) -> str:
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(said.split())[:200]
