"""What a topic should be like, compared with what it is; pure.

A finding says what is wrong, what is expected, and the command that mends it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from headrace.config import Config
from headrace_schemas.topics import CONTROL, DEAD_LETTERS, FEEDBACK, INTERACTIONS, STATISTICS, TOPICS, TopicSpec

__all__ = ["DEAD_LETTER_OVERHEAD_BYTES", "Finding", "TopicState", "compare", "wanted"]

DEAD_LETTER_OVERHEAD_BYTES: Final = 65_536
"""What a dead letter adds to its message: topic, reason, detail and the message's headers, generously."""

_SIZE: Final = "max.message.bytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicState:
    """A topic as the broker has it; `config` holds effective settings, defaults included."""

    name: str
    partitions: int
    replication_factor: int
    config: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing about a topic.

    Attributes:
        topic: its name.
        problem: True where a guarantee does not hold; False for a note.
        what: what was found and what is expected.
        mend: the command that mends it.
    """

    topic: str
    problem: bool
    what: str
    mend: str

    def as_dict(self) -> dict[str, Any]:
        """Return the finding as JSON values."""
        return asdict(self)


def wanted(config: Config) -> tuple[TopicSpec, ...]:
    """Return the topics of TOPICS under their configured names."""
    topics = config.kafka.topics
    names = {
        INTERACTIONS: topics.interactions,
        DEAD_LETTERS: topics.dead_letters,
        STATISTICS: topics.statistics,
        FEEDBACK: topics.feedback,
        CONTROL: topics.control,
    }
    return tuple(replace(spec, name=names[spec.name]) for spec in TOPICS)


def compare(
    config: Config, specs: Sequence[TopicSpec], states: Mapping[str, TopicState], address: str
) -> list[Finding]:
    """Return what differs between the topics as they should be and as they are.

    Args:
        config: for the names of the interactions' and dead letters' topics.
        specs: what is wanted.
        states: topic name -> its state; missing topics are absent.
        address: goes into the commands that mend.
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
                mend=_alter(address, spec.name, key, value),
            )
            for expected in (spec.config, spec.suggested)
            for key, value in expected.items()
            if not _meets(key, state.config.get(key), value)
        ]
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
            mend=_alter(address, letters.name, _SIZE, str(needed)),
        )
    ]


def _alter(address: str, topic: str, key: str, value: str) -> str:
    return (
        f"kafka-configs.sh --bootstrap-server {address} --alter --entity-type topics "
        f"--entity-name {topic} --add-config {key}={value}"
    )
