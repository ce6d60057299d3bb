"""An old log to Kafka, where the dataset consumer treats it like live traffic."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from headrace.delivery.outgoing import Outgoing
from headrace.delivery.sinks.protocol import Sink
from headrace.errors import HeadraceError
from headrace_consumers.history.bad_lines import BadLines
from headrace_consumers.history.lines import LogLine
from headrace_consumers.history.records import HistoricRecords
from headrace_consumers.history.shapes import BadLineError
from headrace_schemas import Interaction

__all__ = ["ImportFailedError", "publish", "readable"]

_ROOM_S: Final = 1.0


class ImportFailedError(HeadraceError):
    """Kafka did not acknowledge a record; reading the log again adds only what is missing."""


def readable(
    lines: Iterable[LogLine], records: HistoricRecords, bad_lines: BadLines
) -> Iterator[tuple[LogLine, Interaction]]:
    """Return each line with its record; a line that holds none goes to `bad_lines`."""
    for line in lines:
        try:
            record = records.record(line)
        except BadLineError as error:
            bad_lines.add(line, error.reason, error.detail)
        else:
            yield line, record


def publish(
    records: Iterable[Interaction],
    sink: Sink,
    *,
    timeout_s: float = 60.0,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Send records and return how many were acknowledged, all of them.

    Args:
        records: the records.
        sink: Kafka.
        timeout_s: how long to wait for room, and for the last acknowledgements.
        clock: seconds, monotonic.

    Raises:
        ImportFailedError: one was not acknowledged. Those before it may have been.
    """
    acknowledged = 0
    failures: Counter[str] = Counter()

    def done(lost_for: str | None, _returned: object = None, /) -> None:
        nonlocal acknowledged
        if lost_for is None:
            acknowledged += 1
        else:
            failures[lost_for] += 1

    def insist() -> None:
        if failures:
            reason, _ = failures.most_common(1)[0]
            raise ImportFailedError(
                f"import: Kafka did not take {failures.total()} of the records ({reason}); {acknowledged:,} are there. "
                "See `headrace topics check`, then run it again: what is there already becomes no second row"
            )

    for record in records:
        outgoing = Outgoing("interaction", record)
        deadline = clock() + timeout_s
        while not sink.send(outgoing, done):
            sink.poll(_ROOM_S)
            if clock() > deadline:
                failures["no room for it in time"] += 1
                insist()
        sink.poll(0)
        insist()
    sink.close(timeout_s)
    insist()
    return acknowledged
