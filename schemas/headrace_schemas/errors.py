"""Everything that can be wrong with bytes or names.

HeadraceError                   headrace_schemas; the root of the project's errors
  SchemaError                   a schema file cannot be used
  EncodeError                   a record that does not fit its schema
  DecodeError                   bytes that are no record: `.reason` is one word, the message one line
    NotSingleObjectError        no C3 01 in front
    UnknownSchemaError          a fingerprint that nobody told us about
    UndecodableError            the datum does not fit its schema
    TrailingBytesError          the datum ends before the message does
  CanonicalizationError         a value that has no canonical JSON
  EnvelopeError                 an encrypted field that does not open
"""

from typing import ClassVar

__all__ = [
    "CanonicalizationError",
    "DecodeError",
    "EncodeError",
    "EnvelopeError",
    "HeadraceError",
    "NotSingleObjectError",
    "SchemaError",
    "TrailingBytesError",
    "UndecodableError",
    "UnknownSchemaError",
]


class HeadraceError(Exception):
    """Root of all errors of this project; `str()` is one line that says what, where and what to do."""


class SchemaError(HeadraceError):
    """A schema file is missing, unreadable or no Avro schema."""


class CanonicalizationError(HeadraceError, ValueError):
    """A value that is no JSON, or that nests too deeply."""


class EncodeError(HeadraceError, ValueError):
    """A record that does not fit its schema; the message names the field and shows no value."""


class EnvelopeError(HeadraceError):
    """An encrypted field whose key is missing, or that was changed or moved; replay once the key is there."""


class DecodeError(HeadraceError):
    """Bytes that are no readable record."""

    reason: ClassVar[str] = "undecodable"


class NotSingleObjectError(DecodeError):
    """The bytes do not begin with Avro's single-object marker."""

    reason = "not_single_object"


class UnknownSchemaError(DecodeError):
    """The fingerprint belongs to no known schema; give the newer schema as a file and replay."""

    reason = "unknown_schema"


class UndecodableError(DecodeError):
    """The datum is cut short, or does not fit its schema."""

    reason = "undecodable"


class TrailingBytesError(DecodeError):
    """Bytes are left over behind the datum."""

    reason = "trailing_bytes"
