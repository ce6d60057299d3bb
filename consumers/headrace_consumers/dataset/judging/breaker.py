"""A circuit breaker: when nearly everything is unreadable, the deployment is wrong and not the records.

A consumer without the newest schema or the right key would drain a whole topic into the dead letters. So a batch is
weighed before its dead letters are written, and refused if too much of what was read lately cannot be read: nothing is
written, and the offsets stay where they were. Known copies are never decoded, so each counts as a tenth of a readable
record: a topic of nearly nothing else is no wrong deployment, however long it takes for the unreadable to add up.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from headrace.config.consumers import DeadLetterLimits
from headrace_consumers.dataset.delta.facts import Facts
from headrace_consumers.dataset.errors import CircuitOpenError
from headrace_consumers.dataset.tally import Tally

__all__ = ["Breaker", "Weighed"]

_COPY_WEIGHT: Final = 0.1


@dataclass(frozen=True, slots=True)
class Weighed:
    """One batch, as the breaker sees it.

    Attributes:
        readable: records that could be read, whatever the filter said of them.
        unreadable: dead letters by reason.
        copies: of known keys.
    """

    readable: int
    unreadable: Mapping[str, int]
    copies: int = 0

    @classmethod
    def of(cls, tally: Tally) -> "Weighed":
        """Return what a tally comes to; its duplicates stand beside a record that is counted, or were never decoded."""
        readable = tally.kept + tally.outcomes + tally.rejections.total()
        return cls(readable, dict(tally.dead_letters), tally.duplicates)

    @property
    def bad(self) -> int:
        """How many are dead letters."""
        return sum(self.unreadable.values())

    @property
    def weight(self) -> float:
        """How many records there are on both sides."""
        return self.readable + self.bad + _COPY_WEIGHT * self.copies


class Breaker:
    """Remembers the batches that were committed lately, and refuses one that makes too much of them unreadable.

    Args:
        limits: what is too much.
        topic: named in the error.
    """

    def __init__(self, limits: DeadLetterLimits, topic: str = "") -> None:
        self._limits = limits
        self._topic = topic
        self._window: list[Weighed] = []

    def check(self, tally: Tally) -> None:
        """Refuse a batch; nothing is remembered of it.

        Raises:
            CircuitOpenError: with this batch, a run or the window's share is over its limit.
        """
        batch = Weighed.of(tally)
        if not batch.bad:
            return
        limits = self._limits
        run = _trailing_run([*self._window, batch])
        if limits.max_run_records and sum(weighed.bad for weighed in run) >= limits.max_run_records:
            raise CircuitOpenError(self._line(run))
        lately = _newest([*self._window, batch], limits.window_records)
        judged = sum(weighed.weight for weighed in lately)
        bad = sum(weighed.bad for weighed in lately)
        if judged >= limits.window_records and bad / judged > limits.max_share:
            raise CircuitOpenError(self._line(lately))

    def remember(self, tally: Tally) -> None:
        """Take in a batch that was committed."""
        self._take_in(Weighed.of(tally))

    def recall(self, facts: Iterable[Facts]) -> None:
        """Take in what was committed before this process began, oldest first.

        Without it a supervisor that starts a wrong deployment again and again lets each start write dead letters up to
        the limit.
        """
        for batch in facts:
            unreadable = dict(batch.dead_letters)
            self._take_in(Weighed(batch.read - batch.copies - sum(unreadable.values()), unreadable, batch.copies))

    def _take_in(self, batch: Weighed) -> None:
        if not batch.weight:
            return
        # A run is no longer than the limit that ends it.
        enough = max(self._limits.window_records, self._limits.max_run_records)
        self._window = _newest([*self._window, batch], enough)

    def _line(self, batches: list[Weighed]) -> str:
        reasons: Counter[str] = Counter()
        for weighed in batches:
            reasons.update(weighed.unreadable)
        judged = sum(weighed.readable + weighed.bad for weighed in batches)
        named = ", ".join(f"{reason} {count:,}" for reason, count in reasons.most_common(3))
        return (
            f"{self._topic}: {reasons.total():,} of the last {judged:,} records cannot be read ({named}), so this "
            "deployment seems wrong; the batch is not committed and nothing is lost. Mend it (schemas.path, "
            "encryption.keys, the topic's writers) and start again; or, to make them dead letters all the same, set "
            "dataset.dead_letter_limits to max_share 1 and max_run_records 0"
        )


def _trailing_run(batches: list[Weighed]) -> list[Weighed]:
    """Return the last batches without a single readable record, nor more copies than stand for what is not."""
    run: list[Weighed] = []
    bad, copies = 0, 0
    for weighed in reversed(batches):
        bad, copies = bad + weighed.bad, copies + weighed.copies
        if weighed.readable or _COPY_WEIGHT * copies > bad:
            break
        run.append(weighed)
    return run


def _newest(batches: list[Weighed], enough: int) -> list[Weighed]:
    """Return the newest batches that together hold `enough` records, or all of them."""
    held = 0.0
    for number, weighed in enumerate(reversed(batches), 1):
        held += weighed.weight
        if held >= enough:
            return batches[-number:]
    return batches
