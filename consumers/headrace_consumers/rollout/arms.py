"""Which arm of a rollout a sampled call was in: by the version on its row and what was decided before. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from headrace_consumers.rollout.experiment import COMPARING
from headrace_consumers.rollout.moves import Entry
from headrace_schemas.rollouts import BASELINE, CANDIDATE

__all__ = ["Membership", "arm_of"]


@dataclass(frozen=True, slots=True)
class Membership:
    """A call's place in a rollout.

    Attributes:
        arm: candidate or baseline.
        rollout_id: of the rollout.
        share: of the requests, the candidate's then.
    """

    arm: str
    rollout_id: str
    share: float


def arm_of(entries: Iterable[Entry], environment: str, module: str, version: str, at_ms: int) -> Membership | None:
    """Return the arm that a call was in; None: no rollout compared it.

    Args:
        entries: decisions, the oldest first.
        environment: of the producer.
        module: whose call it was.
        version: that served it.
        at_ms: when it was, Unix time.
    """
    last: Entry | None = None
    for entry in entries:
        if (entry.environment, entry.module) == (environment, module) and entry.at_ms <= at_ms:
            last = entry
    if last is None or last.state not in COMPARING:
        return None
    arms = {last.baseline.version: BASELINE, last.candidate.version: CANDIDATE}
    arm = arms.get(version)
    return None if arm is None else Membership(arm, last.rollout_id, last.share)
