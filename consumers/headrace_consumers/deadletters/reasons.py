"""Why a message is a dead letter: each reason, what it means and what to do, in one line."""

from collections.abc import Mapping
from typing import Final

__all__ = ["REASONS"]

REASONS: Final[Mapping[str, str]] = {
    "not_single_object": "no record of ours: somebody else writes to the topic; find the writer by its headers",
    "unknown_schema": "the producer is newer than this consumer; give its .avsc in schemas.path, then replay",
    "undecodable": "cut short or changed on its way; find the writer or the proxy",
    "trailing_bytes": "more than one record in a message; find the writer",
    "tombstone": "a message without a value; the topic needs none, find the writer",
    "undecryptable": "encrypted with a key that is not here, or changed; give it in encryption.keys, then replay",
    "misplaced": "its key belongs in another partition, beside its copies: the partitioner of its writer must be "
    "murmur2_random (Java: the default), then replay puts it there",
    "key_mismatch": "the message key is not the record's; find the writer",
    "invalid_key": "the deduplication key is not 64 hex digits; find the writer",
    "invalid_name": "a signature, module or version with characters that no producer of ours writes; find the writer",
    "no_append_time": "Kafka gave no timestamp; see headrace topics check",
    "timestamp_out_of_bounds": "before 2020, or over a day ahead of the broker; mend that host's clock",
    "invalid_number": "a number that is negative, not finite or out of its range; find the writer",
    "invalid_capture_level": "a capture level of another release; upgrade the consumer, then replay",
    "invalid_json": "input, output or attributes is no JSON object; find the writer",
    "unwritable": "no row can be built from it; report it",
}
"""Reason -> what it means and what to do. A test holds that no other reason is given."""
