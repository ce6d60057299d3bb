"""One thing about a topic: what is wrong, what is expected, and the command that mends it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Finding", "TopicState", "alter"]


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


def alter(address: str, topic: str, settings: Mapping[str, str]) -> str:
    """Return the command that changes a topic's settings."""
    changed = ",".join(f"{key}={value}" for key, value in settings.items())
    return (
        f"kafka-configs.sh --bootstrap-server {address} --alter --entity-type topics "
        f"--entity-name {topic} --add-config {changed}"
    )
