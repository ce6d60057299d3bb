"""Many messages to one frame: the fast way for what is plainly right, and the reference decoder for all else.

    datum walked, decode.check -> JSON scanned -> columns of views
       else ->  .................................. FastavroDecoder, record by record

The fast way only ever says yes. A message that it does not take, whatever the reason, goes to the reference, whose
word is final: so dead letters and their reasons, older schemas and encrypted records are the reference's alone.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from headrace_consumers.dataset.kafka.message import Message
from headrace_consumers.dataset.kafka.messages import Messages
from headrace_consumers.dataset.records.compiling import IS_COMPILED
from headrace_consumers.dataset.records.datums import shape_of, walked
from headrace_consumers.dataset.records.decode import (
    EARLIEST_MS,
    MAX_AHEAD_MS,
    UNWRITABLE,
    Decoder,
    FastavroDecoder,
    Unreadable,
)
from headrace_consumers.dataset.records.filled import filled_share
from headrace_consumers.dataset.records.frame import NO_RECORDS, frame_of
from headrace_consumers.dataset.records.json_scan import FILLED, PARTLY
from headrace_consumers.dataset.records.plan import Rule
from headrace_consumers.dataset.records.views import frame_of_datums
from headrace_schemas import Registry
from headrace_schemas.codec import MARKER
from headrace_schemas.registry import fingerprint_of

__all__ = ["ColumnarDecoder", "Columns"]

_RULES: Final = {
    **dict.fromkeys(("signature", "module_name", "module_version"), Rule.NAME),
    "timestamp_ms": Rule.TIME,
    **dict.fromkeys(("latency_ms", "cost_usd"), Rule.MEASURE),
    **dict.fromkeys(("tokens", "tokens_input", "tokens_output", "lm_calls", "cache_hits", "redactions"), Rule.COUNT),
    "inclusion_probability": Rule.SHARE,
    "capture_level": Rule.LEVEL,
    "dedup_key": Rule.KEY,
    "input": Rule.SEALABLE,
    "output": Rule.SEALABLE,
    "attributes": Rule.TEXT,
}
"""What `decode.check` asks of each field."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What some messages decode to.

    Attributes:
        records: the readable ones, FRAME_SCHEMA, in the order of the messages.
        at: for each of them its message's place.
        filled: for each of them `filled_share` of its output.
        unreadable: place -> why, for all other messages.
    """

    records: pl.DataFrame
    at: npt.NDArray[np.int64]
    filled: npt.NDArray[np.float64]
    unreadable: dict[int, Unreadable]


class ColumnarDecoder:
    """Decodes by columns what it can.

    Args:
        reference: decides on everything else.
        is_compiled: whether there is a fast way; without it all is the reference's.
    """

    def __init__(self, reference: Decoder | None = None, *, is_compiled: bool = IS_COMPILED) -> None:
        self._reference = reference or FastavroDecoder()
        self._is_compiled = is_compiled
        schema = Registry().current("headrace.v1.Interaction")
        self._shape = shape_of(schema, MARKER + fingerprint_of(schema), _RULES, EARLIEST_MS)
        self._output = [name for name in self._shape.names if _RULES.get(name, Rule.NONE) >= Rule.TEXT].index("output")
        if is_compiled:  # now, before a message waits for it
            walked(self._shape, Messages.of([Message(0, 0, b"", b"", 0)]), np.zeros(1, np.int64))

    def decode(self, messages: Sequence[Message]) -> Columns:
        """Return what the messages decode to; never raises for what is in a message."""
        messages = Messages.of(messages)
        if not self._is_compiled:
            return self._with_reference(messages, Columns(NO_RECORDS, np.empty(0, np.int64), np.empty(0), {}))
        datums = walked(self._shape, messages, messages.append_times_ms + MAX_AHEAD_MS)
        records, is_taken = frame_of_datums(self._shape, datums)
        fast = Columns(
            records,
            datums.rows.places[: datums.count][is_taken],
            _shares(datums.texts[self._output, is_taken], records["output"]),
            {},
        )
        return fast if len(records) == len(messages) else self._with_reference(messages, fast)

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
        if not decoded:
            return Columns(fast.records, fast.at, fast.filled, unreadable)
        at = np.concatenate([fast.at, np.asarray([place for place, _ in decoded], np.int64)])
        filled = np.concatenate([fast.filled, [filled_share(result.output) for _, result in decoded]])
        order = np.argsort(at, kind="stable")
        return Columns(pl.concat([fast.records, records])[order], at[order], filled[order], unreadable)


def _shares(found: npt.NDArray[np.int8], outputs: pl.Series) -> npt.NDArray[np.float64]:
    """Return `filled_share` of outputs, of which `scan` said what was found."""
    shares = np.where(found == FILLED, 1.0, 0.0)
    (unsure,) = np.nonzero(found == PARTLY)
    shares[unsure] = [filled_share(json.loads(text)) for text in outputs[unsure].to_list()]
    return shares
