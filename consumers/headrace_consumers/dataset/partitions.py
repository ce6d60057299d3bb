"""The partitions that a member owns: where each one stands in the table, and what of it is buffered."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from headrace_consumers.dataset.message import Message

__all__ = ["Batch", "Owned", "OwnedPartitions"]


@dataclass(slots=True)
class Owned:
    """One owned partition.

    Attributes:
        start: the table's position when it was assigned or last committed; None when the table has none.
        next_offset: records below it are skipped.
        is_ready: whether the seen-set covers the table's rows of it.
        buffer: what was read and is not committed.
    """

    start: int | None
    next_offset: int
    is_ready: bool = False
    buffer: list[Message] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Batch:
    """What is committed at once: the messages, and the position of each partition that they were read from."""

    messages: Sequence[Message]
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
                self.buffered_records -= len(owned.buffer)
                self.buffered_bytes -= sum(message.size_bytes for message in owned.buffer)

    def add(self, message: Message) -> bool:
        """Buffer a message; False where it is not ours or was committed before."""
        owned = self._owned.get(message.partition)
        if owned is None or message.offset < owned.next_offset:
            return False
        owned.buffer.append(message)
        owned.next_offset = message.offset + 1
        self.buffered_records += 1
        self.buffered_bytes += message.size_bytes
        return True

    def batch(self) -> Batch:
        """Return all that is buffered of the partitions whose seen-set is ready."""
        filled = {p: owned for p, owned in sorted(self._owned.items()) if owned.buffer and owned.is_ready}
        messages = [message for owned in filled.values() for message in owned.buffer]
        return Batch(messages, {partition: owned.start for partition, owned in filled.items()})

    def committed(self, batch: Batch) -> None:
        """The batch is in the table: move the partitions on and forget its messages."""
        for partition in batch.starts:
            owned = self._owned[partition]
            owned.start = owned.next_offset
            owned.buffer = []
        self.buffered_records -= len(batch.messages)
        self.buffered_bytes -= sum(message.size_bytes for message in batch.messages)

    def not_ready(self) -> list[int]:
        """Return the partitions whose seen-set has to be brought forward."""
        return [partition for partition, owned in self._owned.items() if not owned.is_ready]

    def ready(self, partitions: Iterable[int]) -> None:
        """The seen-set covers these."""
        for partition in partitions:
            if partition in self._owned:
                self._owned[partition].is_ready = True

    def __iter__(self) -> Iterator[int]:
        return iter(self._owned)

    def __contains__(self, partition: int) -> bool:
        return partition in self._owned

    def __len__(self) -> int:
        return len(self._owned)
