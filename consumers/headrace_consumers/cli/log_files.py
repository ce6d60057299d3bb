"""What `headrace import` and `headrace aggregate` share: their options, a progress bar, how they report bad lines."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from headrace_consumers.cli.present import count, shares

if TYPE_CHECKING:
    from headrace_consumers.history.bad_lines import BadLines
    from headrace_consumers.history.lines import LogLine

__all__ = ["BadLinesPath", "FieldsHashes", "SamplingRate", "bad_line_figures", "fields_hashes", "lines_of", "side_file"]

SamplingRate: TypeAlias = Annotated[
    float,
    typer.Option(
        "--sampling-rate-pct",
        min=0.000001,
        max=100,
        metavar="PCT",
        help="The percentage of calls that the log holds; estimates weigh each by its inverse.",
    ),
]
FieldsHashes: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--fields-hash",
        metavar="SIGNATURE=HASH",
        show_default=False,
        help="Make a signature's old examples one dataset with the live ones; `headrace dataset show` tells the hash. "
        "Repeatable.",
    ),
]
BadLinesPath: TypeAlias = Annotated[
    Path | None,
    typer.Option("--bad-lines", metavar="PATH", show_default=False, help="Where lines go that are no records."),
]

_HASH_LENGTH = 16


def fields_hashes(given: Sequence[str] | None) -> dict[str, str]:
    """Return signature -> hash of the options.

    Raises:
        UsageError: an option is not SIGNATURE=HASH.
    """
    from headrace.errors import UsageError

    pairs = {}
    for text in given or ():
        signature, _, digits = text.rpartition("=")
        if not signature or len(digits) != _HASH_LENGTH or set(digits) - set("0123456789abcdef"):
            raise UsageError(f"--fields-hash {text}: expected SIGNATURE=HASH with {_HASH_LENGTH} hex digits")
        pairs[signature] = digits
    return pairs


@contextmanager
def lines_of(paths: list[Path]) -> "Iterator[Iterator[LogLine]]":
    """Yield the lines of all files, with a progress bar where somebody looks."""
    from headrace_consumers.history.lines import read_lines

    if not sys.stderr.isatty():
        yield (line for path in paths for line in read_lines(path))
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("reading", total=sum(path.stat().st_size for path in paths))

        def numbered(path: Path, before: int) -> "Iterator[LogLine]":
            on_bytes: Callable[[int], None] = lambda at: progress.update(task, completed=before + at)  # noqa: E731
            progress.update(task, description=path.name)
            return read_lines(path, on_bytes)

        def all_lines() -> "Iterator[LogLine]":
            before = 0
            for path in paths:
                yield from numbered(path, before)
                before += path.stat().st_size

        yield all_lines()


def side_file(path: Path, files: Sequence[Path]) -> "BadLines":
    """Return where the bad lines of the files go.

    Raises:
        UsageError: one of the files cannot be read, or is itself the side file.
    """
    from headrace.errors import UsageError
    from headrace_consumers.history.bad_lines import BadLines
    from headrace_consumers.history.lines import require_readable

    require_readable(files)
    if path.resolve() in {file.resolve() for file in files}:
        raise UsageError(f"--bad-lines {path}: is one of the files to read; give another")
    return BadLines(path)


def bad_line_figures(bad_lines: "BadLines") -> list[tuple[str, str, str]]:
    """Return the row that tells of the bad lines, if there are any."""
    reasons = bad_lines.reasons
    if not reasons:
        return [("bad lines", "0", "")]
    return [("bad lines", count(reasons.total()), f"{shares(reasons)}; see {bad_lines.path}")]
