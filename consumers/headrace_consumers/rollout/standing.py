"""How the controller stands, as a value, and what that means for a probe. Pure.

healthy: the loop turns. ready: it acts, or stands by for one that does; it has read all; Kafka answers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from headrace_consumers.monitoring.standing import LoopStanding
from headrace_consumers.rollout.state import State

__all__ = ["Standing", "judge"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing(LoopStanding):
    """A moment of the loop.

    Attributes:
        is_acting: whether it decides; else it stands by, or has not begun.
        is_standing_by: whether another one decides.
        has_caught_up: whether all that was in Kafka has been read since it began.
        state: the newest that it knows.
        lags: topic and partition -> records that were not read, and the age of the last that was, s; None: not known.
        read: topic -> records of which the evidence was taken.
        unreadable: topic and reason -> records.
        decisions: what was done, and by which guard -> how often, since this process began.
        written_at_ms: when it wrote last, Unix time; None: never.
    """

    is_acting: bool = False
    is_standing_by: bool = False
    has_caught_up: bool = False
    state: State = field(default_factory=State)
    lags: Mapping[tuple[str, int], tuple[int | None, float | None]] = field(default_factory=dict)
    read: Mapping[str, int] = field(default_factory=dict)
    unreadable: Mapping[tuple[str, str], int] = field(default_factory=dict)
    decisions: Mapping[tuple[str, str], int] = field(default_factory=dict)
    written_at_ms: int | None = None


def judge(standing: Standing, now: float) -> tuple[bool, bool, dict[str, Any]]:
    """Return whether it is healthy, whether it is ready, and what a probe is told.

    Args:
        standing: as the loop told it last.
        now: seconds, monotonic.
    """
    problems = []
    if not (standing.is_acting or standing.is_standing_by):
        problems.append("has not taken over yet")
    elif standing.is_acting and not standing.has_caught_up:
        problems.append("not caught up since it took over")
    notes = ["stands by: another controller decides"] if standing.is_standing_by else []
    rollouts = {
        name: {"id": each.rollout_id, "state": each.state, "share": each.share}
        for name, each in sorted(standing.state.experiments.items())
    }
    return standing.judged(now, problems, notes, {"rollouts": rollouts})
