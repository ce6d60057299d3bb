"""The heart of the job, as a function over values: a batch of messages to rows, dead letters and counts.

    known keys dropped -> decode -> filter -> of each new key the first copy that *passes*

Dropping copies before the filter would lose data: of two copies the first may fail and the second pass. All copies of
a key stand in one partition, in offset order, so the winner does not depend on where batches end.
"""

from collections import deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from headrace_consumers.dataset.decode import Decoded, Decoder, Unreadable
from headrace_consumers.dataset.filter import Filter
from headrace_consumers.dataset.message import Message
from headrace_consumers.dataset.tally import Tally
from headrace_schemas import Interaction

__all__ = ["Kept", "Selection", "select"]


@dataclass(frozen=True, slots=True)
class Kept:
    """A record that becomes a row."""

    record: Interaction
    quality: float
    message: Message


@dataclass(slots=True)
class Selection:
    """What a batch comes to.

    Attributes:
        kept: the rows, in the order of the messages.
        unreadable: the dead letters.
        tally: the counts; they balance.
    """

    kept: list[Kept] = field(default_factory=list)
    unreadable: list[tuple[Message, Unreadable]] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)


def select(messages: Sequence[Message], is_new: Sequence[bool], decoder: Decoder, filter_: Filter) -> Selection:
    """Return what becomes of a batch.

    Args:
        messages: the batch; each partition's messages in offset order.
        is_new: for each message, whether its key is not in the table.
        decoder: turns messages into records.
        filter_: decides which records become examples.
    """
    selection = Selection()
    tally = selection.tally
    tally.consumed = len(messages)
    copies: dict[Hashable, deque[Message]] = {}
    for message, new in zip(messages, is_new, strict=True):
        if new:
            # Without a key it is unreadable, but that is for the decoder to say: it stands alone.
            key: Hashable = message.key if message.key is not None else (message.partition, message.offset)
            copies.setdefault(key, deque()).append(message)
        else:
            tally.duplicates += 1
    waiting = list(copies.values())
    while waiting:  # a round takes the next copy of each key that has not passed yet
        round_ = [queue.popleft() for queue in waiting]
        still_waiting = []
        for queue, message, result in zip(waiting, round_, decoder.decode(round_), strict=True):
            if _passes(message, result, filter_, selection):
                tally.duplicates += len(queue)
            elif queue:
                still_waiting.append(queue)
        waiting = still_waiting
    selection.kept.sort(key=lambda kept: (kept.message.partition, kept.message.offset))
    return selection


def _passes(message: Message, result: Decoded | Unreadable, filter_: Filter, selection: Selection) -> bool:
    tally = selection.tally
    if isinstance(result, Unreadable):
        selection.unreadable.append((message, result))
        tally.dead_letters[result.reason] += 1
        return False
    record, output = result.record, result.output
    if record["capture_level"] == "outcome":
        tally.outcomes += 1
        return False
    verdict = filter_.judge(record, output)
    if verdict.reason is not None:
        tally.rejections[record["signature"], verdict.reason] += 1
        return False
    tally.unknown.update(verdict.unknown)
    tally.kept += 1
    selection.kept.append(Kept(record, verdict.quality, message))
    return True
