"""Dead letters counted by reason, topic and time, each with an example; a copy counts once."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from headrace_consumers.deadletters.letters import Entry, Identity, Letter, Odd, Replayed
from headrace_consumers.deadletters.reasons import REASONS

__all__ = ["Group", "Summary", "summarize"]


@dataclass(slots=True)
class Group:
    """The letters of one reason and topic.

    Attributes:
        reason: see REASONS.
        topic: where the messages were.
        letters: how many, copies apart.
        replayed: how many of them were put back.
        size_bytes: of the original values.
        first_ms: when the first was written; Unix time in ms.
        last_ms: when the last was.
        example: ``topic/partition/offset`` of the last one.
        detail: what was said of it.
        by_time: start of a day or hour, ISO 8601 UTC -> letters.
    """

    reason: str
    topic: str
    letters: int = 0
    replayed: int = 0
    size_bytes: int = 0
    first_ms: int | None = None
    last_ms: int | None = None
    example: str = ""
    detail: str = ""
    by_time: Counter[str] = field(default_factory=Counter)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "reason": self.reason,
            "meaning": REASONS.get(self.reason, ""),
            "topic": self.topic,
            "letters": self.letters,
            "replayed": self.replayed,
            "size_bytes": self.size_bytes,
            "first_ms": self.first_ms,
            "last_ms": self.last_ms,
            "example": self.example,
            "detail": self.detail,
            "by_time": dict(sorted(self.by_time.items())),
        }


@dataclass(slots=True)
class Summary:
    """All groups, the largest first.

    Attributes:
        groups: by reason and topic.
        copies: letters that were there before; at least once is the promise.
        odd: messages that are no dead letters, as (partition, offset) of the last, and their number.
    """

    groups: list[Group]
    copies: int
    odd: tuple[int, tuple[int, int] | None]


def summarize(entries: Iterable[Entry], *, since_ms: int | None = None, by: Literal["day", "hour"] = "day") -> Summary:
    """Return the counts.

    Args:
        entries: the dead-letter topic; a mark after its letter.
        since_ms: leave out letters that were written earlier; Unix time in ms.
        by: how long a stretch of `by_time` is.
    """
    groups: dict[tuple[str, str], Group] = {}
    group_of: dict[Identity, Group] = {}
    replayed: set[Identity] = set()
    copies = odd = 0
    odd_at: tuple[int, int] | None = None
    for entry in entries:
        match entry:
            case Odd():
                odd, odd_at = odd + 1, (entry.partition, entry.offset)
            case Replayed():
                replayed.add(entry.identity)
            case Letter() if since_ms is not None and (entry.written_at_ms or 0) < since_ms:
                pass
            case Letter():
                if entry.identity in group_of:
                    copies += 1
                    continue
                key = (entry.letter["reason"], entry.letter["topic"])
                group_of[entry.identity] = group = groups.setdefault(key, Group(*key))
                _count(group, entry, by)
    for identity, group in group_of.items():
        group.replayed += identity in replayed
    ordered = sorted(groups.values(), key=lambda group: (-group.letters, group.reason, group.topic))
    return Summary(ordered, copies, (odd, odd_at))


def _count(group: Group, entry: Letter, by: str) -> None:
    group.letters += 1
    group.size_bytes += len(entry.letter["value"] or b"")
    group.example, group.detail = entry.source, entry.letter["detail"]
    if (at_ms := entry.written_at_ms) is not None:
        group.first_ms = at_ms if group.first_ms is None else min(group.first_ms, at_ms)
        group.last_ms = at_ms if group.last_ms is None else max(group.last_ms, at_ms)
        moment = dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC)
        group.by_time[moment.strftime("%Y-%m-%dT%H:00Z" if by == "hour" else "%Y-%m-%d")] += 1
