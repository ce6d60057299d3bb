"""Many Kafka messages as columns: a `Message` is made only of one that somebody asks for, which few are.

    polled -> bodies (values and keys behind one another) + one row of numbers a message

What confluent-kafka returned is kept without its value, for the headers: to read those costs as much as to decode.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import chain, pairwise, repeat
from typing import Any, Final, TypeAlias, overload

import numpy as np
import numpy.typing as npt
from confluent_kafka import TIMESTAMP_NOT_AVAILABLE

from headrace_consumers.dataset.kafka.bodies import NONE, bodies_of
from headrace_consumers.dataset.kafka.message import Message
from headrace_consumers.dataset.seen.fingerprints import KEY_LENGTH, Fingerprints, fingerprints_of_characters
from headrace_consumers.dataset.seen.murmur2 import hashes_of

__all__ = ["NO_PLACE", "NO_TIME_MS", "Messages"]

_Integers: TypeAlias = npt.NDArray[np.int64]

NO_TIME_MS: Final = -(2**63)
"""Stands for a message without a timestamp, so that no comparison takes it for one."""

NO_PLACE: Final = -1
"""The hash of a key that has no place of its own: it is not as long as a key of ours."""

_PARTITION, _OFFSET, _TIME, _BODY, _VALUE_AT, _VALUE_BYTES, _KEY_AT, _KEY_BYTES, _FINGERPRINT, _HASH = range(10)
_COLUMNS: Final = 10
_WORD: Final = 8


class Messages(Sequence[Message]):
    """A sequence of messages; `of` and `polled` make one.

    Attributes:
        numbers: shape (n, 10), a row a message: one look-up for all that is asked of it.
        bodies: the bytes, by the number that a row has of them.
    """

    __slots__ = ("_sources", "bodies", "numbers")

    def __init__(self, sources: list[Any], numbers: _Integers, bodies: list[bytes]) -> None:
        self._sources = sources
        self.numbers = numbers
        self.bodies = bodies

    @classmethod
    def of(cls, messages: Sequence[Message]) -> "Messages":
        """Return messages as columns; those that are stay as they are."""
        if isinstance(messages, Messages):
            return messages
        return cls._made(
            list(messages),
            [message.key for message in messages],
            [message.value for message in messages],
            (
                [message.partition for message in messages],
                [message.offset for message in messages],
                [NO_TIME_MS if message.append_time_ms is None else message.append_time_ms for message in messages],
            ),
        )

    @classmethod
    def polled(cls, messages: Sequence[Any]) -> "Messages":
        """Return what `Consumer.consume` returned; none of them is an error. Their values are taken out of them."""
        if not messages:
            return cls.of([])
        kind, number = type(messages[0]), len(messages)
        stamps = np.fromiter(chain.from_iterable(map(kind.timestamp, messages)), np.int64, 2 * number).reshape(-1, 2)
        made = cls._made(
            list(messages),
            list(map(kind.key, messages)),
            list(map(kind.value, messages)),
            (
                np.fromiter(map(kind.partition, messages), np.int64, number),
                np.fromiter(map(kind.offset, messages), np.int64, number),
                np.where(stamps[:, 0] == TIMESTAMP_NOT_AVAILABLE, NO_TIME_MS, stamps[:, 1]),  # of what kind, and when
            ),
        )
        deque(map(kind.set_value, messages, repeat(None)), 0)  # now, while the memory is warm, and not with the batch
        return made

    @classmethod
    def together(cls, parts: Sequence["Messages"]) -> "Messages":
        """Return the parts behind one another."""
        bodies: list[bytes] = []
        number_of: dict[int, int] = {}
        rows = [np.empty((0, _COLUMNS), np.int64)]
        for part in parts:
            for body in part.bodies:
                if id(body) not in number_of:
                    number_of[id(body)] = len(bodies)
                    bodies.append(body)
            numbers = part.numbers.copy()
            numbers[:, _BODY] = np.asarray([number_of[id(body)] for body in part.bodies], np.int64)[numbers[:, _BODY]]
            rows.append(numbers)
        sources = list(chain.from_iterable(part._sources for part in parts))  # noqa: SLF001  # its own kind
        return cls(sources, np.concatenate(rows), bodies)

    def part(self, first: int, last: int) -> "Messages":
        """Return those from `first` to before `last`."""
        return Messages(self._sources[first:last], self.numbers[first:last], self.bodies)

    def chosen(self, places: _Integers) -> "Messages":
        """Return those at some places."""
        sources = list(map(self._sources.__getitem__, places.tolist()))
        return Messages(sources, self.numbers[places], self.bodies)

    def runs(self) -> Iterator["Messages"]:
        """Yield the stretches that come from one partition."""
        for first, last in _stretches(self.partitions):
            yield self if last - first == len(self) else self.part(first, last)

    def stretches(self) -> Iterator[tuple[int, int, bytes]]:
        """Yield the stretches whose bytes stand in one body, and it: the first's place, the last's, the body."""
        for first, last in _stretches(self.numbers[:, _BODY]):
            yield first, last, self.bodies[self.numbers[first, _BODY]]

    @property
    def partitions(self) -> _Integers:
        """Shape (n,)."""
        return self.numbers[:, _PARTITION]

    @property
    def offsets(self) -> _Integers:
        """Shape (n,)."""
        return self.numbers[:, _OFFSET]

    @property
    def append_times_ms(self) -> _Integers:
        """Shape (n,), NO_TIME_MS where Kafka gave none."""
        return self.numbers[:, _TIME]

    @property
    def sizes_bytes(self) -> _Integers:
        """Shape (n,), key and value."""
        sizes: _Integers = np.maximum(self.numbers[:, (_VALUE_BYTES, _KEY_BYTES)], 0).sum(axis=1)
        return sizes

    @property
    def texts(self) -> _Integers:
        """Shape (n, 4), in one piece: where the value begins in its body, its bytes, where the key begins, its."""
        return np.ascontiguousarray(self.numbers[:, _VALUE_AT : _KEY_BYTES + 1])

    @property
    def fingerprints(self) -> Fingerprints:
        """Shape (n,), of the keys; 0 of one that is not 64 hex digits."""
        return self.numbers[:, _FINGERPRINT].view(np.uint64)

    @property
    def hashes(self) -> _Integers:
        """Shape (n,), what murmur2 makes of the keys; NO_PLACE of one that is not 64 characters long."""
        return self.numbers[:, _HASH]

    @property
    def values(self) -> list[bytes | None]:
        """The values, copied; None is a tombstone."""
        return list(self._texts(_VALUE_AT, _VALUE_BYTES))

    @property
    def keys(self) -> list[bytes | None]:
        """The keys, copied."""
        return list(self._texts(_KEY_AT, _KEY_BYTES))

    @property
    def key_characters(self) -> npt.NDArray[np.uint8]:
        """Shape (n, KEY_LENGTH), of keys that are all so long, copied."""
        found = np.empty((len(self), KEY_LENGTH // _WORD), "<u8")
        steps = np.arange(0, KEY_LENGTH, _WORD)
        for first, last, body in self.stretches():
            words = np.ndarray(len(body) - _WORD + 1, "<u8", body, strides=1)  # the 8 bytes from each place on
            found[first:last] = words[self.numbers[first:last, _KEY_AT, None] + steps]
        return found.view(np.uint8)

    @property
    def next_offsets(self) -> dict[int, int]:
        """Partition -> one more than the last offset; each partition's messages are in offset order."""
        return {int(run.partitions[-1]): int(run.offsets[-1]) + 1 for run in self.runs()}

    def header(self, name: str) -> list[bytes | None]:
        """Return the value of each message's last header of a name; None where there is none."""
        found: list[bytes | None] = []
        for source in self._sources:
            headers = source.headers if isinstance(source, Message) else source.headers()
            if headers is not None and len(headers) == 1 and headers[0][0] == name:  # as nearly all have it
                found.append(headers[0][1])
                continue
            last = None
            for named, value in headers or ():
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
        if isinstance(source, Message):
            return source
        (value,) = self.chosen(np.asarray([place])).values
        return Message.from_kafka(source, value)

    def _texts(self, at: int, size_bytes: int) -> Iterator[bytes | None]:
        for body, start, size in self.numbers[:, (_BODY, at, size_bytes)].tolist():
            yield None if size == NONE else self.bodies[body][start : start + size]

    @classmethod
    def _made(
        cls,
        sources: list[Any],
        keys: list[bytes | None],
        values: list[bytes | None],
        columns: tuple[Any, Any, Any],
    ) -> "Messages":
        numbers = np.empty((len(sources), _COLUMNS), np.int64)
        numbers[:, _PARTITION], numbers[:, _OFFSET], numbers[:, _TIME] = columns
        bodies: list[bytes] = []
        first = 0
        for body in bodies_of(values, keys):
            rows = numbers[first : first + len(body.value_at)]
            rows[:, _BODY] = len(bodies)
            for column, of_body in zip(range(_VALUE_AT, _KEY_BYTES + 1), body[1:], strict=True):
                rows[:, column] = of_body
            has_length, characters = _characters(body.text, body.key_at, body.key_bytes)
            rows[:, _FINGERPRINT], rows[:, _HASH] = 0, NO_PLACE
            rows[has_length, _FINGERPRINT] = fingerprints_of_characters(characters).view(np.int64)
            rows[has_length, _HASH] = hashes_of(characters)
            bodies.append(body.text)
            first += len(rows)
        return cls(sources, numbers, bodies)


def _characters(text: bytes, key_at: _Integers, key_bytes: _Integers) -> tuple[Any, npt.NDArray[np.uint8]]:
    """Return which keys are as long as a key of ours, and their characters, shape (k, KEY_LENGTH)."""
    has_length = key_bytes == KEY_LENGTH
    if has_length.all() and len(key_at):
        return slice(None), np.frombuffer(text, np.uint8, key_bytes.size * KEY_LENGTH, key_at[0]).reshape(
            -1, KEY_LENGTH
        )
    places = key_at[has_length, None] + np.arange(KEY_LENGTH)
    return has_length, np.frombuffer(text, np.uint8)[places]


def _stretches(numbers: _Integers) -> Iterator[tuple[int, int]]:
    """Yield (first, last) of the stretches of one number."""
    borders = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)]
    for first, last in pairwise(borders):
        if first < last:
            yield first, last
