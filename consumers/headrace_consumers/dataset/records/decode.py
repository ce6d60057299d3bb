"""Messages to records: the Avro datum, decrypted, then the checks that no schema can express.

A `Decoder` takes many messages at once, so that a columnar one can take the place of fastavro.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from headrace_consumers.dataset.kafka.message import Message
from headrace_consumers.dataset.records.unsealing import unsealed
from headrace_schemas import DecodeError, EnvelopeError, Interaction, Registry, interaction_codec
from headrace_schemas.names import is_valid_name

__all__ = ["UNWRITABLE", "Decoded", "Decoder", "FastavroDecoder", "Unreadable", "check"]

EARLIEST_MS: Final = 1_577_836_800_000
"""2020-01-01: an older record comes from a broken clock."""

MAX_AHEAD_MS: Final = 86_400_000
"""A producer's clock may be this far ahead of the broker's."""

_DEDUP_KEY: Final = re.compile(rb"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Decoded:
    """A readable record, with its output parsed."""

    record: Interaction
    output: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a message is a dead letter: one word for machines, one line for people, no payload."""

    reason: str
    detail: str


UNWRITABLE: Final = Unreadable("unwritable", "no row can be built from it")


class Decoder(Protocol):
    """Turns messages into records."""

    def decode(self, messages: Sequence[Message]) -> list[Decoded | Unreadable]:
        """Return one result for each message, in their order; never raises for what is in a message."""
        ...


class FastavroDecoder:
    """Decodes record by record.

    Args:
        registry: the schemas that it may meet.
        keys: key id -> key, for encrypted records. One that does not open is unreadable, whatever the reason: a dead
            letter holds it encrypted as it came, and it can be replayed once the key is there.
    """

    def __init__(self, registry: Registry | None = None, keys: Mapping[str, bytes] | None = None) -> None:
        self._codec = interaction_codec(registry)
        self._keys = dict(keys or {})

    def decode(self, messages: Sequence[Message]) -> list[Decoded | Unreadable]:
        """See `Decoder.decode`."""
        return [self._decode(message) for message in messages]

    def _decode(self, message: Message) -> Decoded | Unreadable:
        if message.value is None:
            return Unreadable("tombstone", "the message has no value")
        try:
            record = unsealed(self._codec.decode(message.value), self._keys)
        except DecodeError as error:
            return Unreadable(error.reason, str(error))
        except EnvelopeError as error:
            return Unreadable("undecryptable", str(error))
        return check(record, message)


def check(record: Interaction, message: Message) -> Decoded | Unreadable:
    """Return the record with its output parsed, or why it is not to be trusted.

    The bounds of `timestamp_ms` are taken against Kafka's append time, so that a replay decides the same.
    """
    for name in ("signature", "module_name", "module_version"):
        if not is_valid_name(record[name]):
            return Unreadable("invalid_name", f"{name} is not [A-Za-z0-9_.-]{{1,128}}, or is . or ..")
    if message.append_time_ms is None:
        return Unreadable("no_append_time", "Kafka gave no timestamp")
    if not EARLIEST_MS <= record["timestamp_ms"] <= message.append_time_ms + MAX_AHEAD_MS:
        return Unreadable("timestamp_out_of_bounds", "timestamp_ms is before 2020 or over a day ahead of the clock")
    if not _numbers_are_sane(record):
        return Unreadable("invalid_number", "a number is negative, not finite or out of its range")
    if record["capture_level"] not in {"full", "outcome"}:
        return Unreadable("invalid_capture_level", "capture_level is neither full nor outcome")
    if message.key != record["dedup_key"].encode():
        return Unreadable("key_mismatch", "the message key is not the record's dedup_key")
    if record["capture_level"] == "full" and not _DEDUP_KEY.fullmatch(message.key):
        return Unreadable("invalid_key", "dedup_key is not 64 hex digits")
    try:
        output, *others = [json.loads(text) for text in (record["output"], record["input"], record["attributes"])]
    except (ValueError, RecursionError):
        return Unreadable("invalid_json", "input, output or attributes is not JSON")
    if not (isinstance(output, dict) and all(isinstance(other, dict) for other in others)):
        return Unreadable("invalid_json", "input, output or attributes is not a JSON object")
    return Decoded(record, output)


def _numbers_are_sane(record: Interaction) -> bool:
    measures = (
        record["latency_ms"],
        record["cost_usd"],
        record["tokens"],
        record["tokens_input"],
        record["tokens_output"],
        record["lm_calls"],
        record["cache_hits"],
        record["redactions"],
    )
    if any(measure is not None and not (math.isfinite(measure) and measure >= 0) for measure in measures):
        return False
    return 0 < record["inclusion_probability"] <= 1
