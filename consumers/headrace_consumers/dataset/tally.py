"""Counts of what became of every record; only what is committed is counted."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Tally"]


@dataclass(slots=True)
class Tally:
    """consumed = kept + duplicates + outcomes + all rejected + all dead letters.

    Attributes:
        consumed: records taken from Kafka and committed.
        kept: rows written to the table.
        duplicates: copies of a key that the table or the batch already holds.
        outcomes: records without payload, kept by a rule for statistics only.
        rejections: (signature, reason) -> records that the filter rejected.
        dead_letters: reason -> records that could not be read.
        unknown: optional field -> records that passed although the field is missing.
        commits: commits to the table.
    """

    consumed: int = 0
    kept: int = 0
    duplicates: int = 0
    outcomes: int = 0
    rejections: Counter[tuple[str, str]] = field(default_factory=Counter)
    dead_letters: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    commits: int = 0

    def add(self, other: "Tally") -> None:
        """Add another tally to this one."""
        self.consumed += other.consumed
        self.kept += other.kept
        self.duplicates += other.duplicates
        self.outcomes += other.outcomes
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

    def as_dict(self) -> dict[str, Any]:
        """Return the counts as JSON values."""
        by_signature: dict[str, dict[str, int]] = {}
        for (signature, reason), count in sorted(self.rejections.items()):
            by_signature.setdefault(signature, {})[reason] = count
        return {
            "consumed": self.consumed,
            "kept": self.kept,
            "duplicates": self.duplicates,
            "outcomes": self.outcomes,
            "rejected": self.rejected,
            "rejected_by_signature": by_signature,
            "dead_letters": dict(self.dead_letters),
            "unknown": dict(self.unknown),
            "commits": self.commits,
        }


def _grouped(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    grouped: Counter[str] = Counter()
    for name, count in pairs:
        grouped[name] += count
    return dict(grouped)
