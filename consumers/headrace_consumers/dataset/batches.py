"""What is read and not in the table yet: committed when it is due, kept and tried again where that fails."""

from collections.abc import Callable, Mapping
from typing import Protocol

import structlog

from headrace_consumers.dataset.chunks import CHUNK_BYTES, chunk_records_of
from headrace_consumers.dataset.errors import NoAnswerError, TableError
from headrace_consumers.dataset.kafka.messages import Messages
from headrace_consumers.dataset.kafka.partitions import OwnedPartitions
from headrace_consumers.dataset.retrying import Retrying
from headrace_consumers.dataset.tally import Tally
from headrace_consumers.deadletters import DeadLetterError

__all__ = ["BatchCommitter", "BatchLimits", "Batches"]

log = structlog.get_logger("headrace.dataset")


class BatchCommitter(Protocol):
    """Commits a batch of messages."""

    def commit(self, messages: Messages, starts: Mapping[int, int | None]) -> Tally:
        """See `Committer.commit`."""
        ...

    def begin(self, messages: Messages) -> None:
        """Do what can be done with messages of the next batch before it is due; never raises for what is in them."""
        ...

    def forget(self) -> None:
        """Drop what was begun of the next batch."""
        ...


class BatchLimits:
    """When a batch is due.

    Args:
        max_records: commit at this many records ...
        max_bytes: ... or bytes ...
        interval_s: ... or this long after the first of them.
        give_up_after_s: end when commits have failed for so long.
    """

    def __init__(self, *, max_records: int, max_bytes: int, interval_s: float, give_up_after_s: float) -> None:
        self.max_records = max_records
        self.max_bytes = max_bytes
        self.interval_s = interval_s
        self.give_up_after_s = give_up_after_s


class Batches:
    """One batch after the other, of whatever is buffered of the owned partitions.

    Args:
        owned: the partitions.
        committer: commits a batch.
        limits: when one is due.
        interval_s: asked how long after its first record it is, seconds.
        on_failure: told why a commit failed that will be tried again, or not any more.
        tally: what was committed is added to it.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        *,
        owned: OwnedPartitions,
        committer: BatchCommitter,
        limits: BatchLimits,
        interval_s: Callable[[], float],
        on_failure: Callable[[str], None],
        tally: Tally,
        clock: Callable[[], float],
    ) -> None:
        self._owned = owned
        self._committer = committer
        self._limits = limits
        self._interval_s = interval_s
        self._on_failure = on_failure
        self._clock = clock
        self._retrying = Retrying(limits.give_up_after_s)
        self._began_at: float | None = None
        self.tally = tally

    @property
    def failing_since(self) -> float | None:
        """Since when commits have failed, by the clock; None: the last one did not."""
        return self._retrying.since

    @property
    def is_full(self) -> bool:
        """Whether there is no room for more."""
        return (
            self._owned.buffered_records >= self._limits.max_records
            or self._owned.buffered_bytes >= self._limits.max_bytes
        )

    @property
    def is_due(self) -> bool:
        """Whether to commit now."""
        if self._retrying.since is not None:
            return self._retrying.is_due(self._clock())
        if self._began_at is None:
            return False
        return self.is_full or self._clock() - self._began_at >= self._interval_s()

    def take(self, messages: Messages) -> bool:
        """Buffer messages; return whether any was new."""
        if not self._owned.add(messages):
            return False
        if self._began_at is None:
            self._began_at = self._clock()
        if self._retrying.since is None:
            limits = self._limits
            while chunk := self._owned.chunk(chunk_records_of(limits.max_records), min(CHUNK_BYTES, limits.max_bytes)):
                self._committer.begin(chunk)
        return True

    def commit(self, *, is_last: bool = False) -> bool:
        """Commit what is buffered; return whether anything was.

        Args:
            is_last: there is no time to try it again.

        Raises:
            TableError, DeadLetterError, NoAnswerError: it is not committed, and not tried again.
            HeadraceError: see `Committer.commit`.
        """
        batch = self._owned.batch()
        if not batch.messages:
            self._began_at = None
            return False
        try:
            self.tally.add(self._committer.commit(batch.messages, batch.starts))
        except (TableError, DeadLetterError, NoAnswerError) as error:
            self._on_failure(str(error))
            pause_s = None if is_last else self._retrying.failed(self._clock())
            if pause_s is None:
                raise
            log.warning(
                "commit failed: the batch is kept and tried again",
                reason=str(error),
                in_s=pause_s,
                records=len(batch.messages),
                offsets=batch.starts,
            )
            return False
        self._began_at = None  # not before: what fails at a revoke, others' records too, is due still
        self._retrying.succeeded()
        self._owned.committed(batch)
        return True

    def forget(self) -> None:
        """Drop what was begun of the next batch: a file, and a thread."""
        self._committer.forget()
        self._owned.begin_anew()

    def dropped(self) -> None:
        """Take in that partitions were taken away: with them may have gone what could not be committed."""
        self.forget()
        if not self._owned.buffered_records:
            self._retrying.succeeded()
