"""Where a partition of the statistics is read from, and from where on its records count. Pure.

    read_from ... remembered ... start ... counted ...

timely: of records that are of no use when they are late, the old ones are passed over, however long nobody was there.

What lies before `start` was shown by somebody. It is read again for a quarter of an hour back, since a producer that is
alive has written a record there, and only with that is the next one's increase known.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from headrace_consumers.statistics.producers import LATE_MS

__all__ = ["RECALL_MS", "Beginning", "Held", "beginning", "timely"]

RECALL_MS: Final = 15 * 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What Kafka holds and remembers of a partition.

    Attributes:
        oldest: the first offset that it holds.
        end: the next offset to be written.
        committed: the group's; None: there is none.
        committed_at_ms: when the last record before it was written to Kafka, Unix time; None: not known.
    """

    oldest: int
    end: int
    committed: int | None
    committed_at_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """How a partition begins.

    Attributes:
        read_from: the first offset to read.
        start: the first that counts.
        complete_since_ms: of a producer that began later, every record is read; None: later than the first record read.
        skipped: records that nobody has shown and Kafka no longer holds.
        passed_over: records that nobody has shown and that are too old to be of use.
    """

    read_from: int
    start: int
    complete_since_ms: int | None
    skipped: int = 0
    passed_over: int = 0


def beginning(held: Held, offset_at: Callable[[int], int], now_ms: int) -> Beginning:
    """Return how a partition begins.

    Args:
        held: what Kafka says of it.
        offset_at: Unix time in ms -> the first offset written then or later, at most the end.
        now_ms: Unix time.
    """
    committed, at_ms = held.committed, held.committed_at_ms
    if committed is not None and committed > held.end:  # the topic was made anew
        committed, at_ms = None, None
    if committed is None:
        # The first time: what is older than this is late and of no use to anybody.
        at_ms = now_ms - LATE_MS
        start = offset_at(at_ms)
    else:
        start = max(committed, held.oldest)
    since_ms = (now_ms if at_ms is None else at_ms) - RECALL_MS
    read_from = max(held.oldest, min(start, offset_at(since_ms)))
    return Beginning(
        read_from=read_from,
        start=start,
        complete_since_ms=None if read_from == held.oldest else since_ms,
        skipped=0 if committed is None else max(0, held.oldest - committed),
    )


def timely(begins: Beginning, offset_at: Callable[[int], int], now_ms: int) -> Beginning:
    """Return how a partition begins of which nothing late counts and nothing before the start is needed.

    Args:
        begins: how it would.
        offset_at: see `beginning`.
        now_ms: Unix time.
    """
    start = max(begins.start, offset_at(now_ms - LATE_MS))
    return replace(begins, read_from=start, start=start, passed_over=start - begins.start)
