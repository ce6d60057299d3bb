"""What a topic should be like, compared with what it is; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from headrace.config import Config
from headrace_consumers.topics.copies import copies_for, too_few_copies
from headrace_consumers.topics.finding import Finding, TopicState, alter
from headrace_consumers.topics.retention import kept_too_long, retention_for
from headrace_schemas.topics import (
    CONTROL,
    DEAD_LETTERS,
    FEEDBACK,
    INTERACTIONS,
    ROLLOUT,
    STATISTICS,
    TOPICS,
    TopicSpec,
)

__all__ = ["DEAD_LETTER_OVERHEAD_BYTES", "compare", "settings_of_new", "wanted"]

DEAD_LETTER_OVERHEAD_BYTES: Final = 65_536
"""What a dead letter adds to its message: topic, reason, detail and the message's headers, generously."""

_SIZE: Final = "max.message.bytes"


def wanted(config: Config) -> tuple[TopicSpec, ...]:
    """Return the topics of TOPICS under their configured names, with the configured days."""
    topics = config.kafka.topics
    names = {
        INTERACTIONS: topics.interactions,
        DEAD_LETTERS: topics.dead_letters,
        STATISTICS: topics.statistics,
        FEEDBACK: topics.feedback,
        CONTROL: topics.control,
        ROLLOUT: topics.rollout,
    }
    days = {
        INTERACTIONS: config.kafka.retention_days,
        DEAD_LETTERS: config.kafka.late_retention_days,
        FEEDBACK: config.kafka.late_retention_days,
    }
    return tuple(replace(spec, name=names[spec.name], kept_days=days.get(spec.name)) for spec in TOPICS)


def settings_of_new(spec: TopicSpec, replication_factor: int) -> dict[str, str]:
    """Return the settings with which a topic is created."""
    kept = {} if spec.kept_days is None else retention_for(spec.kept_days)
    return {**spec.suggested, **kept, **copies_for(replication_factor), **spec.config}


def compare(
    config: Config, specs: Sequence[TopicSpec], states: Mapping[str, TopicState], address: str, brokers: int = 1
) -> list[Finding]:
    """Return what differs between the topics as they should be and as they are.

    Args:
        config: for the names of the interactions' and dead letters' topics.
        specs: what is wanted.
        states: topic name -> its state; missing topics are absent.
        address: goes into the commands that mend.
        brokers: how many there are.
    """
    findings: list[Finding] = []
    for spec in specs:
        state = states.get(spec.name)
        if state is None:
            findings.append(
                Finding(topic=spec.name, problem=True, what="missing", mend="headrace topics create [--config PATH]")
            )
            continue
        findings += [
            Finding(
                topic=spec.name,
                problem=expected is spec.config,
                what=f"{key} is {state.config.get(key, 'not set')}, "
                f"{'expected' if expected is spec.config else 'suggested'} {value}",
                mend=alter(address, spec.name, {key: value}),
            )
            for expected in (spec.config, spec.suggested)
            for key, value in expected.items()
            if not _meets(key, state.config.get(key), value)
        ]
        findings += [*kept_too_long(spec, state, address), *too_few_copies(state, address, brokers)]
    return findings + _dead_letters_fit(config, states, address)


def _meets(key: str, found: str | None, expected: str) -> bool:
    """A larger message limit than suggested is as good."""
    if key == _SIZE and found is not None:
        return int(found) >= int(expected)
    return found == expected


def _dead_letters_fit(config: Config, states: Mapping[str, TopicState], address: str) -> list[Finding]:
    interactions = states.get(config.kafka.topics.interactions)
    letters = states.get(config.kafka.topics.dead_letters)
    if interactions is None or letters is None or _SIZE not in interactions.config or _SIZE not in letters.config:
        return []
    needed = int(interactions.config[_SIZE]) + DEAD_LETTER_OVERHEAD_BYTES
    if int(letters.config[_SIZE]) >= needed:
        return []
    return [
        Finding(
            topic=letters.name,
            problem=True,
            what=f"{_SIZE} is {letters.config[_SIZE]}, expected at least {needed}: "
            f"a dead letter of the largest message of {interactions.name} must fit",
            mend=alter(address, letters.name, {_SIZE: str(needed)}),
        )
    ]
