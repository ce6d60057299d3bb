"""Counts of what became of every record; only what is committed is counted."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

__all__ = ["SignatureTally", "Tally"]


@dataclass(frozen=True, slots=True)
class SignatureTally:
    """What became of one signature's records.

    Attributes:
        kept: rows written to the table.
        outcomes: records without payload.
        rejected: reason -> records that the filter rejected.
    """

    kept: int
    outcomes: int
    rejected: Counter[str]

    @property
    def read(self) -> int:
        """All of them."""
        return self.kept + self.outcomes + self.rejected.total()

    def as_dict(self) -> dict[str, Any]:
        """Return the counts as JSON values."""
        return {"kept": self.kept, "outcomes": self.outcomes, "rejected": dict(self.rejected)}


@dataclass(slots=True)
class Tally:
    """consumed = kept + duplicates + outcomes + all rejected + all dead letters.

    Attributes:
        consumed: records taken from Kafka and committed.
        kept: rows written to the table.
        rows: signature -> of these, its rows.
        duplicates: copies of a key that the table or the batch already holds; not decoded, so of no known signature.
        outcomes: records without payload, kept by a rule for statistics only.
        outcomes_of: signature -> of these, its outcomes.
        rejections: (signature, reason) -> records that the filter rejected.
        dead_letters: reason -> records that could not be read.
        unknown: optional field -> records that passed although the field is missing.
        commits: commits to the table.
    """

    consumed: int = 0
    kept: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    outcomes: int = 0
    outcomes_of: Counter[str] = field(default_factory=Counter)
    rejections: Counter[tuple[str, str]] = field(default_factory=Counter)
    dead_letters: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    commits: int = 0

    def add(self, other: "Tally") -> None:
        """Add another tally to this one."""
        self.consumed += other.consumed
        self.kept += other.kept
        self.rows.update(other.rows)
        self.duplicates += other.duplicates
        self.outcomes += other.outcomes
        self.outcomes_of.update(other.outcomes_of)
        self.rejections.update(other.rejections)
        self.dead_letters.update(other.dead_letters)
        self.unknown.update(other.unknown)
        self.commits += other.commits

    @property
    def rejected(self) -> dict[str, int]:
        """Reason -> records rejected, over all signatures."""
        return _grouped((reason, count) for (_, reason), count in self.rejections.items())

    @property
    def balances(self) -> bool:
        """Tell whether every consumed record is accounted for."""
        accounted = self.kept + self.duplicates + self.outcomes
        return self.consumed == accounted + self.rejections.total() + self.dead_letters.total()

    def by_signature(self) -> dict[str, "SignatureTally"]:
        """Return what became of each signature's records, by name; copies and what is unreadable have no signature."""
        found: dict[str, SignatureTally] = {}
        for signature in sorted({*self.rows, *self.outcomes_of, *(signature for signature, _ in self.rejections)}):
            found[signature] = SignatureTally(self.rows[signature], self.outcomes_of[signature], Counter())
        for (signature, reason), count in self.rejections.items():
            found[signature].rejected[reason] = count
        return found

    def as_dict(self) -> dict[str, Any]:
        """Return the counts as JSON values."""
        return {
            "consumed": self.consumed,
            "kept": self.kept,
            "duplicates": self.duplicates,
            "outcomes": self.outcomes,
            "rejected": self.rejected,
            "by_signature": {name: tally.as_dict() for name, tally in self.by_signature().items()},
            "dead_letters": dict(self.dead_letters),
            "unknown": dict(self.unknown),
            "commits": self.commits,
        }


def _grouped(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    grouped: Counter[str] = Counter()
    for name, count in pairs:
        grouped[name] += count
    return dict(grouped)
