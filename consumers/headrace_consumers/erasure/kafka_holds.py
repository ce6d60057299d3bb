"""Until when Kafka may hold a person's records: nothing is deleted there, its retention does that."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from headrace.config import Config
from headrace.errors import ConfigError
from headrace_consumers.topics import Broker, TopicError
from headrace_consumers.topics.retention import held_ms

__all__ = ["Hold", "holds", "states"]

_SLACK: Final = dt.timedelta(minutes=10)
"""Kafka looks for what has expired every five minutes, and deletes it a minute later."""


@dataclass(frozen=True, slots=True)
class Hold:
    """What a topic may hold of the person.

    Attributes:
        topic: its name.
        what: whose words, for people.
        gone_by: the last day, ISO 8601, UTC; None: not known, or never.
        why: where the date comes from, or why there is none.
    """

    topic: str
    what: str
    gone_by: str | None
    why: str

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


def states(config: Config) -> tuple[dict[str, Mapping[str, str]], str | None]:
    """Return topic -> its settings, of those that hold records; and why the broker told nothing, if so."""
    try:
        found = Broker(config).describe(list(_topics(config)))
    except (TopicError, ConfigError) as error:
        return {}, str(error)
    return {name: state.config for name, state in found.items()}, None


def holds(
    config: Config, settings: Mapping[str, Mapping[str, str]], trouble: str | None, now: dt.datetime
) -> list[Hold]:
    """Return what each topic may hold, and until when; pure.

    Args:
        config: names of the topics.
        settings: topic -> its settings on the broker.
        trouble: why there are none.
        now: UTC; what comes later is not taken into the tables.
    """
    topics, kafka = config.kafka.topics, config.kafka
    promised = {topics.interactions: f"kafka.retention_days promises {kafka.retention_days:g}"}
    late = f"kafka.late_retention_days promises {kafka.late_retention_days:g}"
    return [
        _hold(name, what, settings.get(name), f"{promised.get(name, late)}; {trouble}" if trouble else None, now)
        for name, what in _topics(config).items()
    ]


def _hold(topic: str, what: str, settings: Mapping[str, str] | None, trouble: str | None, now: dt.datetime) -> Hold:
    if trouble is not None:
        return Hold(topic, what, None, f"not known, {trouble}")
    if settings is None:
        return Hold(topic, what, None, "there is no such topic")
    longest_ms = held_ms(settings)
    if longest_ms is None:
        return Hold(topic, what, None, "never: its retention.ms is -1, or it is compacted; set retention.ms")
    last = now + dt.timedelta(milliseconds=longest_ms) + _SLACK
    return Hold(
        topic, what, last.date().isoformat(), f"retention.ms and segment.ms: {longest_ms / 86_400_000:.3g} days"
    )


def _topics(config: Config) -> dict[str, str]:
    topics = config.kafka.topics
    return {
        topics.interactions: "calls",
        topics.feedback: "feedback",
        topics.dead_letters: "what could not be read; once replayed, it is in its topic for as long as above",
    }
