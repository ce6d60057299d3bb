"""Encrypted records to plain ones, before anything is judged: the table holds what the keys' holder may read.

A record is encrypted if its input is an envelope. Then its output and its error must be envelopes, too.
"""

from collections.abc import Mapping

from headrace_schemas import EnvelopeError, Interaction
from headrace_schemas.envelope import is_sealed_object, unseal, unseal_object

__all__ = ["unsealed"]


def unsealed(record: Interaction, keys: Mapping[str, bytes]) -> Interaction:
    """Return the record with input, output and error in plain text; a record that is not encrypted as it is.

    Args:
        record: a decoded record.
        keys: key id -> key.

    Raises:
        EnvelopeError: the key is not there, or a field was changed, moved or exchanged for plain text.
    """
    if not (is_sealed_object(record["input"]) or is_sealed_object(record["output"])):
        return record
    if not keys:
        raise EnvelopeError("the record is encrypted, and encryption.keys is empty; give the keys, then try again")
    record_id, error = record["event_id"], record["error"]
    return {
        **record,
        "input": unseal_object(record["input"], keys, record_id=record_id, field="input"),
        "output": unseal_object(record["output"], keys, record_id=record_id, field="output"),
        "error": None if error is None else unseal(error, keys, record_id=record_id, field="error"),
    }
