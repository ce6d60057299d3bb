"""An old log to a table of its own, without Kafka: the document's telemetry_aggregator in one command.

The lines go through the very code that the dataset consumer runs: decoding, filter, deduplication, commit. In the place
of a partition stands the table's own count of lines, in that of the dead letters the file of bad lines.
"""

import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

import pyarrow as pa

from headrace.config import Config
from headrace.key_material import keys_at_hand
from headrace_consumers.dataset.commit import Committer
from headrace_consumers.dataset.delta.error_line import one_line
from headrace_consumers.dataset.delta.moves import app_id
from headrace_consumers.dataset.delta.store import Store
from headrace_consumers.dataset.delta.table import InteractionTable
from headrace_consumers.dataset.errors import Fenced, TableError
from headrace_consumers.dataset.judging.filter import Filter
from headrace_consumers.dataset.kafka.message import Message
from headrace_consumers.dataset.kafka.source import Source
from headrace_consumers.dataset.landing import Landing
from headrace_consumers.dataset.records.columnar import ColumnarDecoder
from headrace_consumers.dataset.records.decode import FastavroDecoder
from headrace_consumers.dataset.seen.catch_up import catch_up
from headrace_consumers.dataset.seen.seen_file import Origin
from headrace_consumers.dataset.seen.seen_set import DuckDbSeenSet
from headrace_consumers.dataset.tally import Tally
from headrace_consumers.history.bad_lines import BadLines
from headrace_consumers.history.lines import LogLine
from headrace_schemas import DeadLetter, Interaction, interaction_codec

__all__ = ["Aggregation"]

_SOURCE: Final = Source("log", "log", 1)
"""What a row of such a table says of where it came from."""

_BATCH_RECORDS: Final = 20_000
_BATCH_BYTES: Final = 64_000_000


class Aggregation:
    """Commits the records of log lines to a table.

    Args:
        config: the filters, and the keys of encrypted records, as far as they are here.
        place: of the table, a local folder or a store; made if it is missing.
        bad_lines: takes the lines whose records are not to be trusted.
        now_ms: Unix time in milliseconds; the date under which the rows stand.

    Raises:
        TableError: there is no table and cannot become one.
    """

    def __init__(self, config: Config, place: Path | Store, bad_lines: BadLines, *, now_ms: Callable[[], int]) -> None:
        self._table = InteractionTable(place)
        self._decoder = ColumnarDecoder(FastavroDecoder(keys=keys_at_hand(config)))
        self._filter = Filter(config.filters)
        self._bad_lines = bad_lines
        self._now_ms = now_ms

    def run(
        self, records: Iterable[tuple[LogLine, Interaction]], on_progress: Callable[[Tally], None] = lambda _: None
    ) -> Tally:
        """Commit the records; return what became of them.

        Raises:
            TableError: the table cannot be read, a commit failed, or another aggregation writes to the table. What was
                committed stays, and reading the log again adds only what is missing.
        """
        total = Tally()
        with tempfile.TemporaryDirectory(prefix="headrace-") as folder, closing(self._seen(Path(folder))) as seen:
            letters = _SideFile(self._bad_lines)
            committer = Committer(
                landing=Landing(source=_SOURCE, table=self._table, dead_letters=letters, report_offsets=lambda _: None),
                source=_SOURCE,
                seen=seen,
                decoder=self._decoder,
                filter_=self._filter,
            )
            batch = _Batch(self._table.position(app_id(_SOURCE.topic_id, 0)), self._now_ms)
            for line, record in records:
                batch.add(line, record)
                if batch.is_full:
                    self._commit(committer, batch, letters, total)
                    on_progress(total)
            self._commit(committer, batch, letters, total)
            on_progress(total)
        return total

    def _seen(self, folder: Path) -> DuckDbSeenSet:
        seen = DuckDbSeenSet(folder, Origin(self._table.id, _SOURCE.topic_id, _SOURCE.partition_count))
        try:
            for _ in catch_up(self._table, seen, _SOURCE.topic_id, _SOURCE.partition_count, [0]):
                pass
        except (pa.ArrowException, OSError) as error:
            seen.close()
            raise TableError(
                f"{self._table.path}: cannot read the keys that it holds ({one_line(error)}); nothing was added"
            ) from error
        return seen

    def _commit(self, committer: Committer, batch: "_Batch", letters: "_SideFile", total: Tally) -> None:
        if not batch.messages:
            return
        letters.lines = batch.lines
        try:
            total.add(committer.commit(batch.messages, {0: batch.start}))
        except Fenced:
            raise TableError(
                f"{self._table.path}: another aggregation writes to this table; run them in turn"
            ) from None
        batch.begin_next()


class _Batch:
    """Lines as messages of one partition, numbered on from where the table stands."""

    def __init__(self, start: int | None, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._codec = interaction_codec()
        self._next = start or 0
        self.start = start
        self.messages: list[Message] = []
        self.lines: dict[int, LogLine] = {}
        self._size_bytes = 0

    @property
    def is_full(self) -> bool:
        return len(self.messages) >= _BATCH_RECORDS or self._size_bytes >= _BATCH_BYTES

    def add(self, line: LogLine, record: Interaction) -> None:
        message = Message(0, self._next, record["dedup_key"].encode(), self._codec.encode(record), self._now_ms())
        self.messages.append(message)
        self.lines[self._next] = line
        self._size_bytes += message.size_bytes
        self._next += 1

    def begin_next(self) -> None:
        self.start = self._next
        self.messages, self.lines, self._size_bytes = [], {}, 0


class _SideFile:
    """In the place of the dead-letter topic."""

    def __init__(self, bad_lines: BadLines) -> None:
        self._bad_lines = bad_lines
        self.lines: dict[int, LogLine] = {}

    def write(self, letters: Sequence[DeadLetter]) -> None:
        for letter in letters:
            self._bad_lines.add(self.lines[letter["offset"]], letter["reason"], letter["detail"])

    def close(self) -> None:
        pass
