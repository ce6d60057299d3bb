"""One batch of interactions to the table, exactly once: the steps of the protocol, in their order.

    rows staged -> dead letters acknowledged -> copies to the sightings -> files on disk
      -> one commit of rows and offsets -> seen-set -> Kafka offset

Rows are staged before all of the batch is read (`begun.py`); `Landing` has what is common to all topics.
"""

import contextlib
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import structlog

from headrace_consumers.dataset.begun import Begun
from headrace_consumers.dataset.chunks import CHUNK_RECORDS, Taking
from headrace_consumers.dataset.errors import SuppressionChanged
from headrace_consumers.dataset.judging.advice import what_to_do
from headrace_consumers.dataset.judging.filter import Filter
from headrace_consumers.dataset.judging.placement import misplaced
from headrace_consumers.dataset.judging.rejection_watch import RejectionWatch
from headrace_consumers.dataset.judging.select import FrameDecoder, Selection, select
from headrace_consumers.dataset.kafka.message import Message
from headrace_consumers.dataset.kafka.messages import Messages
from headrace_consumers.dataset.kafka.source import Source
from headrace_consumers.dataset.landing import Landing
from headrace_consumers.dataset.seen.seen_set import SeenSet
from headrace_consumers.dataset.sightings_table import SightingsTable
from headrace_consumers.dataset.steps import Step
from headrace_consumers.dataset.tally import Tally
from headrace_schemas import HeadraceError

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
        chunk_records: of a batch, judged at once.
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
        chunk_records: int = CHUNK_RECORDS,
    ) -> None:
        self._source = source
        self._seen = seen
        self._decoder = decoder
        self._filter = filter_
        self._sightings = sightings
        self._watch = watch
        self._landing = landing
        self._chunk_records = chunk_records
        self._begun: Begun | None = None
        self._is_begun_in_vain = False

    def begin(self, messages: Messages) -> None:
        """Judge messages of the next batch, and stage their rows; what is wrong with them is told by `commit`."""
        if self._is_begun_in_vain:
            return
        try:
            if self._begun is None:
                self._begun = self._begin()
            self._begun.add(messages)
        except HeadraceError:  # the commit begins anew, and raises it if it is still so
            self.forget()
            self._is_begun_in_vain = True

    def forget(self) -> None:
        """Drop what was begun of the next batch; its messages are still to be committed, or read again."""
        begun, self._begun = self._begun, None
        if begun is not None:
            begun.close()
        self._is_begun_in_vain = False

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
        try:
            return self._commit(Messages.of(messages), starts)
        except SuppressionChanged:
            log.info("somebody was erased meanwhile: the batch is judged again")
            return self.commit(messages, starts)

    def _commit(self, messages: Messages, starts: Mapping[int, int | None]) -> Tally:
        landing = self._landing
        begun, rest = self._begun_of(messages)
        with contextlib.closing(begun):
            taken = begun.finish(rest)
            landing.set_aside(taken.unreadable, taken.tally)
            targets = messages.next_offsets
            with landing.step(Step.SIGHTINGS):
                if begun.sighted is not None and begun.sighted.count:
                    # The seen-set may hold keys of rows that another member has committed since the batch's start was
                    # read. By them this batch's own rows look like copies.
                    landing.insist_on_start(targets, starts)
                    begun.sighted.commit(targets)
            version = landing.commit(begun.staged, taken.tally, targets, starts, begun.suppression)
        self._warn_of_rejections(taken.tally)
        with landing.step(Step.SEEN_SET):
            for partition, target in targets.items():
                self._seen.add(partition, taken.fingerprints.get(partition, {}), target)
        landing.report(targets)
        taken.tally.commits = 1
        size = self._seen.size
        log.info(
            "committed",
            version=version,
            records=len(messages),
            rows=taken.tally.kept,
            next_offsets=targets,
            seen_keys=size.keys,
            seen_mb=size.memory_mb,
        )
        return taken.tally

    def _begun_of(self, messages: Messages) -> tuple[Begun, Messages]:
        """Return what is begun of a batch, judged as it would be now, and the rest of it."""
        begun, self._begun = self._begun, None
        self._is_begun_in_vain = False
        if begun is not None:
            rest = begun.rest_of(messages)
            if rest is not None and begun.suppression == self._landing.suppression():
                return begun, rest
            begun.close()
        return self._begin(), messages

    def _begin(self) -> Begun:
        suppression = self._landing.suppression()

        def judge(chunk: Messages, is_known: npt.NDArray[np.bool_]) -> Selection:
            is_new = self._seen.is_new(chunk.fingerprints, chunk.partitions) & ~is_known
            strays = misplaced(chunk, self._source.partition_count)
            return select(chunk, is_new, self._decoder, self._filter, suppression, strays=strays)

        staged = self._landing.staging()
        sighted = None if self._sightings is None else self._sightings.staging()
        taking = Taking(judge, staged.append, self._source, copies=sighted, chunk_records=self._chunk_records)
        return Begun(suppression, staged, sighted, taking)

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
