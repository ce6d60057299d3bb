"""What waits on disk for Kafka. `look` is the edge; the judging is pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headrace.delivery.spool.folder import segment_of
from headrace_consumers.doctor.result import Result, note, ok, wrong

__all__ = ["Waiting", "judge_spool", "look"]

_MB: Final = 1_000_000
_NEARLY: Final = 0.8
_MOMENT_MS: Final = 120_000


@dataclass(frozen=True, slots=True)
class Waiting:
    """A file of records: its size, and when it was begun, Unix time in milliseconds."""

    size_bytes: int
    begun_ms: int


def look(folder: Path) -> list[Waiting]:
    """Return the files that wait; none where there is no such folder."""
    found = ((file, segment_of(file)) for file in sorted(folder.glob("*/*")))
    return [Waiting(file.stat().st_size, segment[1]) for file, segment in found if segment is not None]


def judge_spool(folder: Path, waiting: Sequence[Waiting], max_total_mb: float, now_ms: int) -> Iterator[Result]:
    """Judge how much waits, and for how long."""
    check = f"spool {folder}"
    if not waiting:
        yield ok(check, "nothing waits for Kafka")
        return
    size_mb = sum(file.size_bytes for file in waiting) / _MB
    minutes = (now_ms - min(file.begun_ms for file in waiting)) // 60_000
    what = f"{len(waiting):,} files with {size_mb:,.1f} MB wait for Kafka, the oldest since {minutes:,} minutes"
    if size_mb > _NEARLY * max_total_mb:
        yield wrong(check, f"{what}; the cap is {max_total_mb:,.0f} MB", "mend Kafka, or raise spool.max_total_mb")
    elif now_ms - min(file.begun_ms for file in waiting) > _MOMENT_MS:
        yield note(
            check, what, "they are sent when Kafka is back and a service with this folder runs; does one run here?"
        )
    else:
        yield ok(check, what)
