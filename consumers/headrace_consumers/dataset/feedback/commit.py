"""One batch of feedback to its table, exactly once.

decode -> that of erased people left out -> dead letters acknowledged -> files on disk -> one commit of rows and offsets
  -> Kafka offset
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import structlog

from headrace_consumers.dataset.errors import SuppressionChanged
from headrace_consumers.dataset.feedback.decode import FeedbackDecoder
from headrace_consumers.dataset.feedback.rows import feedback_rows, is_datable
from headrace_consumers.dataset.kafka.message import Message
from headrace_consumers.dataset.kafka.messages import Messages
from headrace_consumers.dataset.kafka.source import Source
from headrace_consumers.dataset.landing import Landing
from headrace_consumers.dataset.records.decode import UNWRITABLE, Unreadable
from headrace_consumers.dataset.tally import Tally

if TYPE_CHECKING:
    from headrace_schemas import Feedback

__all__ = ["FeedbackCommitter"]

_NO_SIGNATURE = ""

log = structlog.get_logger("headrace.dataset")


class FeedbackCommitter:
    """Commits batches of the feedback topic.

    Args:
        landing: lands them in the feedback table.
        source: the topic.
        decoder: turns messages into feedback.
    """

    def __init__(self, landing: Landing, source: Source, decoder: FeedbackDecoder) -> None:
        self._landing = landing
        self._source = source
        self._decoder = decoder

    def begin(self, messages: Messages) -> None:
        """Do nothing: there is less of it than of interactions."""

    def forget(self) -> None:
        """Do nothing: nothing is begun."""

    def commit(self, messages: Sequence[Message], starts: Mapping[int, int | None]) -> Tally:
        """Commit a batch and return what became of it; arguments and errors are those of `Committer.commit`."""
        messages = Messages.of(messages)
        suppression = self._landing.suppression()
        suppressed = 0
        readable: list[tuple[Message, Feedback]] = []
        unreadable: list[tuple[Message, Unreadable]] = []
        for message in messages:
            found = self._decoder.decode(message)
            if isinstance(found, Unreadable):
                unreadable.append((message, found))
            elif not is_datable(message):
                unreadable.append((message, UNWRITABLE))
            elif suppression.concerns(found["subject_id"], found["request_id"]):
                suppressed += 1
            else:
                readable.append((message, found))
        tally = Tally(
            consumed=len(messages), kept=len(readable), dead_letters=Counter(why.reason for _, why in unreadable)
        )
        if suppressed:
            tally.rejections[_NO_SIGNATURE, "suppressed"] = suppressed
        self._landing.set_aside(unreadable, tally)
        targets = messages.next_offsets
        rows = feedback_rows(readable, self._source.topic, self._source.topic_id)
        try:
            with self._landing.staging() as staged:
                staged.append(rows)
                version = self._landing.commit(staged, tally, targets, starts, suppression)
        except SuppressionChanged:
            log.info("somebody was erased meanwhile: the batch is judged again")
            return self.commit(messages, starts)
        self._landing.report(targets)
        tally.commits = 1
        log.info("committed", version=version, records=len(messages), rows=rows.num_rows, next_offsets=targets)
        return tally
