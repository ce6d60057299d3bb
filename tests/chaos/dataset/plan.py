"""What a round of the dataset consumer's chaos does, drawn from a seed: the same seed draws the same round.

A round has one leading fault, taken in turn so that a long run meets each of them, and up to two more at random.
"""

import random
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from headrace_consumers.dataset.steps import MaintenanceStep, Step

__all__ = ["MAINTENANCE_POINTS", "POINTS", "Fault", "Kind", "Plan", "draw"]

_EDGES: Final = ("before", "after")
POINTS: Final = tuple(f"{edge}:{step}" for step in Step for edge in _EDGES)
MAINTENANCE_POINTS: Final = tuple(f"{edge}:{step}" for step in MaintenanceStep for edge in _EDGES)
LOAD_S: Final = 5.0
STATIC_SHARE: Final = 0.35
COLD_SHARE: Final = 0.1
SESSION_S: Final = 1.5
"""The group's session timeout; a stop longer than this makes a zombie."""


class Kind(StrEnum):
    """What happens to the members, the broker or the disk."""

    KILL = "kill"  # SIGKILL at a moment
    KILL_AT = "kill-at"  # SIGKILL at a step
    STOP = "stop"  # SIGSTOP at a moment, longer than the session
    STOP_AT = "stop-at"  # SIGSTOP at a step, longer than the session
    BROKER = "broker"  # the broker is killed and comes back
    JOIN = "join"  # one member more
    LEAVE = "leave"  # SIGTERM to one member
    SLOW = "slow"  # each step of one member takes longer
    DISK_FULL = "disk-full"  # no room where table and state are
    FILE_LIMIT = "file-limit"  # a member's writes fail (RLIMIT_FSIZE)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Attributes:
        kind: what.
        at_s: seconds after the load began.
        for_s: how long it lasts, seconds.
        member: which of the members, by number, counted modulo those that live.
        point: the step, for KILL_AT and STOP_AT.
        count: the how-manieth time that this point is reached.
    """

    kind: Kind
    at_s: float
    for_s: float
    member: int
    point: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True)
class Plan:
    """One round.

    Attributes:
        seed: of the load.
        protocol: of the group: classic (cooperative-sticky) or consumer (KIP-848).
        partitions: of the topic.
        members: how many begin.
        records: how many are written.
        aborted_share: of the transactions.
        max_batch_records: of the consumer; small ones commit often.
        faults: in the order of their moments.
        is_static: whether the members have static memberships, which a restart keeps.
        maintainers: how many `headrace dataset maintain` run beside the members at any time.
        is_cold: whether each process starts in an interpreter of its own.
    """

    seed: int
    protocol: str
    partitions: int
    members: int
    records: int
    aborted_share: float
    max_batch_records: int
    faults: tuple[Fault, ...]
    is_static: bool = False
    maintainers: int = 0
    is_cold: bool = False

    @property
    def kinds(self) -> set[Kind]:
        """Which kinds of faults occur."""
        return {fault.kind for fault in self.faults}


_LEADING: Final = tuple(
    [(kind, "") for kind in Kind if kind not in {Kind.KILL_AT, Kind.STOP_AT}]
    + [(Kind.KILL_AT, point) for point in (*POINTS, *MAINTENANCE_POINTS)]
    + [(Kind.STOP_AT, point) for point in (*POINTS, *MAINTENANCE_POINTS)]
)


def draw(seed: int, number: int) -> Plan:
    """Return the round of this number in the run of this seed."""
    lap, place = divmod(number, len(_LEADING))
    order = list(_LEADING)
    random.Random(f"{seed}/{lap}").shuffle(order)
    rng = random.Random(f"{seed}/{number}/round")
    leading = _fault(rng, *order[place])
    others = [_fault(rng, *rng.choice(_LEADING)) for _ in range(rng.randrange(3))]
    is_maintained = any(fault.point in MAINTENANCE_POINTS for fault in (leading, *others))
    return Plan(
        seed=rng.randrange(2**32),
        protocol=rng.choice(("classic", "consumer")),
        partitions=rng.choice((2, 4, 5)),
        members=rng.choice((1, 2, 2, 3, 4)),
        records=rng.randrange(600, 2000),
        aborted_share=rng.choice((0.0, 0.3)),
        max_batch_records=rng.choice((20, 60) if is_maintained else (60, 200, 2000)),  # many files, to be merged
        faults=tuple(sorted((leading, *others), key=lambda fault: fault.at_s)),
        is_static=rng.random() < STATIC_SHARE,
        maintainers=rng.choice((1, 2) if is_maintained else (0, 0, 1)),
        is_cold=rng.random() < COLD_SHARE,
    )


def _fault(rng: random.Random, kind: Kind, point: str) -> Fault:
    longer_than_session = kind in {Kind.STOP, Kind.STOP_AT}
    return Fault(
        kind,
        at_s=round(rng.uniform(0.0, LOAD_S * 0.6), 2),
        for_s=round(rng.uniform(SESSION_S + 0.7, SESSION_S + 2.5) if longer_than_session else rng.uniform(0.3, 2.0), 2),
        member=rng.randrange(8),
        point=point,
        count=1 if point in MAINTENANCE_POINTS else rng.randrange(1, 4),
    )
