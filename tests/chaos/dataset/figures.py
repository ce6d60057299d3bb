"""The figures of the rounds that were right, in a line."""

from collections import Counter

from tests.chaos.dataset.outcome import Outcome
from tests.chaos.dataset.plan import Plan

__all__ = ["Figures"]


class Figures:
    """Adds up.

    Args:
        seed: of the run.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._sums: Counter[str] = Counter()
        self._kinds: Counter[str] = Counter()

    def add(self, plan: Plan, outcome: Outcome) -> None:
        """Add a round."""
        owed = outcome.owed
        self._sums.update(rounds=1, messages=owed.messages, rows=len(owed.rows), repeats=len(owed.copies))
        self._sums.update(letters=len(owed.letters), misplaced=owed.misplaced)
        self._sums.update(under_fire=outcome.rows_under_fire, fenced=outcome.fenced)
        self._sums.update(killed=outcome.killed, stopped=outcome.stopped, restarts=outcome.restarts)
        self._sums.update(merges=outcome.merges, struck=outcome.maintainers_struck, cut_short=outcome.cut_short)
        self._kinds.update(plan.kinds)
        self._kinds.update([plan.protocol, *(["static"] if plan.is_static else [])])

    def __str__(self) -> str:
        """Return the line."""
        sums = self._sums
        return (
            f"{sums['rounds']} rounds of the dataset consumer from seed {self._seed}: {sums['messages']} messages, "
            f"{sums['repeats']} of them repeats, {sums['letters']} dead letters ({sums['misplaced']} misplaced), "
            f"{sums['rows']} rows, 0 missing, 0 twice; {sums['under_fire']} of the rows under fire, "
            f"{sums['killed']} members killed, {sums['stopped']} stopped, {sums['restarts']} started again, "
            f"{sums['fenced']} batches fenced, {sums['merges']} merges of files, "
            f"{sums['struck']} maintainers struck, {sums['cut_short']} members left at the bound; "
            f"{', '.join(f'{kind} {count}' for kind, count in sorted(self._kinds.items()))}"
        )
