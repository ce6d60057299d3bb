"""Records to bytes and back: Avro's single-object encoding, the one codec of all topics.

    C3 01 | 8 bytes fingerprint of the writer's schema, little-endian | the datum

https://avro.apache.org/docs/1.12.0/specification/#single-object-encoding
"""

import io
import re
from typing import Any, Final, Generic, TypeVar, cast

import fastavro

from headrace_schemas.errors import (
    EncodeError,
    NotSingleObjectError,
    TrailingBytesError,
    UndecodableError,
    UnknownSchemaError,
)
from headrace_schemas.records import Control, DeadLetter, Feedback, Interaction, Statistics
from headrace_schemas.registry import Registry, fingerprint_of

__all__ = [
    "HEADER_LENGTH",
    "MARKER",
    "Codec",
    "control_codec",
    "dead_letter_codec",
    "feedback_codec",
    "interaction_codec",
    "statistics_codec",
]

MARKER: Final = b"\xc3\x01"
HEADER_LENGTH: Final = 10
_FIELD: Final = re.compile(r"(?: on field |^Field )([a-z_]+)(?:$| is specified)")

Record = TypeVar("Record")


class Codec(Generic[Record]):
    """Encodes and decodes records of one schema.

    Args:
        name: the schema's full name, e.g. ``headrace.v1.Interaction``.
        registry: the schemas that a reader may meet.
    """

    def __init__(self, name: str, registry: Registry | None = None) -> None:
        self._registry = registry or Registry()
        self._schema = self._registry.current(name)
        self._name = name
        self._header = MARKER + fingerprint_of(self._schema)

    def encode(self, record: Record) -> bytes:
        """Return the record's bytes, header first.

        Raises:
            EncodeError: the record does not fit the schema.
        """
        buffer = io.BytesIO()
        buffer.write(self._header)
        try:
            fastavro.schemaless_writer(buffer, self._schema, cast("Any", record), strict=True)
        except Exception as error:  # fastavro raises whatever the value led to, and quotes it: a log is no place for it
            field = _FIELD.search(str(error))
            where = f"field {field[1]}" if field else "the record"
            raise EncodeError(f"{where} does not fit the schema {self._name} ({type(error).__name__})") from None
        return buffer.getvalue()

    def decode(self, message: bytes) -> Record:
        """Return the record in `message`, written with this or another known version of the schema.

        Raises:
            NotSingleObjectError, UnknownSchemaError, UndecodableError, TrailingBytesError: see there.
        """
        if len(message) < HEADER_LENGTH or not message.startswith(MARKER):
            raise NotSingleObjectError("the bytes do not begin with C3 01 and a fingerprint")
        fingerprint = message[len(MARKER) : HEADER_LENGTH]
        writer = self._registry.by_fingerprint(fingerprint)
        if writer is None or writer["name"].rpartition(".")[2] != self._name.rpartition(".")[2]:
            raise UnknownSchemaError(
                f"no schema {self._name} has the fingerprint {fingerprint.hex()}; "
                "give the producer's schema file in schemas.path, then replay"
            )
        buffer = io.BytesIO(message)
        buffer.seek(HEADER_LENGTH)
        try:
            record = fastavro.schemaless_reader(buffer, writer, self._schema)
        except Exception as error:  # fastavro raises whatever the bytes led to
            raise UndecodableError(f"the datum does not fit its schema ({type(error).__name__})") from error
        if buffer.read(1):
            raise TrailingBytesError("bytes are left behind the datum")
        return cast("Record", record)


def interaction_codec(registry: Registry | None = None) -> Codec[Interaction]:
    """Return the codec of `headrace.interactions.v1`."""
    return Codec("headrace.v1.Interaction", registry)


def dead_letter_codec(registry: Registry | None = None) -> Codec[DeadLetter]:
    """Return the codec of `headrace.deadletter.v1`."""
    return Codec("headrace.v1.DeadLetter", registry)


def statistics_codec(registry: Registry | None = None) -> Codec[Statistics]:
    """Return the codec of `headrace.stats.v1`."""
    return Codec("headrace.v1.Statistics", registry)


def feedback_codec(registry: Registry | None = None) -> Codec[Feedback]:
    """Return the codec of `headrace.feedback.v1`."""
    return Codec("headrace.v1.Feedback", registry)


def control_codec(registry: Registry | None = None) -> Codec[Control]:
    """Return the codec of `headrace.control.v1`."""
    return Codec("headrace.v1.Control", registry)
