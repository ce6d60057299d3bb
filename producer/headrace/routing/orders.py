"""What orders to route mean for a router: who gets what, which programs they need. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headrace_schemas.rollouts import Rollout

__all__ = ["digests_of", "ordered"]


def ordered(rollout: Rollout) -> tuple[object, ...]:
    """Return what of a rollout says who gets what and how it counts."""
    return (
        rollout.rollout_id,
        rollout.state,
        rollout.share,
        rollout.stage,
        rollout.candidate,
        rollout.baseline,
    )


def digests_of(rollouts: Iterable[Rollout]) -> set[str]:
    """Return the programs that orders need now: after a rollback only the baseline's."""
    wanted = set()
    for each in rollouts:
        if each.candidate.digest is not None and (each.is_comparing or each.state == "promoted"):
            wanted.add(each.candidate.digest)
        if each.baseline.digest is not None:
            wanted.add(each.baseline.digest)
    return wanted
