"""One batch of interactions to the table, exactly once: the steps of the protocol, in their order.

    dead letters acknowledged -> copies to the sightings -> files on disk -> one commit of rows and offsets -> seen-set
      -> Kafka offset

`Landing` has what is common to all topics.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
import pyarrow as pa
import structlog

from headrace_consumers.dataset.delta.place import PARTITION_COLUMN
from headrace_consumers.dataset.delta.rows import to_rows
from headrace_consumers.dataset.errors import SuppressionChanged
from headrace_consumers.dataset.judging.advice import what_to_do
from headrace_consumers.dataset.judging.filter import Filter
from headrace_consumers.dataset.judging.placement import misplaced
from headrace_consumers.dataset.judging.rejection_watch import RejectionWatch
from headrace_consumers.dataset.judging.select import FrameDecoder, Selection, counted, select
from headrace_consumers.dataset.kafka.message import Message
from headrace_consumers.dataset.kafka.messages import Messages
from headrace_consumers.dataset.kafka.source import Source
from headrace_consumers.dataset.landing import Landing
from headrace_consumers.dataset.records.decode import Unreadable
from headrace_consumers.dataset.seen.fingerprints import Fingerprints, fingerprints_of_digits, to_digits
from headrace_consumers.dataset.seen.seen_set import SeenSet
from headrace_consumers.dataset.sightings_table import SightingsTable
from headrace_consumers.dataset.steps import Step
from headrace_consumers.dataset.tally import Tally

__all__ = ["Committer"]

log = structlog.get_logger("headrace.dataset")


class Committer:
    """Commits batches of one topic to one table.

    Args:
        landing: lands them in the table.
        source: the topic.
        seen: the keys in the table.
        decoder: turns messages into records.
        filter_: decides which records become rows.
        sightings: takes the copies; None: they are only counted.
        watch: notices when one reason rejects most of a signature's records; None: nothing does.
    """

    def __init__(
        self,
        *,
        landing: Landing,
        source: Source,
        seen: SeenSet,
        decoder: FrameDecoder,
        filter_: Filter,
        sightings: SightingsTable | None = None,
        watch: RejectionWatch | None = None,
    ) -> None:
        self._source = source
        self._seen = seen
        self._decoder = decoder
        self._filter = filter_
        self._sightings = sightings
        self._watch = watch
        self._landing = landing

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
        messages, landing = Messages.of(messages), self._landing
        suppression = landing.suppression()
        is_new = self._seen.is_new(messages.keys, messages.partitions)
        strays = misplaced(messages, self._source.partition_count)
        selection = select(messages, is_new, self._decoder, self._filter, suppression, strays=strays)
        rows, culprits = to_rows(selection.kept, self._source.topic, self._source.topic_id)
        if culprits:
            _to_dead_letters(selection, culprits, messages)
        landing.set_aside(selection.unreadable, selection.tally)
        targets = messages.next_offsets
        with landing.step(Step.SIGHTINGS):
            if self._sightings is not None:
                self._sightings.add(messages.chosen(selection.duplicates), targets)
        try:
            version = landing.commit(rows, selection.tally, targets, starts, suppression)
        except SuppressionChanged:
            log.info("somebody was erased meanwhile: the batch is judged again")
            return self.commit(messages, starts)
        self._warn_of_rejections(selection.tally)
        with landing.step(Step.SEEN_SET):
            added = _fingerprints(rows)
            for partition, target in targets.items():
                self._seen.add(partition, added.get(partition, {}), target)
        landing.report(targets)
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
