"""Which signatures have series of their own on the page of a table's consumer. Pure.

Names come from services, so their number is anybody's. The first keep their names, one for all metrics; what the rest
counts is added up under `other`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from headrace_consumers.dataset.tally import Tally
from headrace_consumers.monitoring.catalogue import dataset as names

__all__ = ["MAX_REASONS", "MAX_SIGNATURES", "Named"]

MAX_SIGNATURES: Final = 2_000
MAX_REASONS: Final = 32
"""Of rejections, for each signature."""
_OTHER: Final = "other"
_MAX_LENGTH: Final = 128


class Named:
    """Gives a tally's signatures their labels.

    Args:
        max_signatures: see `MAX_SIGNATURES`.
    """

    def __init__(self, max_signatures: int = MAX_SIGNATURES) -> None:
        self._max_signatures = max_signatures
        self._signatures: set[str] = set()
        self._reasons: dict[str, set[str]] = {}

    def bounded(self, tally: Tally) -> tuple[Tally, Counter[str]]:
        """Return a copy whose signatures and reasons are labels, and metric -> records counted under `other`.

        Args:
            tally: of all records so far: each time the same one, which only grows.
        """
        self._take(tally)
        copy, overflow = Tally(), Counter[str]()
        copy.add(tally)
        copy.rows, overflow[names.EXAMPLES.name] = self._by_signature(tally.rows)
        copy.outcomes_of, overflow[names.OUTCOMES.name] = self._by_signature(tally.outcomes_of)
        copy.rejections, overflow[names.REJECTED.name] = self._by_reason(tally.rejections)
        return copy, +overflow

    def _take(self, tally: Tally) -> None:
        for signature in _signatures_of(tally):
            if len(self._signatures) >= self._max_signatures:
                return
            self._signatures.add(signature[:_MAX_LENGTH])

    def _by_signature(self, counts: Mapping[str, int]) -> tuple[Counter[str], int]:
        found, overflow = Counter[str](), 0
        for signature, count in counts.items():
            label = self._label(signature)
            found[_OTHER if label is None else label] += count
            overflow += 0 if label is not None else count
        return found, overflow

    def _by_reason(self, counts: Mapping[tuple[str, str], int]) -> tuple[Counter[tuple[str, str]], int]:
        found, overflow = Counter[tuple[str, str]](), 0
        for (signature, full_reason), count in counts.items():
            label, reason = self._label(signature), full_reason[:_MAX_LENGTH]
            reasons = self._reasons.setdefault(_OTHER if label is None else label, set())
            is_named = reason in reasons or len(reasons) < MAX_REASONS
            if is_named:
                reasons.add(reason)
            found[_OTHER if label is None else label, reason if is_named else _OTHER] += count
            overflow += 0 if label is not None and is_named else count
        return found, overflow

    def _label(self, signature: str) -> str | None:
        label = signature[:_MAX_LENGTH]
        return label if label in self._signatures else None


def _signatures_of(tally: Tally) -> Iterator[str]:
    counted: tuple[Iterable[str], ...] = (tally.rows, tally.outcomes_of, (each for each, _ in tally.rejections))
    for signatures in counted:
        yield from signatures
