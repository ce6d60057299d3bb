"""Putting dead letters back where they came from, once what stopped them is mended.

    plan:   the dead-letter topic -> which letters are chosen, which of them were replayed before, which can be read now
    apply:  each as it was, with a header that says so -> acknowledged -> a mark on the dead-letter topic
                                                       -> refused      -> told at the end, and left as it is
           to a topic that is gone or closed to this user: likewise, without being sent

A mark follows its message, so a crash in between replays a message twice, which is harmless: the dataset deduplicates.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
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
    place_of,
)
from headrace_consumers.deadletters.sending import Closed, Refused, Silence, Written, send
from headrace_consumers.deadletters.writer import DeadLetterError
from headrace_schemas import DeadLetter

__all__ = ["Choice", "Plan", "RefusedLetter", "Replayer", "plan"]

_TIMEOUT_S: Final = 30.0
_TOGETHER: Final = 500
_TOGETHER_BYTES: Final = 16_000_000
_GONE: Final = "the topic is not there any more, or this user may not see it"


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
        topics: where the chosen ones go.
        gone: letters that cannot go anywhere, for their topic is gone; not among `letters`.
    """

    chosen: Counter[str] = field(default_factory=Counter)
    replayed_before: int = 0
    unreadable_still: Counter[str] = field(default_factory=Counter)
    letters: set[Identity] = field(default_factory=set)
    topics: set[str] = field(default_factory=set)
    gone: list[Identity] = field(default_factory=list)

    def leave_out_gone(self, there: Collection[str]) -> None:
        """Leave out the letters of topics that are not among those that are there: a broker might make them anew."""
        self.topics &= set(there)
        gone = {identity for identity in self.letters if place_of(identity[1])[0] not in self.topics}
        self.letters -= gone
        self.gone = sorted(gone)

    def refused(self) -> "list[RefusedLetter]":
        """Return the letters whose topic is gone, as what cannot be replayed."""
        return [RefusedLetter(*place_of(source), _GONE) for _, source in self.gone]

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "chosen": self.chosen.total(),
            "by_reason": dict(self.chosen.most_common()),
            "replayed_before": self.replayed_before,
            "to_replay": len(self.letters),
            "topic_gone": len(self.gone),
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


@dataclass(frozen=True, slots=True)
class RefusedLetter:
    """A letter that Kafka does not take back; it stays a dead letter, and is tried again by the next run.

    Attributes:
        topic: where it was, and should go.
        partition: likewise.
        offset: likewise.
        reason: what the client or the broker said.
    """

    topic: str
    partition: int
    offset: int
    reason: str


class Replayer:
    """Writes letters back.

    Args:
        producer: a `confluent_kafka.Producer` with acks=all and the murmur2_random partitioner.
        letters_topic: where marks go.
        timeout_s: how long to wait for the acknowledgements of one bundle.

    Attributes:
        replayed: how many went back so far, marked or not.
        refused: what was not taken so far; complete when `replay` has ended.
    """

    def __init__(self, producer: Any, letters_topic: str, *, timeout_s: float = _TIMEOUT_S) -> None:
        self._producer = producer
        self._letters_topic = letters_topic
        self._closed: dict[str, str] = {}
        self._timeout_s = timeout_s
        self.replayed = 0
        self.refused: list[RefusedLetter] = []

    def replay(self, entries: Iterable[Entry], letters: set[Identity]) -> Iterator[int]:
        """Put these letters back, and yield how many went after each bundle.

        Raises:
            DeadLetterError: Kafka is away, or takes no marks; what was acknowledged is marked, and another run goes
                on from there.
        """
        left = set(letters)
        wanted = (entry for entry in entries if isinstance(entry, Letter) and _take(left, entry.identity))
        for bundle in _bundles(self._open(wanted)):
            answers = send(self._producer, [self._original(letter) for letter in bundle], self._timeout_s)
            answered = list(zip(bundle, answers, strict=True))
            written = [(entry, answer) for entry, answer in answered if isinstance(answer, Written)]
            self.replayed += len(written)
            for entry, answer in answered:
                if isinstance(answer, Closed):
                    self._closed[entry.letter["topic"]] = answer.reason
                if isinstance(answer, Closed | Refused):
                    self.refused.append(_refused(entry, answer.reason))
            self._mark(written)
            if silences := [(entry, answer) for entry, answer in answered if isinstance(answer, Silence)]:
                entry, silence = silences[0]
                raise DeadLetterError(
                    f"{entry.letter['topic']}: {len(silences)} of {len(bundle)} replayed messages were not "
                    f"acknowledged ({silence.reason}); what was, is marked: run it again, and it goes on from there"
                )
            yield len(written)

    def _open(self, letters: Iterable[Letter]) -> Iterator[Letter]:
        """Yield the letters that can be sent; the others are refused."""
        for entry in letters:
            if (reason := self._closed.get(entry.letter["topic"])) is None:
                yield entry
            else:
                self.refused.append(_refused(entry, reason))

    def _mark(self, written: Sequence[tuple[Letter, Written]]) -> None:
        marks = [self._mark_of(entry, answer.target) for entry, answer in written]
        failed = [answer for answer in send(self._producer, marks, self._timeout_s) if not isinstance(answer, Written)]
        if failed:
            raise DeadLetterError(
                f"{self._letters_topic}: {len(failed)} of {len(marks)} messages were replayed and could not be marked "
                f"({failed[0].reason}); another run replays those again, which is harmless: the dataset keeps one"
            )

    def _mark_of(self, entry: Letter, target: bytes) -> dict[str, Any]:
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


def _refused(entry: Letter, reason: str) -> RefusedLetter:
    letter = entry.letter
    return RefusedLetter(letter["topic"], letter["partition"], letter["offset"], reason)


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
