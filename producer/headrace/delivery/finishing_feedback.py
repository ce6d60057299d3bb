"""From a captured feedback to the record that leaves the process: redaction, names, size cap. Pure.

A person's comment and correction hold what the call's inputs and outputs hold, so the same rules hide it.
"""

from collections import Counter

from headrace.captured import CUT_MARK, CapturedFeedback
from headrace.config import Config
from headrace.delivery.protection import Protection
from headrace.delivery.size import capped
from headrace_schemas import Feedback
from headrace_schemas.names import to_valid_name

__all__ = ["FeedbackFinisher"]


class FeedbackFinisher:
    """Finishes captured feedback.

    Args:
        config: the configuration.
        instance: this producer process.
        protection: hides and encrypts.
    """

    def __init__(self, config: Config, instance: str, protection: Protection) -> None:
        self._telemetry = config.telemetry
        self._instance = instance
        self._protection = protection

    def finish(self, feedback: CapturedFeedback) -> tuple[Feedback, Counter[str]]:
        """Return the record, and what redaction replaced in it, by kind.

        Raises:
            CanonicalizationError: a correction that has no canonical JSON.
            RedactorError: one of the service's own redactors failed or took too long.
        """
        counts: Counter[str] = Counter()
        protection, limit, feedback_id = self._protection, self._telemetry.max_field_bytes, feedback.feedback_id
        correction = feedback.correction
        if correction is not None:
            correction = protection.fields.withheld_anywhere(correction, counts)
        comment, label, correction = protection.hidden([feedback.comment, feedback.label, correction], counts)
        comment, comment_cut = (None, False) if comment is None else _cut(comment, limit)
        correction_json, correction_cut = (None, False) if correction is None else capped(correction, limit)
        if correction_json is not None:
            correction_json = protection.sealed_object(correction_json, feedback_id, "correction")
        record: Feedback = {
            "feedback_id": feedback_id,
            "request_id": feedback.request_id,
            "module_name": None if feedback.module_name is None else to_valid_name(feedback.module_name),
            "subject_id": protection.subject(feedback.subject_id),
            "score": feedback.score,
            "label": label,
            "comment": protection.sealed_text(comment, feedback_id, "comment"),
            "correction": correction_json,
            "timestamp_ms": feedback.timestamp_ms,
            "service": self._telemetry.service or "",
            "environment": self._telemetry.environment,
            "instance": self._instance,
            "redaction_version": protection.version,
            "redactions": counts.total(),
            "truncated": feedback.truncated or comment_cut or correction_cut,
        }
        return record, counts


def _cut(text: str, max_bytes: int) -> tuple[str, bool]:
    """Return the text in at most `max_bytes` bytes of UTF-8, and whether something was cut."""
    encoded = text.encode()
    if len(encoded) <= max_bytes:
        return text, False
    return encoded[: max_bytes - len(CUT_MARK)].decode(errors="ignore") + CUT_MARK, True
