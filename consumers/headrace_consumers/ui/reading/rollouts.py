"""Rollouts and decisions, as the rollout topic has them: read as by `headrace rollout status`, taking nothing over."""

from dataclasses import dataclass
from typing import Final

from headrace_consumers.rollout.state import Found, State, found_in
from headrace_consumers.topics.reading import TopicReader
from headrace_consumers.ui.reading.broker import insist_on_broker
from headrace_consumers.ui.reading.producers import WAIT_S
from headrace_consumers.ui.sources import Sources

__all__ = ["AWAY_S", "Controller", "controller", "rollouts"]

AWAY_S: Final = 60
"""A controller writes more often than that."""


@dataclass(frozen=True, slots=True)
class Controller:
    """Who decides by the figures.

    Attributes:
        is_needed: whether a rollout is under way.
        silent_s: since something was written; None: nothing ever was.
    """

    is_needed: bool
    silent_s: int | None

    @property
    def is_away(self) -> bool:
        """Whether nobody decides although somebody should."""
        return self.is_needed and (self.silent_s is None or self.silent_s > AWAY_S)


def rollouts(sources: Sources) -> Found:
    """Return each module's last rollout, and all decisions, the oldest first.

    Raises:
        TopicError: the topic cannot be read.
        StateError: it holds something else.
    """
    insist_on_broker(sources)
    topic = sources.config.kafka.topics.rollout
    reader = TopicReader(sources.config, topic, WAIT_S)
    version = tuple(sorted(reader.bounds().items()))
    return sources.kept(("rollouts", topic), version, lambda: found_in(reader.read()))


def controller(state: State, now_ms: int) -> Controller:
    """Return whether somebody decides.

    Args:
        state: the newest.
        now_ms: Unix time.
    """
    silent_s = max(0, round((now_ms - state.written_at_ms) / 1000)) if state.written_at_ms else None
    return Controller(any(each.is_comparing for each in state.experiments.values()), silent_s)
