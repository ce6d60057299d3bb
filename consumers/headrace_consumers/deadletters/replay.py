"""Putting dead letters back where they came from, once what stopped them is mended.

    plan:   the dead-letter topic -> which letters are chosen, which of them were replayed before, which can be read now
    apply:  each as it was, with a header that says so -> acknowledged -> a mark on the dead-letter topic

A mark follows its message, so a crash in between replays a message twice, which is harmless: the dataset deduplicates.
"""

import functools
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from headrace_consumers.deadletters.letters import (
    REPLAYED_FROM,
    REPLAYED_TO,
    TOPIC_ID,
    Entry,
    Identity,
    Letter,
    Replayed,
)
from headrace_consumers.deadletters.writer import DeadLetterError
from headrace_schemas import DeadLetter

__all__ = ["Choice", "Plan", "Replayer", "plan"]

_TIMEOUT_S: Final = 30.0
_TOGETHER: Final = 500
_TOGETHER_BYTES: Final = 16_000_000


@dataclass(frozen=True, slots=True)
class Choice:
    """Which letters.

    Attributes:
        reasons: of these reasons; empty: of all.
        topic: from this topic; None: from all.
        partition: from this partition; None: from all.
        first_offset: from this offset on.
        last_offset: up to this one; None: to the end.
        again: those too that were replayed before.
    """

    reasons: frozenset[str] = frozenset()
    topic: str | None = None
    partition: int | None = None
    first_offset: int = 0
    last_offset: int | None = None
    again: bool = False

    def takes(self, letter: DeadLetter) -> bool:
        """Tell whether a letter is chosen."""
        return (
            (not self.reasons or letter["reason"] in self.reasons)
            and self.topic in {None, letter["topic"]}
            and self.partition in {None, letter["partition"]}
            and self.first_offset <= letter["offset"]
            and (self.last_offset is None or letter["offset"] <= self.last_offset)
        )


@dataclass(slots=True)
class Plan:
    """What a replay would do.

    Attributes:
        chosen: letters by reason, copies apart.
        replayed_before: how many of them were put back by an earlier run, and are left out.
        unreadable_still: how many of the rest cannot be read by this release and configuration either.
        letters: the rest.
        topics: where they go.
    """

    chosen: Counter[str] = field(default_factory=Counter)
    replayed_before: int = 0
    unreadable_still: Counter[str] = field(default_factory=Counter)
    letters: set[Identity] = field(default_factory=set)
    topics: set[str] = field(default_factory=set)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "chosen": self.chosen.total(),
            "by_reason": dict(self.chosen.most_common()),
            "replayed_before": self.replayed_before,
            "to_replay": len(self.letters),
            "unreadable_still": dict(self.unreadable_still),
            "topics": sorted(self.topics),
        }


def plan(entries: Iterable[Entry], choice: Choice, why_unreadable: Callable[[DeadLetter], str | None]) -> Plan:
    """Return what to replay.

    Args:
        entries: the dead-letter topic; a mark after its letter.
        choice: which letters.
        why_unreadable: the reason for which a letter would be a dead letter again, or None.
    """
    made = Plan()
    reason_of: dict[Identity, str] = {}
    still: dict[Identity, str] = {}
    replayed: set[Identity] = set()
    for entry in entries:
        if isinstance(entry, Replayed):
            replayed.add(entry.identity)
        elif isinstance(entry, Letter) and choice.takes(entry.letter) and entry.identity not in reason_of:
            reason_of[entry.identity] = entry.letter["reason"]
            made.topics.add(entry.letter["topic"])
            if (reason := why_unreadable(entry.letter)) is not None:
                still[entry.identity] = reason
    made.chosen.update(reason_of.values())
    made.letters = set(reason_of) if choice.again else reason_of.keys() - replayed
    made.replayed_before = len(reason_of) - len(made.letters)
    made.unreadable_still.update(reason for identity, reason in still.items() if identity in made.letters)
    return made


class Replayer:
    """Writes letters back.

    Args:
        producer: a `confluent_kafka.Producer` with acks=all and the murmur2_random partitioner.
        letters_topic: where marks go.
        timeout_s: how long to wait for the acknowledgements of one bundle.
    """

    def __init__(self, producer: Any, letters_topic: str, *, timeout_s: float = _TIMEOUT_S) -> None:
        self._producer = producer
        self._letters_topic = letters_topic
        self._timeout_s = timeout_s

    def replay(self, entries: Iterable[Entry], letters: set[Identity]) -> Iterator[int]:
        """Put these letters back, and yield how many after each bundle.

        Raises:
            DeadLetterError: not acknowledged; what was, is marked, and another run goes on from there.
        """
        left = set(letters)
        for bundle in _bundles(entry for entry in entries if isinstance(entry, Letter) and _take(left, entry.identity)):
            targets = self._write([self._original(letter) for letter in bundle])
            self._write([self._mark(letter, target) for letter, target in zip(bundle, targets, strict=True)])
            yield len(bundle)

    def _mark(self, entry: Letter, target: bytes) -> dict[str, Any]:
        headers = [(REPLAYED_TO, target), (TOPIC_ID, entry.letter["topic_id"].encode())]
        return {"topic": self._letters_topic, "key": entry.source.encode(), "value": None, "headers": headers}

    def _original(self, entry: Letter) -> dict[str, Any]:
        letter = entry.letter
        headers = [(h["name"], h["value"]) for h in letter["headers"] if h["name"] != REPLAYED_FROM]
        message = {
            "topic": letter["topic"],
            "key": letter["key"],
            "value": letter["value"],
            "headers": [*headers, (REPLAYED_FROM, entry.source.encode())],
        }
        # With a key, by the key: copies must meet. Without one, where it was.
        return message if letter["key"] is not None else {**message, "partition": letter["partition"]}

    def _write(self, messages: list[dict[str, Any]]) -> list[bytes]:
        """Return ``topic/partition/offset`` of each message, once all are acknowledged."""
        targets: list[bytes | None] = [None] * len(messages)
        failures: list[str] = []

        def on_delivery(number: int, error: Any, message: Any) -> None:
            if error is not None:
                failures.append(error.str())
            else:
                targets[number] = f"{message.topic()}/{message.partition()}/{message.offset()}".encode()

        deadline = time.monotonic() + self._timeout_s
        for number, message in enumerate(messages):
            while True:
                try:
                    self._producer.produce(**message, on_delivery=functools.partial(on_delivery, number))
                    break
                except BufferError:
                    if time.monotonic() > deadline:
                        break
                    self._producer.poll(0.1)
        self._producer.flush(max(0.0, deadline - time.monotonic()))
        written = [target for target in targets if target is not None]
        if len(written) < len(messages):
            why = failures[0] if failures else f"no answer within {self._timeout_s:g} s"
            raise DeadLetterError(
                f"{messages[0]['topic']}: {len(messages) - len(written)} of {len(messages)} replayed messages were not "
                f"acknowledged ({why}); run it again: what was marked is not replayed twice"
            )
        return written


def _take(left: set[Identity], identity: Identity) -> bool:
    """Tell whether a letter is wanted and was not taken yet; a copy of it is not wanted any more."""
    if identity not in left:
        return False
    left.discard(identity)
    return True


def _bundles(letters: Iterable[Letter]) -> Iterator[list[Letter]]:
    """Yield the letters in bundles that memory holds easily."""
    iterator = iter(letters)
    for first in iterator:
        bundle, size_bytes = [first], len(first.letter["value"] or b"")
        for letter in itertools.islice(iterator, _TOGETHER - 1):
            bundle.append(letter)
            size_bytes += len(letter.letter["value"] or b"")
            if size_bytes > _TOGETHER_BYTES:
                break
        yield bundle
