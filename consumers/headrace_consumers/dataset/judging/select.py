"""The heart of the job, as a function over values: a batch of messages to rows, dead letters, copies and counts.

    misplaced ones set aside -> known keys dropped -> decode -> filter -> of each new key the first copy that *passes*

Dropping copies before the filter would lose data: of two copies the first may fail and the second pass. All copies of
a key stand in one partition, in offset order, so the winner does not depend on where batches end. Within a batch all
copies are decoded, and then every one behind a passing copy is a duplicate, whatever it holds: that is the same as not
decoding it, and takes linear time however many copies fail.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from headrace_consumers.dataset.judging.filter import Filter
from headrace_consumers.dataset.judging.suppression import NOBODY, Suppression
from headrace_consumers.dataset.kafka.message import Message
from headrace_consumers.dataset.kafka.messages import Messages
from headrace_consumers.dataset.records.columnar import Columns
from headrace_consumers.dataset.records.decode import Unreadable
from headrace_consumers.dataset.records.frame import FRAME_SCHEMA
from headrace_consumers.dataset.seen.fingerprints import Fingerprints
from headrace_consumers.dataset.tally import Tally

__all__ = ["KEPT_SCHEMA", "FrameDecoder", "Selection", "counted", "kept_of", "select"]

_PLACE_SCHEMA: Final = {"partition": pl.Int32(), "offset": pl.Int64(), "append_time_ms": pl.Int64()}

KEPT_SCHEMA: Final = pl.Schema({**FRAME_SCHEMA, "quality": pl.Float64(), **_PLACE_SCHEMA})
"""A record that becomes a row, its score, and where it stood in Kafka."""

_OPTIONAL: Final = ("latency_ms", "cost_usd", "tokens")
_NONE: Final[Mapping[int, Unreadable]] = {}


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
        fingerprints: of their keys.
        unreadable: the dead letters.
        duplicates: where in the batch the copies of keys stand that the table or the batch holds, ascending.
        tally: the counts; they balance.
    """

    kept: pl.DataFrame
    fingerprints: Fingerprints = field(default_factory=lambda: np.empty(0, np.uint64))
    unreadable: list[tuple[Message, Unreadable]] = field(default_factory=list)
    duplicates: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    tally: Tally = field(default_factory=Tally)


def select(
    messages: Sequence[Message],
    is_new: Sequence[bool] | npt.NDArray[np.bool_],
    decoder: FrameDecoder,
    filter_: Filter,
    suppression: Suppression = NOBODY,
    *,
    strays: Mapping[int, Unreadable] = _NONE,
) -> Selection:
    """Return what becomes of a batch.

    Args:
        messages: the batch; each partition's messages in offset order.
        is_new: for each message, whether its key is not in the table.
        decoder: turns messages into records.
        filter_: decides which records become examples.
        suppression: whose records never do.
        strays: the misplaced ones, by their place in the batch. Nothing else is asked of them: which copies their keys
            have is only known in the partition where they belong.
    """
    messages = Messages.of(messages)
    is_new = np.asarray(is_new, np.bool_)
    is_stray = np.zeros(len(messages), np.bool_)
    is_stray[list(strays)] = True
    fresh = np.flatnonzero(is_new & ~is_stray)
    candidates = messages if len(fresh) == len(messages) else messages.chosen(fresh)
    columns = decoder.decode(candidates)
    verdicts = filter_.judge_all(columns.records, columns.filled, suppression.holds(columns.records))
    is_outcome = (columns.records["capture_level"] == "outcome").to_numpy()
    passes = verdicts["reason"].is_null().to_numpy() & ~is_outcome
    is_copy = _behind_a_passing_copy(candidates.fingerprints, columns.at[passes])
    counts = ~is_copy[columns.at]
    wins = passes & counts
    selection = Selection(
        kept_of(columns.records.filter(wins), verdicts["quality"].filter(wins), candidates, columns.at[wins]),
        candidates.fingerprints[columns.at[wins]],
        [
            *((messages[place], why) for place, why in strays.items()),
            *((candidates[place], why) for place, why in columns.unreadable.items() if not is_copy[place]),
        ],
        np.sort(np.concatenate([np.flatnonzero(~(is_new | is_stray)), fresh[is_copy]])),
    )
    tally = selection.tally
    tally.consumed = len(messages)
    tally.duplicates = len(selection.duplicates)
    tally.kept = len(selection.kept)
    tally.rows = counted(selection.kept["signature"])
    tally.outcomes = int((is_outcome & counts).sum())
    tally.outcomes_of = counted(columns.records["signature"].filter(is_outcome & counts))
    tally.rejections = _rejections(columns.records, verdicts, ~passes & ~is_outcome & counts)
    tally.dead_letters = Counter(why.reason for _, why in selection.unreadable)
    for name in _OPTIONAL:
        if missing := selection.kept[name].null_count():
            tally.unknown[name] = missing
    return selection


def kept_of(
    records: pl.DataFrame, quality: pl.Series, messages: Sequence[Message], at: npt.NDArray[np.int64] | None = None
) -> pl.DataFrame:
    """Return records with their scores and where they stood, KEPT_SCHEMA.

    Args:
        records: FRAME_SCHEMA.
        quality: their scores.
        messages: theirs are among these.
        at: each one's place there; None: they are all of them.
    """
    columns = Messages.of(messages)
    chosen = slice(None) if at is None else at
    return records.with_columns(
        quality.alias("quality"),
        pl.Series("partition", columns.partitions[chosen], pl.Int32),
        pl.Series("offset", columns.offsets[chosen], pl.Int64),
        pl.Series("append_time_ms", columns.append_times_ms[chosen], pl.Int64),
    )


def counted(signatures: pl.Series) -> Counter[str]:
    """Return how often each stands there."""
    return Counter(dict(signatures.value_counts().iter_rows()))


def _behind_a_passing_copy(fingerprints: Fingerprints, passing: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Tell which places stand behind a passing one of their key; what has no key has no copies."""
    places = np.arange(len(fingerprints))
    order = np.argsort(fingerprints)
    ordered = fingerprints[order]
    is_again = np.concatenate(([False], (ordered[1:] == ordered[:-1]) & (ordered[1:] != 0)))[: len(order)]
    if not is_again.any():
        return np.zeros(len(fingerprints), np.bool_)
    number = np.empty(len(order), np.int64)
    number[order] = np.cumsum(~is_again) - 1
    first = np.full(len(order), len(order))
    backwards = np.sort(passing)[::-1]
    first[number[backwards]] = backwards  # the last that is written stays
    is_behind: npt.NDArray[np.bool_] = places > first[number]
    return is_behind


def _rejections(
    records: pl.DataFrame, verdicts: pl.DataFrame, rejected: npt.NDArray[np.bool_]
) -> Counter[tuple[str, str]]:
    if not rejected.any():
        return Counter()
    pairs = pl.DataFrame([records["signature"], verdicts["reason"]]).filter(pl.Series(rejected))
    counted = pairs.group_by("signature", "reason").len()
    return Counter({(signature, reason): count for signature, reason, count in counted.iter_rows()})
