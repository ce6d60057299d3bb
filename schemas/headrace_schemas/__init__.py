"""The contract between producers, consumers and other languages.

    value --canonical--> bytes --keys--> dedup key, sampling hash
    record --codec(registry)--> Avro bytes on a topic(topics) --codec--> record

Golden vectors for implementations in other languages: vectors.json in this package (`headrace_schemas.vectors`).
"""

from headrace_schemas import canonical, envelope, keys, latency, names, topics
from headrace_schemas.codec import (
    Codec,
    control_codec,
    dead_letter_codec,
    feedback_codec,
    interaction_codec,
    statistics_codec,
)
from headrace_schemas.errors import (
    CanonicalizationError,
    DecodeError,
    EncodeError,
    EnvelopeError,
    HeadraceError,
    NotSingleObjectError,
    SchemaError,
    TrailingBytesError,
    UndecodableError,
    UnknownSchemaError,
)
from headrace_schemas.records import (
    CallStatistics,
    Control,
    Count,
    DeadLetter,
    Feedback,
    Header,
    Interaction,
    Statistics,
    UsageStatistics,
)
from headrace_schemas.registry import Registry

__all__ = [
    "CallStatistics",
    "CanonicalizationError",
    "Codec",
    "Control",
    "Count",
    "DeadLetter",
    "DecodeError",
    "EncodeError",
    "EnvelopeError",
    "Feedback",
    "Header",
    "HeadraceError",
    "Interaction",
    "NotSingleObjectError",
    "Registry",
    "SchemaError",
    "Statistics",
    "TrailingBytesError",
    "UndecodableError",
    "UnknownSchemaError",
    "UsageStatistics",
    "canonical",
    "control_codec",
    "dead_letter_codec",
    "envelope",
    "feedback_codec",
    "interaction_codec",
    "keys",
    "latency",
    "names",
    "statistics_codec",
    "topics",
]
