"""One batch to the table, exactly once: the steps of DESIGN's protocol, in their order.

    dead letters acknowledged -> files on disk -> one commit of rows and offsets -> seen-set -> Kafka offset

The commit decides. Before it nothing counts: dead letters may be repeated, files are nobody's. After it everything else
is derived from the table, and may be late or lost.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa
import structlog

from headrace_consumers.dataset.advice import what_to_do
from headrace_consumers.dataset.breaker import Breaker
from headrace_consumers.dataset.decode import Unreadable
from headrace_consumers.dataset.errors import TableError
from headrace_consumers.dataset.facts import facts_of
from headrace_consumers.dataset.files import DataFile, write_files
from headrace_consumers.dataset.filter import Filter
from headrace_consumers.dataset.fingerprints import Fingerprints, fingerprints_of_digits, to_digits
from headrace_consumers.dataset.message import Message
from headrace_consumers.dataset.messages import Messages
from headrace_consumers.dataset.place import PARTITION_COLUMN
from headrace_consumers.dataset.rejection_watch import RejectionWatch
from headrace_consumers.dataset.rows import to_rows
from headrace_consumers.dataset.seen_set import SeenSet
from headrace_consumers.dataset.select import FrameDecoder, Selection, counted, select
from headrace_consumers.dataset.source import Source
from headrace_consumers.dataset.steps import Hook, Step, no_hook
from headrace_consumers.dataset.store import Store
from headrace_consumers.dataset.table import InteractionTable, Move, app_id
from headrace_consumers.dataset.tally import Tally
from headrace_consumers.deadletters import DeadLetterWriter
from headrace_schemas import DeadLetter, Header

__all__ = ["Committer"]

LOGGED_DEAD_LETTERS: Final = 5
"""Of each batch; a deployment that writes rubbish must not fill the log as well."""

log = structlog.get_logger("headrace.dataset")


class Committer:
    """Commits batches of one topic to one table.

    Args:
        source: the topic.
        table: this member's handle on the table.
        seen: the keys in the table.
        decoder: turns messages into records.
        filter_: decides which records become rows.
        dead_letters: where unreadable messages go.
        report_offsets: tells Kafka partition -> next offset; a progress report, whose failure changes nothing.
        breaker: refuses a batch when nearly everything lately is unreadable; None: nothing does.
        watch: notices when one reason rejects most of a signature's records; None: nothing does.
        consumer_name: who gives up on a dead letter.
        hook: called around each step; tests kill the process there.
    """

    def __init__(
        self,
        *,
        source: Source,
        table: InteractionTable,
        seen: SeenSet,
        decoder: FrameDecoder,
        filter_: Filter,
        dead_letters: DeadLetterWriter,
        report_offsets: Callable[[Mapping[int, int]], None],
        breaker: Breaker | None = None,
        watch: RejectionWatch | None = None,
        consumer_name: str = "",
        hook: Hook = no_hook,
    ) -> None:
        self._source = source
        self._table = table
        self._seen = seen
        self._decoder = decoder
        self._filter = filter_
        self._dead_letters = dead_letters
        self._report_offsets = report_offsets
        self._breaker = breaker
        self._watch = watch
        self._consumer_name = consumer_name
        self._hook = hook

    def commit(self, messages: Sequence[Message], starts: Mapping[int, int | None]) -> Tally:
        """Commit a batch and return what became of it.

        Args:
            messages: each partition's messages in offset order, none below its position in the table.
            starts: for each partition in the batch, the table's position that it was read from.

        Raises:
            Fenced: another consumer has moved a partition on; the batch is to be dropped.
            TableError, DeadLetterError: nothing was committed; the same batch can be tried again.
            CircuitOpenError: nearly everything is unreadable; nothing was written.
        """
        messages = Messages.of(messages)
        selection = select(messages, self._seen.is_new(messages.keys, messages.partitions), self._decoder, self._filter)
        rows, culprits = to_rows(selection.kept, self._source.topic, self._source.topic_id)
        if culprits:
            _to_dead_letters(selection, culprits, messages)
        if self._breaker is not None:
            self._breaker.check(selection.tally)
        self._log_unreadable(selection)
        with self._step(Step.DEAD_LETTERS):
            self._dead_letters.write([self._dead_letter(*item) for item in selection.unreadable])
        targets = messages.next_offsets
        moves = self._moves(targets, starts)
        with self._step(Step.FILES):
            files = _write(self._table, rows)
        with self._step(Step.COMMIT):
            try:
                version = self._table.commit(files, moves, facts_of(selection.tally, moves))
            except Exception:
                _remove(self._table.store, files)  # nobody's files
                raise
        if self._breaker is not None:
            self._breaker.remember(selection.tally)
        self._warn_of_rejections(selection.tally)
        with self._step(Step.SEEN_SET):
            added = _fingerprints(rows)
            for partition, target in targets.items():
                self._seen.add(partition, added.get(partition, {}), target)
        with self._step(Step.OFFSETS):
            self._report_offsets(targets)
        selection.tally.commits = 1
        size = self._seen.size
        log.info(
            "committed",
            version=version,
            records=len(messages),
            rows=rows.num_rows,
            next_offsets=targets,
            seen_keys=size.keys,
            seen_mb=size.memory_mb,
        )
        return selection.tally

    @contextlib.contextmanager
    def _step(self, step: Step) -> Iterator[None]:
        self._hook(f"before:{step}")
        yield
        self._hook(f"after:{step}")

    def _moves(self, targets: Mapping[int, int], starts: Mapping[int, int | None]) -> list[Move]:
        return [
            Move(app_id(self._source.topic_id, partition), starts[partition], target)
            for partition, target in sorted(targets.items())
        ]

    def _log_unreadable(self, selection: Selection) -> None:
        for message, unreadable in selection.unreadable[:LOGGED_DEAD_LETTERS]:
            log.warning(
                "dead letter",
                topic=self._source.topic,
                partition=message.partition,
                offset=message.offset,
                reason=unreadable.reason,
                detail=unreadable.detail,
            )
        if len(selection.unreadable) > LOGGED_DEAD_LETTERS:
            log.warning("dead letters", count=len(selection.unreadable), reasons=dict(selection.tally.dead_letters))

    def _warn_of_rejections(self, tally: Tally) -> None:
        for alarm in self._watch.note(tally) if self._watch is not None else ():
            log.warning(
                "most records are rejected for one reason",
                signature=alarm.signature,
                reason=alarm.reason,
                rejected=alarm.rejected,
                read=alarm.read,
                to_do=what_to_do(alarm.reason, alarm.signature),
            )

    def _dead_letter(self, message: Message, unreadable: Unreadable) -> DeadLetter:
        return DeadLetter(
            topic=self._source.topic,
            topic_id=self._source.topic_id,
            partition=message.partition,
            offset=message.offset,
            append_time_ms=message.append_time_ms,
            reason=unreadable.reason,
            detail=unreadable.detail,
            key=message.key,
            value=message.value,
            headers=[Header(name=name, value=value) for name, value in message.headers],
            consumer=self._consumer_name,
        )


def _fingerprints(rows: pa.Table) -> dict[int, dict[int, Fingerprints]]:
    """Return the rows' fingerprints by partition and by ingest date, days since 1970."""
    fingerprints = fingerprints_of_digits(to_digits(rows["dedup_key"].combine_chunks()))
    partitions, days = rows["partition"].to_numpy(), rows[PARTITION_COLUMN].cast(pa.int32()).to_numpy()
    grouped: dict[int, dict[int, Fingerprints]] = {}
    for partition in np.unique(partitions).tolist():
        of_partition = partitions == partition
        for day in np.unique(days[of_partition]).tolist():
            grouped.setdefault(partition, {})[day] = fingerprints[of_partition & (days == day)]
    return grouped


def _to_dead_letters(selection: Selection, culprits: Sequence[tuple[int, int]], messages: Sequence[Message]) -> None:
    """Move records from which no row can be built from the rows to the dead letters."""
    gone = set(culprits)
    why = Unreadable("unwritable", "no row can be built from it")
    selection.unreadable.extend((message, why) for message in messages if (message.partition, message.offset) in gone)
    places = pl.DataFrame(culprits, schema={"partition": pl.Int32, "offset": pl.Int64}, orient="row")
    selection.kept = selection.kept.join(places, on=["partition", "offset"], how="anti", maintain_order="left")
    selection.tally.kept -= len(culprits)
    selection.tally.rows = counted(selection.kept["signature"])
    selection.tally.dead_letters[why.reason] += len(culprits)


def _write(table: InteractionTable, rows: pa.Table) -> list[DataFile]:
    try:
        return write_files(table.store, rows, table.layout)
    except OSError as error:
        raise TableError(
            f"{table.path}: cannot write ({error.strerror or error}); nothing is lost: mend it and start again"
        ) from error


def _remove(store: Store, files: Sequence[DataFile]) -> None:
    for file in files:
        store.discard(file.path)
