"""The heart of the job, as a function over values: a batch of messages to rows, dead letters, copies and counts.

    known keys dropped -> decode -> filter -> of each new key the first copy that *passes*

Dropping copies before the filter would lose data: of two copies the first may fail and the second pass. All copies of
a key stand in one partition, in offset order, so the winner does not depend on where batches or slices end. Within a
slice all copies are decoded, and then every one behind a passing copy is a duplicate, whatever it holds: that is the
same as not decoding it, and takes linear time however many copies fail.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from headrace_consumers.dataset.columnar import Columns
from headrace_consumers.dataset.decode import Unreadable
from headrace_consumers.dataset.filter import Filter
from headrace_consumers.dataset.frame import FRAME_SCHEMA
from headrace_consumers.dataset.message import Message
from headrace_consumers.dataset.tally import Tally

__all__ = ["KEPT_SCHEMA", "FrameDecoder", "Selection", "counted", "kept_of", "select"]

SLICE_RECORDS: Final = 2_000
SLICE_BYTES: Final = 8_000_000
"""What is decoded at once stays in the processor's caches, and is little memory however large the records are."""

_PLACE_SCHEMA: Final = {"partition": pl.Int32(), "offset": pl.Int64(), "append_time_ms": pl.Int64()}

KEPT_SCHEMA: Final = pl.Schema({**FRAME_SCHEMA, "quality": pl.Float64(), **_PLACE_SCHEMA})
"""A record that becomes a row, its score, and where it stood in Kafka."""

_OPTIONAL: Final = ("latency_ms", "cost_usd", "tokens")


class FrameDecoder(Protocol):
    """Turns messages into columns."""

    def decode(self, messages: Sequence[Message]) -> Columns:
        """See `ColumnarDecoder.decode`."""
        ...


@dataclass(slots=True)
class Selection:
    """What a batch comes to.

    Attributes:
        kept: the rows, KEPT_SCHEMA, in the order of the messages.
        unreadable: the dead letters.
        duplicates: the copies of keys that the table or the batch holds.
        tally: the counts; they balance.
    """

    kept: pl.DataFrame
    unreadable: list[tuple[Message, Unreadable]] = field(default_factory=list)
    duplicates: list[Message] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)


def select(
    messages: Sequence[Message], is_new: Sequence[bool] | npt.NDArray[np.bool_], decoder: FrameDecoder, filter_: Filter
) -> Selection:
    """Return what becomes of a batch.

    Args:
        messages: the batch; each partition's messages in offset order.
        is_new: for each message, whether its key is not in the table.
        decoder: turns messages into records.
        filter_: decides which records become examples.
    """
    selection = Selection(KEPT_SCHEMA.to_frame())
    kept: list[pl.DataFrame] = []
    passed: set[bytes] = set()
    fresh: list[Message] = []
    for message, new in zip(messages, is_new, strict=True):
        (fresh if new else selection.duplicates).append(message)
    for part in _slices(fresh):
        candidates: list[Message] = []
        for message in part:
            (selection.duplicates if message.key in passed else candidates).append(message)
        kept.append(_select_slice(candidates, decoder, filter_, passed, selection))
    selection.kept = pl.concat([selection.kept, *kept]).sort("partition", "offset")
    selection.tally.consumed = len(messages)
    selection.tally.duplicates = len(selection.duplicates)
    selection.tally.kept = len(selection.kept)
    selection.tally.rows = counted(selection.kept["signature"])
    for name in _OPTIONAL:
        if missing := selection.kept[name].null_count():
            selection.tally.unknown[name] = missing
    return selection


def kept_of(records: pl.DataFrame, quality: pl.Series, messages: Sequence[Message]) -> pl.DataFrame:
    """Return records with their scores and where they stood, KEPT_SCHEMA."""
    places = pl.DataFrame(
        {
            "partition": [message.partition for message in messages],
            "offset": [message.offset for message in messages],
            "append_time_ms": [message.append_time_ms for message in messages],
        },
        schema=_PLACE_SCHEMA,
    )
    return pl.concat([records, quality.alias("quality").to_frame(), places], how="horizontal")


def counted(signatures: pl.Series) -> Counter[str]:
    """Return how often each stands there."""
    return Counter(dict(signatures.value_counts().iter_rows()))


def _slices(messages: Sequence[Message]) -> Iterator[Sequence[Message]]:
    first, size_bytes = 0, 0
    for number, message in enumerate(messages):
        if number - first >= SLICE_RECORDS or (size_bytes and size_bytes + message.size_bytes > SLICE_BYTES):
            yield messages[first:number]
            first, size_bytes = number, 0
        size_bytes += message.size_bytes
    if first < len(messages):
        yield messages[first:]


def _select_slice(
    messages: Sequence[Message], decoder: FrameDecoder, filter_: Filter, passed: set[bytes], selection: Selection
) -> pl.DataFrame:
    """Return the rows of a slice; note their keys, its dead letters, its duplicates and its rejections."""
    columns = decoder.decode(messages)
    verdicts = filter_.judge_all(columns.records, columns.outputs)
    is_outcome = (columns.records["capture_level"] == "outcome").to_numpy()
    passes = verdicts["reason"].is_null().to_numpy() & ~is_outcome
    is_copy = _behind_a_passing_copy([message.key for message in messages], columns.at[passes], passed)
    for place in np.flatnonzero(is_copy).tolist():
        selection.duplicates.append(messages[place])
    for place, unreadable in columns.unreadable.items():
        if not is_copy[place]:
            selection.unreadable.append((messages[place], unreadable))
            selection.tally.dead_letters[unreadable.reason] += 1
    counts = ~is_copy[columns.at]
    selection.tally.outcomes += int((is_outcome & counts).sum())
    if is_outcome.any():
        selection.tally.outcomes_of.update(counted(columns.records["signature"].filter(is_outcome & counts)))
    selection.tally.rejections.update(_rejections(columns.records, verdicts, ~passes & ~is_outcome & counts))
    chosen = pl.Series(passes & counts)
    winners = [messages[place] for place in columns.at[passes & counts].tolist()]
    return kept_of(columns.records.filter(chosen), verdicts["quality"].filter(chosen), winners)


def _behind_a_passing_copy(
    keys: Sequence[bytes | None], passing: npt.NDArray[np.int64], passed: set[bytes]
) -> npt.NDArray[np.bool_]:
    """Tell which places stand behind a passing one of their key; add the keys that pass to `passed`."""
    is_copy = np.zeros(len(keys), np.bool_)
    first: dict[bytes | None, int] = {}
    for place in passing.tolist():
        first.setdefault(keys[place], place)
    if len(set(keys)) < len(keys):
        for place, key in enumerate(keys):
            is_copy[place] = place > first.get(key, place)
    passed.update(key for key in first if key is not None)
    return is_copy


def _rejections(
    records: pl.DataFrame, verdicts: pl.DataFrame, rejected: npt.NDArray[np.bool_]
) -> Counter[tuple[str, str]]:
    if not rejected.any():
        return Counter()
    pairs = pl.DataFrame([records["signature"], verdicts["reason"]]).filter(pl.Series(rejected))
    counted = pairs.group_by("signature", "reason").len()
    return Counter({(signature, reason): count for signature, reason, count in counted.iter_rows()})
