"""A rollout as the control topic has it: which two programs, who gets which, and why it stands so. Pure.

    key    rollout/<environment>/<module>
    value  {"rollout_id", "state", "share", "stage", "sequence", "candidate": {"version", "digest"},
            "baseline": {"version", "digest" | null}, "decision": {...}, "controller": {...}}

A tombstone takes it back: every request gets the code as deployed.

| state       | a request gets                                                     | its calls are counted with an arm |
|-------------|--------------------------------------------------------------------|-----------------------------------|
| running     | the candidate where its arm hash is below `share`, else the baseline | yes                             |
| paused      | the same; only decisions wait                                      | yes                               |
| promoted    | the candidate                                                      | no                                |
| rolled_back | the baseline                                                       | no                                |
| halted      | the baseline                                                       | no                                |
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias, cast, get_args

from headrace_schemas import keys
from headrace_schemas.control_records import OrderError, encoded, key_of, name_in, read_record
from headrace_schemas.names import is_valid_name
from headrace_schemas.programs import is_digest

__all__ = ["BASELINE", "CANDIDATE", "KIND", "Arm", "ProgramVersion", "Rollout", "RolloutState", "read_rollout"]

KIND: Final = "rollout"
RolloutState: TypeAlias = Literal["running", "paused", "promoted", "rolled_back", "halted"]
Arm: TypeAlias = Literal["baseline", "candidate"]
BASELINE: Final = "baseline"
CANDIDATE: Final = "candidate"

_STATES: Final = frozenset(get_args(RolloutState))
_COMPARING: Final = frozenset({"running", "paused"})
_MOST: Final = 2**53 - 1


@dataclass(frozen=True, slots=True)
class ProgramVersion:
    """A program that a module may run.

    Attributes:
        version: the `module_version` of its calls.
        digest: of its artefact, see `programs`; None: the code as deployed, whose calls keep the version that the
            service instrumented it with.
    """

    version: str
    digest: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """What producers do about one module in one environment.

    Attributes:
        environment: telemetry.environment of the producers.
        module: the valid name of the module, as in statistics.
        rollout_id: names the rollout; enters the arm hash.
        state: see the table above.
        share: of requests that the candidate gets while the arms are compared, 0 to 1.
        candidate: its digest is never None.
        baseline: what it is compared with.
        stage: counts up with each change of the share, from 1; calls are counted under the stage they were routed in.
        sequence: counts up with each record of the rollout, from 1.
        decision: why it stands so, with its numbers; producers do not look at it.
        controller: what the rollout consumer keeps for itself; producers do not look at it.
        updated_at_ms: when it was written, Unix time in milliseconds.
        updated_by: by whom, for people.
    """

    environment: str
    module: str
    rollout_id: str
    state: RolloutState
    share: float
    candidate: ProgramVersion
    baseline: ProgramVersion
    stage: int = 1
    sequence: int = 1
    decision: Mapping[str, Any] = field(default_factory=dict)
    controller: Mapping[str, Any] = field(default_factory=dict)
    updated_at_ms: int = 0
    updated_by: str = ""

    @property
    def name(self) -> str:
        """The `name` on the topic."""
        return f"{self.environment}/{self.module}"

    @property
    def key(self) -> bytes:
        """The message key."""
        return key_of(KIND, self.name)

    @property
    def is_comparing(self) -> bool:
        """Whether calls have an arm."""
        return self.state in _COMPARING

    @property
    def candidate_share(self) -> float:
        """The share of requests that get the candidate in this state."""
        return self.share if self.is_comparing else float(self.state == "promoted")

    def arm_of(self, request_id: str) -> Arm:
        """Return which program a request gets.

        Sticky, independent of the sampling hash, and monotone: who has the candidate keeps it as the share grows.
        """
        hash64 = keys.arm_hash(self.rollout_id, request_id)
        return CANDIDATE if keys.is_below_rate(hash64, self.candidate_share) else BASELINE

    def encoded(self) -> bytes:
        """Return the message value."""
        said = {
            "rollout_id": self.rollout_id,
            "state": self.state,
            "share": self.share,
            "stage": self.stage,
            "sequence": self.sequence,
            "candidate": {"version": self.candidate.version, "digest": self.candidate.digest},
            "baseline": {"version": self.baseline.version, "digest": self.baseline.digest},
            "decision": dict(self.decision),
            "controller": dict(self.controller),
        }
        return encoded(KIND, self.name, said, self.updated_at_ms, self.updated_by)


def read_rollout(key: bytes | None, value: bytes | None) -> tuple[str, Rollout | None] | None:
    """Return a rollout in a message of the control topic: its name, and None in its place for a tombstone.

    Its date is not looked at: a clock that is wrong must not hide a rollback, and the topic tells what is newest.

    Args:
        key: the message's key.
        value: its value.

    Returns:
        None where the message is of another kind.

    Raises:
        OrderError: it cannot be used.
    """
    name = name_in(KIND, key)
    if name is None:
        return None
    environment, _, module = name.partition("/")
    if not (is_valid_name(environment) and is_valid_name(module)):
        raise OrderError("its name is no <environment>/<module>")
    record = read_record(KIND, key, value, None)
    if record is None or record.said is None:
        return name, None
    said = record.said
    state = said.get("state")
    if not isinstance(state, str) or state not in _STATES:
        raise OrderError(f"its state is none of {', '.join(sorted(_STATES))}")
    candidate = _version(said.get("candidate"), "candidate")
    if candidate.digest is None:
        raise OrderError("its candidate has no digest")
    return name, Rollout(
        environment=environment,
        module=module,
        rollout_id=_name(said.get("rollout_id"), "rollout_id"),
        state=cast("RolloutState", state),
        share=_share(said.get("share")),
        candidate=candidate,
        baseline=_version(said.get("baseline"), "baseline"),
        stage=_count(said.get("stage"), "stage"),
        sequence=_count(said.get("sequence"), "sequence"),
        decision=_object(said.get("decision"), "decision"),
        controller=_object(said.get("controller"), "controller"),
        updated_at_ms=record.updated_at_ms,
        updated_by=record.updated_by,
    )


def _version(value: Any, what: str) -> ProgramVersion:
    if not isinstance(value, dict):
        raise OrderError(f"its {what} is no object of version and digest")
    digest = value.get("digest")
    if digest is not None and not is_digest(digest):
        raise OrderError(f"the digest of its {what} is no 64 hex digits")
    return ProgramVersion(_name(value.get("version"), f"{what}'s version"), digest)


def _name(value: Any, what: str) -> str:
    if not isinstance(value, str) or not is_valid_name(value):
        raise OrderError(f"its {what} is no name of letters, digits, _ . -")
    return value


def _share(value: Any) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not 0 <= value <= 1:
        raise OrderError("its share is no number from 0 to 1")
    return float(value)


def _count(value: Any, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _MOST:
        raise OrderError(f"its {what} is no whole number from 1")
    return value


def _object(value: Any, what: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise OrderError(f"its {what} is no JSON object")
    return value
