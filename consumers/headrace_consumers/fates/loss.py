"""Where a signature's records are lost on the way to rows, and what to do about it; pure.

The document's troubleshooting: few examples (rate, time, thresholds), too many duplicates.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from headrace_consumers.dataset.judging.advice import REPEATED, what_to_do
from headrace_consumers.fates.calls import Calls
from headrace_consumers.fates.fate import Fate, Outcome

__all__ = ["Committed", "Loss", "Repeated", "Targets", "advice"]

ENOUGH: Final = 20
"""Shares of fewer records say little."""

MOST: Final = 0.5
MUCH: Final = 0.1


@dataclass(frozen=True, slots=True)
class Repeated:
    """An input that came several times.

    Attributes:
        key: its deduplication key.
        times: how often, among the records looked at or among all.
        input: its beginning, redacted as it was recorded.
    """

    key: str
    times: int
    input: str


@dataclass(slots=True)
class Committed:
    """What the table's commits tell of a signature; copies have none there.

    Attributes:
        commits: how many told anything.
        since_ms: when the oldest of them was, Unix time; None: there is none.
        kept: rows written.
        outcomes: records without payload.
        rejected: reason -> records.
    """

    commits: int = 0
    since_ms: int | None = None
    kept: int = 0
    outcomes: int = 0
    rejected: Counter[str] = field(default_factory=Counter)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "commits": self.commits,
            "since_ms": self.since_ms,
            "kept": self.kept,
            "outcomes": self.outcomes,
            "rejected": dict(self.rejected),
        }


@dataclass(slots=True)
class Loss:
    """What became of a signature's records.

    Attributes:
        signature: whose.
        rows: in the table now.
        calls: the producers' counters; None: they cannot be read.
        looked_at: messages of the topic that were looked at, of all signatures; None: it cannot be read.
        unreadable: reason -> of these, dead letters; of no known signature.
        outcomes: what became of the signature's own.
        rejected: reason -> of these, rejected ones.
        repeated: the inputs that came most often.
        repeated_in: "sightings" where that is of all that was read, "messages" where of those that were looked at.
        committed: what the table's log tells.
        notes: what could not be looked at, and why.
    """

    signature: str
    rows: int = 0
    calls: Calls | None = None
    looked_at: int | None = None
    unreadable: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    repeated: Sequence[Repeated] = ()
    repeated_in: str = "messages"
    committed: Committed = field(default_factory=Committed)
    notes: list[str] = field(default_factory=list)

    def add(self, fate: Fate) -> None:
        """Count one of the signature's records."""
        self.outcomes[fate.outcome] += 1
        if fate.outcome is Outcome.rejected:
            self.rejected[fate.reason or ""] += 1

    @property
    def read(self) -> int:
        """The signature's records that were looked at."""
        return self.outcomes.total()

    @property
    def is_unknown(self) -> bool:
        """Whether nothing was found of the signature anywhere."""
        committed = self.committed.kept + self.committed.outcomes + self.committed.rejected.total()
        calls = 0 if self.calls is None else self.calls.calls
        return not (self.rows or self.read or committed or calls)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        calls = self.calls
        return {
            "signature": self.signature,
            "rows": self.rows,
            "calls": None if calls is None else {name: getattr(calls, name) for name in calls.__slots__},
            "looked_at": self.looked_at,
            "unreadable": dict(self.unreadable),
            "read": self.read,
            "outcomes": {outcome.value: self.outcomes[outcome] for outcome in Outcome},
            "rejected": dict(self.rejected),
            "repeated": [{"key": each.key, "times": each.times, "input": each.input} for each in self.repeated],
            "repeated_in": self.repeated_in,
            "committed": self.committed.as_dict(),
            "notes": self.notes,
        }


@dataclass(frozen=True, slots=True)
class Targets:
    """What the configuration wants.

    Attributes:
        rows: optimization.telemetry_target.
        rate_pct: telemetry.sampling_rate_pct.
    """

    rows: int
    rate_pct: float


def advice(loss: Loss, targets: Targets) -> Iterator[str]:
    """Yield what to do, the largest loss first."""
    signature = loss.signature
    if not loss.read and loss.calls is not None and not loss.calls.calls:
        yield (
            "no call was counted: is telemetry.enabled true and the module instrumented, in a service that runs with "
            "this configuration? headrace doctor, run there, tells"
        )
    elif loss.looked_at is not None and not loss.read:
        yield f"none of the newest {loss.looked_at:,} records is of it: raise telemetry.sampling_rate_pct or --last"
    if loss.unreadable.total() > MUCH * (loss.looked_at or 0):
        yield "many records cannot be read: headrace deadletter ls tells why"
    losses: list[tuple[int, str]] = []
    if loss.read >= ENOUGH:
        losses += [(count, what_to_do(reason, signature)) for reason, count in loss.rejected.items()]
        copies = loss.outcomes[Outcome.copy]
        losses.append((copies, f"copies: {REPEATED.format(signature=signature)}" if copies > MOST * loss.read else ""))
    for count, line in sorted(losses, reverse=True):
        if line and count > MUCH * loss.read:
            yield line
    if loss.outcomes[Outcome.outcome] > MOST * loss.read:
        yield (
            "most are outcomes without payload, kept by telemetry.keep: they never become examples; "
            "raise telemetry.sampling_rate_pct"
        )
    if loss.outcomes[Outcome.waiting]:
        yield "some are not read yet: does headrace consume dataset run?"
    if loss.outcomes[Outcome.absent]:
        yield (
            "some pass the filter now and are no rows: thresholds were stricter when they were read, or they were "
            "erased or are older than the table keeps"
        )
    if loss.rows < targets.rows:
        yield (
            f"{loss.rows:,} rows, {targets.rows:,} are wanted (optimization.telemetry_target): wait longer, or raise "
            f"telemetry.sampling_rate_pct (now {targets.rate_pct:g})"
        )
