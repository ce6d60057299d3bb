"""What a round came to."""

from dataclasses import dataclass

from tests.chaos.dataset.account import Owed

__all__ = ["Outcome"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a round came to.

    Attributes:
        owed: what the account says.
        rows_under_fire: that were in the table when the members had ended, before the last one read the rest.
        killed: members that ended by SIGKILL.
        stopped: members that were seen in SIGSTOP.
        restarts: members that the supervisor started again.
        fenced: batches that were fenced.
        cut_short: members that were not done at the bound after SIGTERM, and left.
        merges: of small files, by members and maintainers.
        maintainers_struck: so many were killed or stopped at a step.
        problems: in what it is wrong.
    """

    owed: Owed
    rows_under_fire: int
    killed: int
    stopped: int
    restarts: int
    fenced: int
    cut_short: int
    merges: int
    maintainers_struck: int
    problems: list[str]
