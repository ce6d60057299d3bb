"""What lands a batch in its table, exactly once, whichever consumer read it.

    rows staged -> dead letters acknowledged -> files on disk -> one commit of rows and offsets -> Kafka offset

The commit decides. Before it nothing counts: dead letters may be repeated, files are nobody's. After it everything else
is derived from the table, and may be late or lost.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import structlog

from headrace_consumers.dataset.delta.facts import facts_of
from headrace_consumers.dataset.delta.files import DataFile, StagedFiles
from headrace_consumers.dataset.delta.moves import Move, app_id
from headrace_consumers.dataset.delta.table import InteractionTable
from headrace_consumers.dataset.judging.breaker import Breaker
from headrace_consumers.dataset.judging.placement import MISPLACED
from headrace_consumers.dataset.judging.suppression import Suppression
from headrace_consumers.dataset.kafka.message import Message
from headrace_consumers.dataset.kafka.source import Source
from headrace_consumers.dataset.records.decode import Unreadable
from headrace_consumers.dataset.steps import Hook, Step, no_hook
from headrace_consumers.dataset.tally import Tally
from headrace_consumers.deadletters import DeadLetterWriter
from headrace_schemas import DeadLetter, Header

__all__ = ["Landing", "commit_files"]

LOGGED_DEAD_LETTERS: Final = 5
"""Of each batch; a deployment that writes rubbish must not fill the log as well."""

_NO_INFO: Final[Mapping[str, str]] = {}

log = structlog.get_logger("headrace.dataset")


class Landing:
    """The steps that batches of one topic have in common on their way to one table, called in this order.

    Args:
        source: the topic.
        table: this member's handle on the table.
        dead_letters: where unreadable messages go.
        report_offsets: tells Kafka partition -> next offset; a progress report, whose failure changes nothing.
        breaker: refuses a batch when nearly everything lately is unreadable; None: nothing does.
        insist_on_topic: refuses to go on where partitions were added; asked when a key is misplaced.
        consumer_name: who gives up on a dead letter.
        hook: called around each step; tests kill the process there.
    """

    def __init__(
        self,
        *,
        source: Source,
        table: InteractionTable,
        dead_letters: DeadLetterWriter,
        report_offsets: Callable[[Mapping[int, int]], None],
        breaker: Breaker | None = None,
        insist_on_topic: Callable[[], None] = lambda: None,
        consumer_name: str = "",
        hook: Hook = no_hook,
    ) -> None:
        self._source = source
        self._table = table
        self._dead_letters = dead_letters
        self._report_offsets = report_offsets
        self._breaker = breaker
        self._insist_on_topic = insist_on_topic
        self._consumer_name = consumer_name
        self._hook = hook
        self._acknowledged: set[tuple[int, int]] = set()

    @contextlib.contextmanager
    def step(self, step: Step) -> Iterator[None]:
        """Call the hook around what is done inside."""
        self._hook(f"before:{step}")
        yield
        self._hook(f"after:{step}")

    def suppression(self) -> Suppression:
        """Return whom the table no longer takes, for judging the batch."""
        return self._table.suppression()

    def staging(self) -> StagedFiles:
        """Return where the batch's rows go, a context: the files are nobody's, and gone if they are not committed."""
        return StagedFiles(self._table.store, self._table.layout)

    def set_aside(self, unreadable: Sequence[tuple[Message, Unreadable]], tally: Tally) -> None:
        """Weigh the batch, and send its dead letters; of a batch that is tried again those that were not yet.

        Args:
            unreadable: the messages, and why.
            tally: the batch's counts.

        Raises:
            SourceError: partitions were added; nothing was written.
            CircuitOpenError: nearly everything is unreadable; nothing was written.
            DeadLetterError: they were not acknowledged.
        """
        if tally.dead_letters[MISPLACED]:
            self._insist_on_topic()
        if self._breaker is not None:
            self._breaker.check(tally)
        places = {(message.partition, message.offset) for message, _ in unreadable}
        further = [item for item in unreadable if (item[0].partition, item[0].offset) not in self._acknowledged]
        if further:
            self._log_unreadable(further, tally)
        with self.step(Step.DEAD_LETTERS):
            self._dead_letters.write([self._dead_letter(*item) for item in further])
        self._acknowledged = places

    def insist_on_start(self, targets: Mapping[int, int], starts: Mapping[int, int | None]) -> None:
        """Check that nobody has moved the batch's partitions on so far; see `commit`.

        Raises:
            Fenced: another consumer has.
            TableError: the table cannot be read.
        """
        self._table.insist_on_start(self._moves(targets, starts))

    def commit(
        self,
        staged: StagedFiles,
        tally: Tally,
        targets: Mapping[int, int],
        starts: Mapping[int, int | None],
        suppression: Suppression | None = None,
    ) -> int:
        """Commit rows and offsets; return the table's version.

        Args:
            staged: the rows.
            tally: the batch's counts.
            targets: partition -> the next offset after the batch.
            starts: partition -> the table's position that the batch was read from.
            suppression: by which the batch was judged.

        Raises:
            SuppressionChanged: by another one since; it is to be judged again.
            Fenced: another consumer has moved a partition on; the batch is to be dropped.
            TableError: nothing was committed; the same batch can be tried again.
        """
        moves = self._moves(targets, starts)
        with self.step(Step.FILES):
            files = staged.publish()
        with self.step(Step.COMMIT):
            version = commit_files(self._table, files, moves, facts_of(tally, moves), suppression)
        if self._breaker is not None:
            self._breaker.remember(tally)
        return version

    def report(self, targets: Mapping[int, int]) -> None:
        """Tell Kafka how far the table is."""
        with self.step(Step.OFFSETS):
            self._report_offsets(targets)

    def _moves(self, targets: Mapping[int, int], starts: Mapping[int, int | None]) -> list[Move]:
        return [
            Move(app_id(self._source.topic_id, partition), starts[partition], target)
            for partition, target in sorted(targets.items())
        ]

    def _log_unreadable(self, unreadable: Sequence[tuple[Message, Unreadable]], tally: Tally) -> None:
        for message, why in unreadable[:LOGGED_DEAD_LETTERS]:
            log.warning(
                "dead letter",
                topic=self._source.topic,
                partition=message.partition,
                offset=message.offset,
                reason=why.reason,
                detail=why.detail,
            )
        if len(unreadable) > LOGGED_DEAD_LETTERS:
            log.warning("dead letters", count=len(unreadable), reasons=dict(tally.dead_letters))

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


def commit_files(
    table: InteractionTable,
    files: Sequence[DataFile],
    moves: Sequence[Move],
    info: Mapping[str, str] = _NO_INFO,
    suppression: Suppression | None = None,
) -> int:
    """See `InteractionTable.commit`; files that were surely not committed are deleted."""
    try:
        return table.commit(files, moves, info, suppression=suppression)
    except Exception:
        for file in () if table.is_in_doubt else files:
            table.store.discard(file.path)
        raise
