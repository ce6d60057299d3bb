"""What a table remembers beside rows and offsets: which topics it was built from, and which gaps were accepted.

Kept as JSON in two properties of the Delta table, where any reader finds them, and where checkpoints keep them:

    headrace.topics   {"<topic>": {"topic_id": "...", "partitions": 4, "begins": [0, 0, 0, 0]}}
    headrace.gaps     [{"topic": "...", "topic_id": "...", "partition": 0, "from_offset": 17, "to_offset": 40, ...}]
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

__all__ = ["Gap", "KnownTopic", "KnownTopics"]

_TOPICS: Final = "headrace.topics"
_GAPS: Final = "headrace.gaps"


@dataclass(frozen=True, slots=True)
class KnownTopic:
    """A topic as it was when the table began to be built from it.

    Attributes:
        topic_id: a topic that was deleted and created again has another.
        partitions: how many; a key's partition depends on it.
        begins: each partition's oldest offset then; reading begins there.
    """

    topic_id: str
    partitions: int
    begins: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Gap:
    """Offsets that Kafka no longer held when they were to be read, and that an operator gave up.

    Attributes:
        topic: its name.
        topic_id: its id.
        partition: of the topic.
        from_offset: the first that was not read.
        to_offset: the next that was; None where the whole topic is gone, so that nobody knows.
        accepted_at: when, in ISO 8601, by this process's clock.
    """

    topic: str
    topic_id: str
    partition: int
    from_offset: int
    to_offset: int | None
    accepted_at: str

    @property
    def place(self) -> tuple[str, int, int]:
        """Where it begins; a gap that has grown since begins at the same place."""
        return self.topic_id, self.partition, self.from_offset


@dataclass(frozen=True, slots=True)
class KnownTopics:
    """All that a table remembers.

    Attributes:
        topics: name -> what it was.
        gaps: in the order in which they were accepted.
    """

    topics: Mapping[str, KnownTopic] = field(default_factory=dict)
    gaps: tuple[Gap, ...] = ()

    @classmethod
    def of(cls, properties: Mapping[str, str]) -> "KnownTopics":
        """Return what a table's properties say.

        Raises:
            ValueError: somebody else has written there.
        """
        try:
            topics = json.loads(properties.get(_TOPICS, "{}"))
            gaps = json.loads(properties.get(_GAPS, "[]"))
            return cls({name: _topic(value) for name, value in topics.items()}, tuple(Gap(**gap) for gap in gaps))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"{_TOPICS} or {_GAPS} is not what Headrace writes: {error}") from None

    def as_properties(self) -> dict[str, str]:
        """Return the properties that say so."""
        topics = {name: asdict(known) for name, known in sorted(self.topics.items())}
        return {_TOPICS: json.dumps(topics), _GAPS: json.dumps([asdict(gap) for gap in self.gaps])}

    def with_topic(self, name: str, known: KnownTopic) -> "KnownTopics":
        """Return these topics with a topic, in place of what was known of that name."""
        return replace(self, topics={**self.topics, name: known})

    def with_gaps(self, *gaps: Gap) -> "KnownTopics":
        """Return these topics with further gaps; one that is there already, from the same offset on, is replaced."""
        places = {gap.place for gap in gaps}
        kept = [old for old in self.gaps if old.place not in places]
        return replace(self, gaps=(*kept, *gaps))


def _topic(value: Mapping[str, Any]) -> KnownTopic:
    return KnownTopic(str(value["topic_id"]), int(value["partitions"]), tuple(int(begin) for begin in value["begins"]))
