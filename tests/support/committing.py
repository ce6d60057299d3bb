"""The real commit path in one process, over a real table and a real seen-set, without a broker."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from headrace.config import load
from headrace_consumers.dataset.commit import Committer
from headrace_consumers.dataset.delta.table import InteractionTable
from headrace_consumers.dataset.judging.breaker import Breaker
from headrace_consumers.dataset.judging.filter import Filter
from headrace_consumers.dataset.judging.select import FrameDecoder
from headrace_consumers.dataset.kafka.message import Message
from headrace_consumers.dataset.kafka.source import Source
from headrace_consumers.dataset.landing import Landing
from headrace_consumers.dataset.records.columnar import ColumnarDecoder
from headrace_consumers.dataset.seen.seen_file import Origin
from headrace_consumers.dataset.seen.seen_set import DuckDbSeenSet
from headrace_consumers.dataset.tally import Tally
from tests.support.interactions import MemoryDeadLetters

__all__ = ["SOURCE", "CommitPath"]

SOURCE = Source("interactions", "topic-id", 1)


class CommitPath:
    """Commits what it is given, in order, as partition 0.

    Args:
        folder: the table and the seen-set go here.
        decoder: the decoder under attack; by default the deployed one.
        breaker: none, unless a test is about it.
        filter_: by default that of the default configuration.
        partitions: of the topic.
        position: where the table stands.
        insist_on_topic: asked when a key is misplaced.
    """

    def __init__(
        self,
        folder: Path,
        *,
        decoder: FrameDecoder | None = None,
        breaker: Breaker | None = None,
        filter_: Filter | None = None,
        partitions: int = 1,
        position: int | None = None,
        insist_on_topic: Callable[[], None] = lambda: None,
    ) -> None:
        source = replace(SOURCE, partition_count=partitions)
        self.table = InteractionTable(folder / "table", sleep=lambda _: None)
        self._seen = DuckDbSeenSet(folder, Origin(self.table.id, source.topic_id, source.partition_count))
        self.dead_letters = MemoryDeadLetters()
        self._position = position
        self._committer = Committer(
            landing=Landing(
                source=source,
                table=self.table,
                dead_letters=self.dead_letters,
                report_offsets=lambda _: None,
                breaker=breaker,
                insist_on_topic=insist_on_topic,
                consumer_name="group headrace/0",
            ),
            source=source,
            seen=self._seen,
            decoder=decoder or ColumnarDecoder(),
            filter_=filter_ or Filter(load(None, {}, {}).filters),
        )

    def commit(self, messages: Sequence[Message]) -> Tally:
        """Commit one batch of partition 0."""
        tally = self._committer.commit(messages, {0: self._position})
        self._position = messages[-1].offset + 1
        return tally

    def rows(self) -> pl.DataFrame:
        """Return the whole table."""
        return pl.scan_delta(str(self.table.path)).collect()

    def close(self) -> None:
        """Release the files."""
        self._seen.close()
