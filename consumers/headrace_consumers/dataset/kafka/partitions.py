"""The partitions that a member owns: where each one stands in the table, and what of it is buffered."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from headrace_consumers.dataset.kafka.messages import NO_TIME_MS, Messages

__all__ = ["Batch", "Owned", "OwnedPartitions"]


@dataclass(slots=True)
class Owned:
    """One owned partition.

    Attributes:
        start: the table's position when it was assigned or last committed; None when the table has none.
        next_offset: records below it are skipped.
        is_ready: whether the seen-set covers the table's rows of it.
        is_at_end: whether Kafka had nothing more when it was last read.
        has_caught_up: whether that has been so since it was assigned.
        read_ms: when the record read last was written to Kafka, Unix time; NO_TIME_MS where it does not say.
        buffer: what was read and is not committed.
        begun: so many parts of it are begun.
    """

    start: int | None
    next_offset: int
    is_ready: bool = False
    is_at_end: bool = False
    has_caught_up: bool = False
    read_ms: int = NO_TIME_MS
    buffer: list[Messages] = field(default_factory=list)
    begun: int = 0

    @property
    def buffered(self) -> int:
        """How many records are buffered."""
        return sum(len(part) for part in self.buffer)

    @property
    def waits_since_ms(self) -> int | None:
        """When what is buffered, or else the last that was read, was written to Kafka; None: not known."""
        oldest_ms = int(self.buffer[0].append_times_ms[0]) if self.buffer else self.read_ms
        return None if oldest_ms == NO_TIME_MS else oldest_ms


@dataclass(frozen=True, slots=True)
class Batch:
    """What is committed at once: the messages, and the position of each partition that they were read from."""

    messages: Messages
    starts: dict[int, int | None]


class OwnedPartitions:
    """What a member owns, as a value without clocks or connections."""

    def __init__(self) -> None:
        self._owned: dict[int, Owned] = {}
        self.buffered_records = 0
        self.buffered_bytes = 0

    def assign(self, partition: int, position: int | None) -> None:
        """Own a partition, which stands at `position` in the table."""
        self.drop([partition])
        self._owned[partition] = Owned(position, position or 0)

    def drop(self, partitions: Iterable[int]) -> None:
        """No longer own these; what is buffered of them is discarded, and read by the next owner."""
        for partition in partitions:
            owned = self._owned.pop(partition, None)
            if owned is not None:
                self._count(owned.buffer, -1)

    def add(self, messages: Messages) -> int:
        """Buffer messages; return how many. Those that are not ours or were committed before are skipped."""
        return sum(self._add(run) for run in messages.runs())

    def reached_end(self, partition: int) -> None:
        """Kafka has nothing more of a partition, for now."""
        if (owned := self._owned.get(partition)) is not None:
            owned.is_at_end = owned.has_caught_up = True

    def batch(self) -> Batch:
        """Return all that is buffered of the partitions whose seen-set is ready."""
        filled = {p: owned for p, owned in sorted(self._owned.items()) if owned.buffer and owned.is_ready}
        messages = Messages.together([part for owned in filled.values() for part in owned.buffer])
        return Batch(messages, {partition: owned.start for partition, owned in filled.items()})

    def chunk(self, most_records: int, most_bytes: int) -> Messages | None:
        """Return what is to be begun of the next batch, each message once; None: it is not worth it yet.

        Args:
            most_records: it is worth it from so many on, and it is no more of them ...
            most_bytes: ... or from so many bytes on.
        """
        waiting = [(p, owned) for p, owned in sorted(self._owned.items()) if owned.is_ready]
        records = sum(len(part) for _, owned in waiting for part in owned.buffer[owned.begun :])
        size_bytes = sum(int(part.sizes_bytes.sum()) for _, owned in waiting for part in owned.buffer[owned.begun :])
        if records < most_records and size_bytes < most_bytes:
            return None
        chosen: list[Messages] = []
        for _, owned in waiting:
            for part in owned.buffer[owned.begun :]:
                if chosen and sum(map(len, chosen)) + len(part) > most_records:
                    break
                chosen.append(part)
                owned.begun += 1
        return Messages.together(chosen)

    def begin_anew(self) -> None:
        """Nothing of the next batch is begun."""
        for owned in self._owned.values():
            owned.begun = 0

    def committed(self, batch: Batch) -> None:
        """The batch is in the table: move the partitions on and forget its messages."""
        for partition in batch.starts:
            owned = self._owned[partition]
            owned.start = owned.next_offset
            self._count(owned.buffer, -1)
            owned.buffer, owned.begun = [], 0

    def not_ready(self) -> dict[int, Owned]:
        """Return the partitions whose seen-set has to be brought forward; one that comes again is another object."""
        return {partition: owned for partition, owned in self._owned.items() if not owned.is_ready}

    def ready(self, partitions: Iterable[int]) -> None:
        """The seen-set covers these."""
        for partition in partitions:
            if partition in self._owned:
                self._owned[partition].is_ready = True

    def _add(self, run: Messages) -> int:
        owned = self._owned.get(int(run.partitions[0]))
        if owned is None:
            return 0
        before = np.maximum.accumulate(np.concatenate([[owned.next_offset - 1], run.offsets[:-1]]))
        is_further = run.offsets > before
        taken = run if is_further.all() else run.chosen(np.flatnonzero(is_further))
        if not len(taken):
            return 0
        owned.buffer.append(taken)
        owned.next_offset = int(taken.offsets[-1]) + 1
        owned.read_ms = int(taken.append_times_ms[-1])
        owned.is_at_end = False
        self._count([taken], 1)
        return len(taken)

    def _count(self, parts: Iterable[Messages], sign: int) -> None:
        for part in parts:
            self.buffered_records += sign * len(part)
            self.buffered_bytes += sign * int(part.sizes_bytes.sum())

    def items(self) -> Iterable[tuple[int, Owned]]:
        """Return each partition and how it stands."""
        return self._owned.items()

    def __iter__(self) -> Iterator[int]:
        return iter(self._owned)

    def __contains__(self, partition: int) -> bool:
        return partition in self._owned

    def __len__(self) -> int:
        return len(self._owned)
