"""The contract between producers, consumers and other languages.

    value --canonical--> bytes --keys--> dedup key, sampling hash
    record --codec(registry)--> Avro bytes on a topic(topics) --codec--> record

Golden vectors for implementations in other languages: vectors.json in this package (`headrace_schemas.vectors`).
"""

from headrace_schemas import canonical, keys, names, topics
from headrace_schemas.codec import Codec, dead_letter_codec, interaction_codec
from headrace_schemas.errors import (
    CanonicalizationError,
    DecodeError,
    EncodeError,
    HeadraceError,
    NotSingleObjectError,
    SchemaError,
    TrailingBytesError,
    UndecodableError,
    UnknownSchemaError,
)
from headrace_schemas.records import DeadLetter, Header, Interaction
from headrace_schemas.registry import Registry

__all__ = [
    "CanonicalizationError",
    "Codec",
    "DeadLetter",
    "DecodeError",
    "EncodeError",
    "Header",
    "HeadraceError",
    "Interaction",
    "NotSingleObjectError",
    "Registry",
    "SchemaError",
    "TrailingBytesError",
    "UndecodableError",
    "UnknownSchemaError",
    "canonical",
    "dead_letter_codec",
    "interaction_codec",
    "keys",
    "names",
    "topics",
]
