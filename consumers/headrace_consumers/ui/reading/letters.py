"""Dead letters: the newest of the topic, counted by reason, and one of them."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from headrace_consumers.deadletters.letters import Letter, LetterTopic, entry_of
from headrace_consumers.deadletters.portrait import portrait
from headrace_consumers.deadletters.summary import Summary, summarize
from headrace_consumers.topics.reading import TopicReader
from headrace_consumers.ui.page import NothingThereError
from headrace_consumers.ui.reading.broker import insist_on_broker
from headrace_consumers.ui.reading.producers import WAIT_S, newest_of
from headrace_consumers.ui.sources import Sources
from headrace_schemas import Registry

__all__ = ["Letters", "letter", "letters"]

_LISTED: Final = 200
_SOURCE: Final = re.compile(r"[A-Za-z0-9._-]{1,249}/\d{1,9}/\d{1,18}")


@dataclass(frozen=True, slots=True)
class Letters:
    """What the dead-letter topic holds.

    Attributes:
        topic: its name.
        summary: of what was looked at.
        newest: the newest letters without payload, each once: source, reason, detail, written_at_ms, size_bytes,
            consumer.
        looked_at: messages.
        is_all: whether the topic holds no more.
    """

    topic: str
    summary: Summary
    newest: list[dict[str, Any]]
    looked_at: int
    is_all: bool


def letters(sources: Sources) -> Letters:
    """Return the dead letters.

    Raises:
        TopicError: the topic cannot be read.
    """
    insist_on_broker(sources)
    topic = sources.config.kafka.topics.dead_letters
    reader = TopicReader(sources.config, topic, WAIT_S)
    bounds = reader.bounds()

    def made() -> Letters:
        starts, is_all = newest_of(bounds)
        entries = [entry_of(message) for message in reader.read(starts=starts)]
        by_identity = {entry.identity: entry for entry in entries if isinstance(entry, Letter)}
        ordered = sorted(by_identity.values(), key=lambda each: (-(each.written_at_ms or 0), each.source))
        newest = [_told(each) for each in ordered[:_LISTED]]
        return Letters(topic, summarize(entries), newest, len(entries), is_all)

    return sources.kept(("letters", topic), tuple(sorted(bounds.items())), made)


def letter(sources: Sources, source: str, *, payload: bool) -> dict[str, Any]:
    """Return one dead letter, as `portrait` has it.

    Args:
        sources: where the topic is.
        source: ``topic/partition/offset``.
        payload: also its content.

    Raises:
        NothingThereError: there is none such.
        TopicError: the topic cannot be read.
    """
    config = sources.config
    insist_on_broker(sources)
    found = LetterTopic(config, WAIT_S).find(source) if _SOURCE.fullmatch(source) else []
    if not any(isinstance(entry, Letter) for entry in found):
        raise NothingThereError(f"{source[:300]}: no dead letter of it in {config.kafka.topics.dead_letters}")
    registry = Registry([Path(config.schemas.path)] if config.schemas.path else [])
    return portrait(found, registry, payload=payload)


def _told(each: Letter) -> dict[str, Any]:
    return {
        "source": each.source,
        "reason": each.letter["reason"],
        "detail": each.letter["detail"],
        "written_at_ms": each.written_at_ms,
        "size_bytes": len(each.letter["value"] or b""),
        "consumer": each.letter["consumer"],
    }
