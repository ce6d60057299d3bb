"""From a captured feedback to the record that leaves the process: redaction, names, size cap. Pure.

A person's comment and correction hold what the call's inputs and outputs hold, so the same rules hide it.
"""

from collections import Counter
from typing import TYPE_CHECKING

from headrace.captured import CapturedFeedback
from headrace.config import Config
from headrace.delivery.size import CUT_MARK, capped
from headrace_schemas.names import to_valid_name

if TYPE_CHECKING:
    from headrace.delivery.finishing import Finisher
    from headrace_schemas import Feedback

__all__ = ["FeedbackFinisher"]


class FeedbackFinisher:
    """Finishes captured feedback.

    Args:
        config: the configuration.
        instance: this producer process.
        calls: the finisher of calls: one redactor and one way to write a subject id serve both.
    """

    def __init__(self, config: Config, instance: str, calls: "Finisher") -> None:
        self._telemetry = config.telemetry
        self._instance = instance
        self._calls = calls

    def finish(self, feedback: CapturedFeedback) -> tuple["Feedback", Counter[str]]:
        """Return the record, and what redaction replaced in it, by kind.

        Raises:
            CanonicalizationError: a correction that has no canonical JSON.
        """
        counts: Counter[str] = Counter()
        redactor = self._calls.redactor
        comment, comment_cut = None, False
        if feedback.comment is not None:
            comment, comment_cut = _cut(redactor.text(feedback.comment, counts), self._telemetry.max_field_bytes)
        correction, correction_cut = None, False
        if feedback.correction is not None:
            correction, correction_cut = capped(
                redactor.value(feedback.correction, counts), self._telemetry.max_field_bytes
            )
        record: Feedback = {
            "feedback_id": feedback.feedback_id,
            "request_id": feedback.request_id,
            "module_name": None if feedback.module_name is None else to_valid_name(feedback.module_name),
            "subject_id": self._calls.pseudonym(feedback.subject_id, counts),
            "score": feedback.score,
            "label": None if feedback.label is None else redactor.text(feedback.label, counts),
            "comment": comment,
            "correction": correction,
            "timestamp_ms": feedback.timestamp_ms,
            "service": self._telemetry.service or "",
            "environment": self._telemetry.environment,
            "instance": self._instance,
            "redaction_version": redactor.version,
            "redactions": counts.total(),
            "truncated": comment_cut or correction_cut,
        }
        return record, counts


def _cut(text: str, max_bytes: int) -> tuple[str, bool]:
    """Return the text in at most `max_bytes` bytes of UTF-8, and whether something was cut."""
    encoded = text.encode()
    if len(encoded) <= max_bytes:
        return text, False
    return encoded[: max_bytes - len(CUT_MARK)].decode(errors="ignore") + CUT_MARK, True
