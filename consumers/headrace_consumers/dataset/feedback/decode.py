"""Messages to feedback: the Avro datum, decrypted, then the checks that no schema can express."""

import json
import math
from collections.abc import Mapping
from typing import Final

from headrace_consumers.dataset.kafka.message import Message
from headrace_consumers.dataset.records.decode import EARLIEST_MS, MAX_AHEAD_MS, Unreadable
from headrace_schemas import DecodeError, EnvelopeError, Feedback, Registry, feedback_codec, keys
from headrace_schemas.envelope import is_sealed, is_sealed_object, unseal, unseal_object
from headrace_schemas.names import is_valid_name

__all__ = ["FeedbackDecoder"]

_NO_KEY: Final = "the feedback is encrypted, and encryption.keys is empty; give the keys, then replay"


class FeedbackDecoder:
    """Decodes feedback.

    Args:
        registry: the schemas that it may meet.
        keys: key id -> key, for encrypted feedback.
    """

    def __init__(self, registry: Registry | None = None, keys: Mapping[str, bytes] | None = None) -> None:
        self._codec = feedback_codec(registry)
        self._keys = dict(keys or {})

    def decode(self, message: Message) -> Feedback | Unreadable:
        """Return the feedback, or why it is not to be trusted; never raises for what is in a message."""
        if message.value is None:
            return Unreadable("tombstone", "the message has no value")
        try:
            feedback = self._unsealed(self._codec.decode(message.value))
        except DecodeError as error:
            return Unreadable(error.reason, str(error))
        except EnvelopeError as error:
            return Unreadable("undecryptable", str(error))
        return _why_not(feedback, message) or feedback

    def _unsealed(self, feedback: Feedback) -> Feedback:
        comment, correction, record_id = feedback["comment"], feedback["correction"], feedback["feedback_id"]
        comment_is, correction_is = is_sealed(comment or ""), is_sealed_object(correction or "")
        if not (comment_is or correction_is):
            return feedback
        if not self._keys:
            raise EnvelopeError(_NO_KEY)
        if comment is not None:
            comment = unseal(comment, self._keys, record_id=record_id, field="comment")
        if correction is not None:
            correction = unseal_object(correction, self._keys, record_id=record_id, field="correction")
        return {**feedback, "comment": comment, "correction": correction}


def _why_not(feedback: Feedback, message: Message) -> Unreadable | None:
    if message.append_time_ms is None:
        return Unreadable("no_append_time", "Kafka gave no timestamp")
    if message.key != keys.request_id_hash(feedback["request_id"]):
        return Unreadable("key_mismatch", "the message key is not the hash of the feedback's request_id")
    if feedback["module_name"] is not None and not is_valid_name(feedback["module_name"]):
        return Unreadable("invalid_name", "module_name is not [A-Za-z0-9_.-]{1,128}, or is . or ..")
    if not EARLIEST_MS <= feedback["timestamp_ms"] <= message.append_time_ms + MAX_AHEAD_MS:
        return Unreadable("timestamp_out_of_bounds", "timestamp_ms is before 2020 or over a day ahead of Kafka's clock")
    score = feedback["score"]
    if score is not None and not (math.isfinite(score) and 0 <= score <= 1):
        return Unreadable("invalid_number", "the score is not from 0 to 1")
    if feedback["correction"] is not None and not _is_object(feedback["correction"]):
        return Unreadable("invalid_json", "the correction is not a JSON object")
    return None


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
