"""What a consumer of a table counts of its own work, as Prometheus scrapes it.

The loop notes, the threads of scrapes read: each figure is one reference, replaced at once.
"""

import time
from bisect import bisect_left
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from headrace_consumers.dataset.batches import BatchCommitter
from headrace_consumers.dataset.kafka.messages import Messages
from headrace_consumers.dataset.named import Named
from headrace_consumers.dataset.status import HealthLimits, Status, judge
from headrace_consumers.dataset.tally import Tally
from headrace_consumers.dataset.upkeep.table_health import TableHealth
from headrace_consumers.monitoring.about import add_build
from headrace_consumers.monitoring.catalogue import consumers
from headrace_consumers.monitoring.catalogue import dataset as names
from headrace_consumers.monitoring.disk import add_disk
from headrace_consumers.monitoring.page import Page

__all__ = ["Figures", "TimedCommitter"]

_MB = 1e6


class Figures:
    """The figures of one process.

    Args:
        consumer: its name, dataset or feedback.
        topic: what it reads.
        disks: a folder's name -> where it is, of those whose disk may fill up.
        now_ms: Unix time.

    Attributes:
        circuit_was_shown: whether a scrape has been told that the breaker has opened.
    """

    def __init__(
        self,
        consumer: str,
        topic: str,
        disks: Mapping[str, Path] = MappingProxyType({}),
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._consumer = consumer
        self._topic = topic
        self._disks = disks
        self._now_ms = now_ms
        self._committed_at_ms: int | None = None
        self._circuit_is_open = False
        self.circuit_was_shown = False
        self._named = Named()
        self._counted: tuple[Tally, Mapping[str, int]] = (Tally(), {})
        self._seen: Mapping[str, Any] = {}
        self._tables: Mapping[str, TableHealth] = {}
        self._fences = 0
        self._rebalances = 0
        self._durations = (*[0.0] * (len(names.COMMIT_DURATION.bounds) + 1), 0.0)

    def note_tally(self, tally: Tally) -> None:
        """Take in what became of all records so far; a copy is kept, where it has changed."""
        known, _ = self._counted
        if (tally.commits, tally.consumed) != (known.commits, known.consumed):
            self._counted = self._named.bounded(tally)

    def note_seen(self, facts: Mapping[str, Any]) -> None:
        """Take in how large the seen-set is: `keys` and `mb`; empty where there is none."""
        self._seen = facts

    def note_tables(self, tables: Mapping[str, TableHealth]) -> None:
        """Take in how each table stands that this process maintains, by name."""
        self._tables = tables

    def note_fence(self) -> None:
        """Take in that it has begun again from the table, since another was faster."""
        self._fences += 1

    def note_rebalance(self) -> None:
        """Take in that the group has given partitions, or taken some."""
        self._rebalances += 1

    def note_commit(self, duration_s: float) -> None:
        """Take in how long a commit took."""
        counts = list(self._durations)
        counts[bisect_left(names.COMMIT_DURATION.bounds, duration_s)] += 1
        counts[-1] += duration_s
        self._durations = tuple(counts)
        self._committed_at_ms = self._now_ms()

    def note_circuit_open(self) -> None:
        """Take in that the breaker has opened: the process ends once that was told."""
        self._circuit_is_open = True

    def page(self, status: Status, limits: HealthLimits, *, now: float, now_ms: int, is_scrape: bool = True) -> Page:
        """Return the page.

        Args:
            status: how the loop stands.
            limits: what is too much.
            now: seconds, monotonic.
            now_ms: Unix time.
            is_scrape: false where a person looks, so nothing counts as told.
        """
        page = Page()
        add_build(page, self._consumer)
        verdict = judge(status, now, limits)
        page.add(consumers.HEALTHY, verdict.is_healthy, self._consumer)
        page.add(consumers.READY, verdict.is_ready, self._consumer)
        page.add(consumers.KAFKA_SILENT, status.kafka_silent_s, self._consumer)
        if self._committed_at_ms is not None:
            page.add(consumers.LAST_COMMIT, self._committed_at_ms / 1000, self._consumer)
        page.add(consumers.CIRCUIT_OPEN, self._circuit_is_open, self._consumer, self._topic)
        page.add(consumers.REBALANCES, self._rebalances, self._consumer)
        self.circuit_was_shown |= self._circuit_is_open and is_scrape
        for name, folder in self._disks.items():
            add_disk(page, name, folder)
        self._add_counts(page, *self._counted)
        page.add_histogram(names.COMMIT_DURATION, self._durations)
        page.add(names.COMMIT_FAILING, 0.0 if status.failing_since is None else now - status.failing_since)
        page.add(names.FENCES, self._fences)
        for name, table in sorted(self._tables.items()):
            page.add(names.TABLE_FILES, table.active_files, name)
            page.add(names.UNMERGEABLE_FILES, table.unmergeable_files, name)
            page.add(names.FILES_MERGED, table.files_merged, name)
            failing_s = 0.0 if table.failing_since is None else now - table.failing_since
            page.add(names.MAINTENANCE_FAILING, failing_s, name)
        if self._seen:
            page.add(names.SEEN_SET_KEYS, self._seen["keys"])
            page.add(names.SEEN_SET_BYTES, self._seen["mb"] * _MB)
        for partition, each in () if status.is_cut_off else sorted(status.partitions.items()):
            if each.lag is not None:
                page.add(consumers.LAG_RECORDS, each.lag, self._topic, str(partition))
            if (lag_s := each.lag_s(now_ms)) is not None:
                page.add(consumers.LAG_SECONDS, lag_s, self._topic, str(partition))
        return page

    def _add_counts(self, page: Page, tally: Tally, overflow: Mapping[str, int]) -> None:
        page.add(consumers.RECORDS, tally.consumed, self._topic)
        page.add(names.COMMITS, tally.commits)
        page.add(names.DUPLICATES, tally.duplicates)
        for signature, count in sorted(tally.rows.items()):
            page.add(names.EXAMPLES, count, signature)
        if unnamed := tally.kept - tally.rows.total():
            page.add(names.EXAMPLES, unnamed, "")
        for signature, count in sorted(tally.outcomes_of.items()):
            page.add(names.OUTCOMES, count, signature)
        for (signature, reason), count in sorted(tally.rejections.items()):
            page.add(names.REJECTED, count, signature, reason)
        for field, count in sorted(tally.unknown.items()):
            page.add(names.UNKNOWN, count, field)
        for reason, count in sorted(tally.dead_letters.items()):
            page.add(consumers.DEAD_LETTERS, count, self._topic, reason)
        for metric, count in sorted(overflow.items()):
            page.add(consumers.OVERFLOW, count, metric)


class TimedCommitter:
    """A committer whose commits are timed; those that failed are not.

    Args:
        committer: does the work.
        clock: seconds, monotonic.
        note: told how long each took.
    """

    def __init__(self, committer: BatchCommitter, clock: Callable[[], float], note: Callable[[float], object]) -> None:
        self._committer = committer
        self._clock = clock
        self._note = note

    def begin(self, messages: Messages) -> None:
        """See `BatchCommitter.begin`."""
        self._committer.begin(messages)

    def forget(self) -> None:
        """See `BatchCommitter.forget`."""
        self._committer.forget()

    def commit(self, messages: Messages, starts: Mapping[int, int | None]) -> Tally:
        """See `BatchCommitter.commit`."""
        began = self._clock()
        tally = self._committer.commit(messages, starts)
        self._note(self._clock() - began)
        return tally
