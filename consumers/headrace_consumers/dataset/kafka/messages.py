"""Many Kafka messages as columns: a `Message` is made only of one that somebody asks for, which few are.

What confluent-kafka returns is kept as it is, since making a value of each message costs more than decoding it.
"""

from collections.abc import Iterator, Sequence
from itertools import chain, pairwise
from typing import Any, Final, TypeAlias, overload

import numpy as np
import numpy.typing as npt
from confluent_kafka import TIMESTAMP_NOT_AVAILABLE

from headrace_consumers.dataset.kafka.message import Message

__all__ = ["NO_TIME_MS", "Messages"]

_Integers: TypeAlias = npt.NDArray[np.int64]

NO_TIME_MS: Final = -(2**63)
"""Stands for a message without a timestamp, so that no comparison takes it for one."""


class Messages(Sequence[Message]):
    """A sequence of messages; `of` and `polled` make one.

    Attributes:
        keys: n message keys, or None.
        values: n message values; None is a tombstone.
        partitions: shape (n,).
        offsets: shape (n,).
        append_times_ms: shape (n,), NO_TIME_MS where Kafka gave none.
        sizes_bytes: shape (n,), key and value.
    """

    __slots__ = ("_sources", "append_times_ms", "keys", "offsets", "partitions", "sizes_bytes", "values")

    def __init__(
        self,
        sources: list[Any],
        keys: list[bytes | None],
        values: list[bytes | None],
        numbers: tuple[_Integers, _Integers, _Integers, _Integers],
    ) -> None:
        self._sources = sources
        self.keys = keys
        self.values = values
        self.partitions, self.offsets, self.append_times_ms, self.sizes_bytes = numbers

    @classmethod
    def of(cls, messages: Sequence[Message]) -> "Messages":
        """Return messages as columns; those that are stay as they are."""
        if isinstance(messages, Messages):
            return messages
        times_ms = [NO_TIME_MS if message.append_time_ms is None else message.append_time_ms for message in messages]
        return cls._made(
            list(messages),
            [message.key for message in messages],
            [message.value for message in messages],
            (
                _integers([message.partition for message in messages]),
                _integers([message.offset for message in messages]),
                _integers(times_ms),
            ),
        )

    @classmethod
    def polled(cls, messages: Sequence[Any]) -> "Messages":
        """Return what `Consumer.consume` returned; none of them is an error."""
        pairs = chain.from_iterable([message.timestamp() for message in messages])
        stamps = np.fromiter(pairs, np.int64, 2 * len(messages)).reshape(-1, 2)  # of what kind, and when
        return cls._made(
            list(messages),
            [message.key() for message in messages],
            [message.value() for message in messages],
            (
                _integers([message.partition() for message in messages]),
                _integers([message.offset() for message in messages]),
                np.where(stamps[:, 0] == TIMESTAMP_NOT_AVAILABLE, NO_TIME_MS, stamps[:, 1]),
            ),
        )

    @classmethod
    def together(cls, parts: Sequence["Messages"]) -> "Messages":
        """Return the parts behind one another."""
        numbers = [(part.partitions, part.offsets, part.append_times_ms, part.sizes_bytes) for part in parts]
        none = (_integers([]),) * 4
        partitions, offsets, times_ms, sizes = (np.concatenate(column) for column in zip(none, *numbers, strict=True))
        return cls(
            [source for part in parts for source in part._sources],  # noqa: SLF001  # its own kind
            [key for part in parts for key in part.keys],
            [value for part in parts for value in part.values],
            (partitions, offsets, times_ms, sizes),
        )

    def part(self, first: int, last: int) -> "Messages":
        """Return those from `first` to before `last`."""
        chosen = slice(first, last)
        return Messages(
            self._sources[chosen],
            self.keys[chosen],
            self.values[chosen],
            (self.partitions[chosen], self.offsets[chosen], self.append_times_ms[chosen], self.sizes_bytes[chosen]),
        )

    def chosen(self, places: _Integers) -> "Messages":
        """Return those at some places."""
        listed = places.tolist()
        return Messages(
            [self._sources[place] for place in listed],
            [self.keys[place] for place in listed],
            [self.values[place] for place in listed],
            (self.partitions[places], self.offsets[places], self.append_times_ms[places], self.sizes_bytes[places]),
        )

    def runs(self) -> Iterator["Messages"]:
        """Yield the stretches that come from one partition."""
        borders = [0, *(np.flatnonzero(np.diff(self.partitions)) + 1).tolist(), len(self)]
        for first, last in pairwise(borders):
            if first < last:
                yield self if last - first == len(self) else self.part(first, last)

    @property
    def next_offsets(self) -> dict[int, int]:
        """Partition -> one more than the last offset; each partition's messages are in offset order."""
        return {int(run.partitions[-1]): int(run.offsets[-1]) + 1 for run in self.runs()}

    def header(self, name: str) -> list[bytes | None]:
        """Return the value of each message's last header of a name; None where there is none."""
        found: list[bytes | None] = []
        for source in self._sources:
            last = None
            for named, value in (source.headers if isinstance(source, Message) else source.headers()) or ():
                if named == name:
                    last = value
            found.append(last)
        return found

    def __len__(self) -> int:
        return len(self._sources)

    @overload
    def __getitem__(self, place: int) -> Message: ...
    @overload
    def __getitem__(self, place: slice) -> "Messages": ...
    def __getitem__(self, place: int | slice) -> "Message | Messages":
        if isinstance(place, slice):
            return self.chosen(np.arange(len(self))[place])
        source = self._sources[place]
        return source if isinstance(source, Message) else Message.from_kafka(source)

    @classmethod
    def _made(
        cls,
        sources: list[Any],
        keys: list[bytes | None],
        values: list[bytes | None],
        numbers: tuple[_Integers, _Integers, _Integers],
    ) -> "Messages":
        return cls(sources, keys, values, (*numbers, _lengths(keys) + _lengths(values)))


def _integers(numbers: Sequence[int]) -> _Integers:
    return np.asarray(numbers, np.int64)


def _lengths(texts: Sequence[bytes | None]) -> _Integers:
    try:
        return np.fromiter(map(len, texts), np.int64, len(texts))  # type: ignore[arg-type]
    except TypeError:  # None has no length
        return np.fromiter((len(text or b"") for text in texts), np.int64, len(texts))
