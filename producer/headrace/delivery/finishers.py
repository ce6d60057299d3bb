"""From what was captured to what leaves the process: each kind has its finisher."""

from collections import Counter

from headrace.captured import Captured, CapturedFeedback
from headrace.config import Config
from headrace.delivery.finishing import Finisher
from headrace.delivery.finishing_feedback import FeedbackFinisher
from headrace.delivery.huge_integers import without_huge_integers
from headrace.delivery.outgoing import Outgoing
from headrace.delivery.protection import Protection
from headrace_schemas import CanonicalizationError

__all__ = ["Finishers"]


class Finishers:
    """Finishes calls and feedback.

    Args:
        config: the configuration.
        instance: this producer process.
        protection: hides and encrypts.
    """

    def __init__(self, config: Config, instance: str, protection: Protection) -> None:
        self._calls = Finisher(config, instance, protection)
        self._feedback = FeedbackFinisher(config, instance, protection)

    def finish(self, captured: Captured) -> tuple[Outgoing, Counter[str]]:
        """Return the record on its way, and what redaction replaced in it, by kind.

        Raises:
            CanonicalizationError: a value that has no canonical JSON.
            RedactorError: one of the service's own redactors failed or took too long.
        """
        try:
            return self._finish(captured)
        except CanonicalizationError:
            return self._finish(without_huge_integers(captured))

    def _finish(self, captured: Captured) -> tuple[Outgoing, Counter[str]]:
        if isinstance(captured, CapturedFeedback):
            feedback, redactions = self._feedback.finish(captured)
            return Outgoing("feedback", feedback), redactions
        interaction, redactions = self._calls.finish(captured)
        return Outgoing("interaction", interaction), redactions
