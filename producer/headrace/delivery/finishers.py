"""From what was captured to what leaves the process: each kind has its finisher. Pure."""

from collections import Counter

from headrace.captured import Captured, CapturedFeedback
from headrace.config import Config
from headrace.delivery.finishing import Finisher
from headrace.delivery.finishing_feedback import FeedbackFinisher
from headrace.delivery.outgoing import Outgoing

__all__ = ["Finishers"]


class Finishers:
    """Finishes calls and feedback.

    Args:
        config: the configuration.
        instance: this producer process.
    """

    def __init__(self, config: Config, instance: str) -> None:
        self._calls = Finisher(config, instance)
        self._feedback = FeedbackFinisher(config, instance, self._calls)

    def finish(self, captured: Captured) -> tuple[Outgoing, Counter[str]]:
        """Return the record on its way, and what redaction replaced in it, by kind.

        Raises:
            CanonicalizationError: a value that has no canonical JSON.
        """
        if isinstance(captured, CapturedFeedback):
            feedback, redactions = self._feedback.finish(captured)
            return Outgoing("feedback", feedback), redactions
        interaction, redactions = self._calls.finish(captured)
        return Outgoing("interaction", interaction), redactions
