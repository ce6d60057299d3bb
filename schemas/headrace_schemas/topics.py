"""Topic names, message headers, and the settings that a topic must have for the guarantees to hold."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

__all__ = [
    "CONTROL",
    "DEAD_LETTERS",
    "FEEDBACK",
    "INTERACTIONS",
    "REQUEST_HEADER",
    "ROLLOUT",
    "STATISTICS",
    "TOPICS",
    "TopicSpec",
]

INTERACTIONS: Final = "headrace.interactions.v1"
DEAD_LETTERS: Final = "headrace.deadletter.v1"
STATISTICS: Final = "headrace.stats.v1"
FEEDBACK: Final = "headrace.feedback.v1"
CONTROL: Final = "headrace.control.v1"
ROLLOUT: Final = "headrace.rollout.v1"

REQUEST_HEADER: Final = "headrace-request"
"""Header of an interaction: the 32 bytes of `request_id_hash`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSpec:
    """What a topic needs.

    Attributes:
        name: the topic's name.
        key: what its message keys are, for people.
        config: topic settings that the guarantees rest on; `headrace topics check` insists on them.
        suggested: further settings for `headrace topics create`; an operator may choose others.
        kept_days: a record is gone after so many days, for it may be somebody's words; None: no limit.
        partitions: of a new topic; None: as many as the operator asks for.
    """

    name: str
    key: str
    config: Mapping[str, str]
    suggested: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    kept_days: float | None = None
    partitions: int | None = None


_COMPACTED_SOON: Final = MappingProxyType({"segment.bytes": str(16 * 2**20), "min.cleanable.dirty.ratio": "0.1"})

TOPICS: Final[tuple[TopicSpec, ...]] = (
    TopicSpec(
        name=INTERACTIONS,
        key="dedup key, 64 hex digits",
        # The table is partitioned by ingest date: the broker's clock, not thousands of producers' clocks.
        config=MappingProxyType({"cleanup.policy": "delete", "message.timestamp.type": "LogAppendTime"}),
        kept_days=7,
    ),
    TopicSpec(
        name=DEAD_LETTERS,
        key="source topic/partition/offset",
        config=MappingProxyType({"cleanup.policy": "delete"}),
        # A dead letter is its message and a little more: it must fit where the message did.
        suggested=MappingProxyType({"max.message.bytes": str(8 * 2**20)}),
        kept_days=30,
    ),
    TopicSpec(
        name=STATISTICS,
        key="producer instance",
        # How late a record is must not depend on thousands of producers' clocks.
        config=MappingProxyType({"cleanup.policy": "delete", "message.timestamp.type": "LogAppendTime"}),
        suggested=MappingProxyType({"retention.ms": str(7 * 86_400_000)}),
    ),
    TopicSpec(
        name=FEEDBACK,
        key="SHA-256 of the request id, 32 bytes",
        config=MappingProxyType({"cleanup.policy": "delete", "message.timestamp.type": "LogAppendTime"}),
        kept_days=30,
    ),
    TopicSpec(
        name=CONTROL,
        key="kind/name",
        config=MappingProxyType({"cleanup.policy": "compact"}),
        # Each process reads it from the beginning: orders that were replaced should be gone soon.
        suggested=_COMPACTED_SOON,
        partitions=1,  # orders have one order
    ),
    TopicSpec(
        name=ROLLOUT,
        key="state, or decision/rollout id/number",
        config=MappingProxyType({"cleanup.policy": "compact"}),
        # The state is written each few seconds, and read from the beginning by whoever takes over.
        suggested=_COMPACTED_SOON,
        partitions=1,
    ),
)
