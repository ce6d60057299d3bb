"""Many messages to one frame: the fast way for what is plainly right, and the reference decoder for all else.

    slices: datums walked -> columns of views; then all: decode.check on columns -> JSON checked
       else ->  ................................ FastavroDecoder, record by record

The fast way only ever says yes. A message that it does not take, whatever the reason, goes to the reference, whose
word is final: so dead letters and their reasons, older schemas and encrypted records are the reference's alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from headrace_consumers.dataset.kafka.message import Message
from headrace_consumers.dataset.kafka.messages import NO_TIME_MS, Messages
from headrace_consumers.dataset.records.datums import shape_of, walked
from headrace_consumers.dataset.records.decode import (
    EARLIEST_MS,
    MAX_AHEAD_MS,
    UNWRITABLE,
    Decoder,
    FastavroDecoder,
    Unreadable,
)
from headrace_consumers.dataset.records.frame import FRAME_SCHEMA, NO_RECORDS, frame_of
from headrace_consumers.dataset.records.json_text import are_objects, objects_of
from headrace_consumers.dataset.records.views import columns_of
from headrace_schemas import Registry
from headrace_schemas.codec import MARKER
from headrace_schemas.names import is_valid_name
from headrace_schemas.registry import fingerprint_of

__all__ = ["ColumnarDecoder", "Columns"]

SLICE_RECORDS: Final = 2_000
SLICE_BYTES: Final = 8_000_000
"""What is decoded at once stays in the processor's caches, and is little memory however large the records are."""

_KEY: Final = "^[0-9a-f]{64}$"
_SEALED: Final = '{"$hr:enc":"'
_MEASURES: Final = ("tokens", "tokens_input", "tokens_output", "lm_calls", "cache_hits", "redactions")
_REAL_MEASURES: Final = ("latency_ms", "cost_usd")


@dataclass(frozen=True, slots=True)
class Columns:
    """What some messages decode to.

    Attributes:
        records: the readable ones, FRAME_SCHEMA, in the order of the messages.
        at: for each of them its message's place.
        outputs: for each of them its parsed output.
        unreadable: place -> why, for all other messages.
    """

    records: pl.DataFrame
    at: npt.NDArray[np.int64]
    outputs: list[dict[str, Any]]
    unreadable: dict[int, Unreadable]


class ColumnarDecoder:
    """Decodes by columns what it can.

    Args:
        reference: decides on everything else.
    """

    def __init__(self, reference: Decoder | None = None) -> None:
        self._reference = reference or FastavroDecoder()
        schema = Registry().current("headrace.v1.Interaction")
        self._shape = shape_of(schema, MARKER + fingerprint_of(schema))

    def decode(self, messages: Sequence[Message]) -> Columns:
        """Return what the messages decode to; never raises for what is in a message.

        Slices of some 2,000 messages stay in the processor's caches; 10,000 take twice the time for each.
        """
        columns = Messages.of(messages)
        read = [self._exact(columns.values[first:last], first) for first, last in _slices(columns.sizes_bytes)]
        records = pl.concat([NO_RECORDS, *(frame for frame, _ in read)], rechunk=True)
        places = np.concatenate([np.empty(0, np.int64), *(at for _, at in read)])
        is_right = _plainly_right(records, columns, places)
        if not is_right.all():
            places, records = places[is_right.to_numpy()], records.filter(is_right)
        outputs, is_json = _parsed(records)
        if not is_json.all():
            places, records = places[is_json], records.filter(pl.Series(is_json))
        if len(places) == len(columns):
            return Columns(records, places, outputs, {})
        return self._with_reference(columns, Columns(records, places, outputs, {}))

    def _exact(self, values: Sequence[bytes | None], first: int) -> tuple[pl.DataFrame, npt.NDArray[np.int64]]:
        """Return what is exactly one datum of the current schema, as a frame, and the places, counted from `first`."""
        datums = walked(self._shape, [value or b"" for value in values])
        places = first + np.flatnonzero(datums.is_exact)
        if not len(places):
            return NO_RECORDS, places
        records, is_text = columns_of(self._shape, FRAME_SCHEMA.names(), datums)
        return records, places[is_text]

    def _with_reference(self, messages: Messages, fast: Columns) -> Columns:
        """Return what is decoded already, and what the reference says of all other messages."""
        rest = np.setdiff1d(np.arange(len(messages)), fast.at).tolist()
        unreadable: dict[int, Unreadable] = {}
        decoded = []
        for place, result in zip(rest, self._reference.decode([messages[place] for place in rest]), strict=True):
            if isinstance(result, Unreadable):
                unreadable[place] = result
            else:
                decoded.append((place, result))
        records, culprits = frame_of([result.record for _, result in decoded])
        for culprit in reversed(culprits):
            place, _ = decoded.pop(culprit)
            unreadable[place] = UNWRITABLE
        at = np.concatenate([fast.at, np.asarray([place for place, _ in decoded], np.int64)])
        order = np.argsort(at, kind="stable")
        outputs = fast.outputs + [result.output for _, result in decoded]
        return Columns(
            pl.concat([fast.records, records])[order] if decoded else fast.records,
            at[order],
            [outputs[place] for place in order.tolist()],
            unreadable,
        )


def _plainly_right(records: pl.DataFrame, messages: Messages, at: npt.NDArray[np.int64]) -> pl.Series:
    """Tell which records meet all that decode.check asks of them but JSON; encrypted ones do not."""
    append_times = pl.Series(np.maximum(messages.append_times_ms[at], NO_TIME_MS + MAX_AHEAD_MS))
    keys = pl.Series([messages.keys[place] for place in at.tolist()], dtype=pl.Binary)
    column = pl.col
    rules = [
        *(_is_name(records, name) for name in ("signature", "module_name", "module_version")),
        column("timestamp_ms").is_between(EARLIEST_MS, append_times + MAX_AHEAD_MS),
        *((column(name) >= 0).fill_null(value=True) for name in _MEASURES),
        *((column(name).is_finite() & (column(name) >= 0)).fill_null(value=True) for name in _REAL_MEASURES),
        column("inclusion_probability").is_between(0, 1, closed="right"),
        column("dedup_key").cast(pl.Binary) == keys,
        (column("capture_level") == "outcome")
        | (column("capture_level") == "full") & column("dedup_key").str.contains(_KEY),
        ~column("input").str.starts_with(_SEALED),
        ~column("output").str.starts_with(_SEALED),
    ]
    return records.select(pl.all_horizontal(rules).fill_null(value=False)).to_series()


def _slices(sizes_bytes: npt.NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Yield (first, last) of stretches that are bounded by number and by bytes."""
    ends = np.cumsum(sizes_bytes)
    first = 0
    while first < len(ends):
        before = int(ends[first - 1]) if first else 0
        fits = int(np.searchsorted(ends, before + SLICE_BYTES, "right"))
        last = max(first + 1, min(first + SLICE_RECORDS, fits))
        yield first, last
        first = last


def _is_name(records: pl.DataFrame, name: str) -> pl.Expr:
    """Return whether it is a valid name, asked once for each that there is: a batch has few."""
    wrong = [text for text in records[name].unique().to_list() if not is_valid_name(text)]
    return ~pl.col(name).is_in(wrong) if wrong else pl.lit(value=True)


def _parsed(records: pl.DataFrame) -> tuple[list[dict[str, Any]], npt.NDArray[np.bool_]]:
    """Return the outputs of the records whose three JSON texts are objects, and which these are."""
    is_json = are_objects(records["input"])
    is_labelled = records["attributes"] != "{}"
    if is_labelled.any():
        is_json[is_labelled.to_numpy()] &= are_objects(records["attributes"].filter(is_labelled))
    outputs = list(chain.from_iterable(objects_of(records["output"])))
    is_json &= np.fromiter((output is not None for output in outputs), np.bool_, len(outputs))
    return [
        output for output, taken in zip(outputs, is_json.tolist(), strict=True) if taken and output is not None
    ], is_json
