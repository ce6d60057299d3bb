"""For how long no broker has answered a consumer's client, by what librdkafka tells of its connections.

A broker that is away delivers nothing, as one does that has nothing: neither polling nor the positions tell them apart.
A client that is alive hears of a broker every few seconds, for it fetches and tells the group that it lives.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

import structlog

__all__ = ["SILENT_S", "BrokerSilence", "answered_us_ago"]

SILENT_S: Final = 30.0
"""For so long without an answer, Kafka is away: ten heartbeats of a consumer."""

_INTERVAL_MS: Final = 2_000
_OPEN: Final = frozenset({"UP", "UPDATE", "REAUTH"})
"""States of a connection on which requests are answered; one that is refused a password never gets there."""

log = structlog.get_logger("headrace.kafka")


class BrokerSilence:
    """Takes in the statistics of one client.

    Attributes:
        seconds: how long ago any broker last answered, as of the newest statistics; 0: there were none yet.
        options: to be given to the client.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.options: Mapping[str, Any] = {"stats_cb": self.take, "statistics.interval.ms": _INTERVAL_MS}
        self._answered_us: float | None = None
        self._is_told = False

    @property
    def is_long(self) -> bool:
        """Whether Kafka is away."""
        return self.seconds > SILENT_S

    def take(self, text: str) -> None:
        """Take in statistics, JSON. They have their own time, for a busy loop takes in several at once."""
        statistics = json.loads(text)
        now_us: float = statistics["ts"]
        ago_us = answered_us_ago(statistics)
        if ago_us is not None:
            self._answered_us = now_us - ago_us
        elif self._answered_us is None:
            self._answered_us = now_us - statistics["age"]  # not since the client is there
        self.seconds = max(0.0, (now_us - self._answered_us) / 1e6)
        if self.is_long and not self._is_told:
            log.warning("no broker answers", for_s=round(self.seconds))
        elif self._is_told and not self.is_long:
            log.info("a broker answers again")
        self._is_told = self.is_long


def answered_us_ago(statistics: Mapping[str, Any]) -> float | None:
    """Return how many microseconds ago a broker answered on a connection that is open; None: none is.

    Args:
        statistics: librdkafka's, decoded.
    """
    brokers = statistics["brokers"].values()
    return min((each["rxidle"] for each in brokers if each["state"] in _OPEN and each["rxidle"] >= 0), default=None)
