"""How often a signature was called, sampled or not: the producers' exact counters."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from headrace.config import Config
from headrace_consumers.topics.reading import TopicReader
from headrace_schemas import DecodeError, Statistics, statistics_codec

__all__ = ["Calls", "calls_of", "summed"]

NEWEST: Final = 20_000
"""So many records of the statistics topic are looked at."""


@dataclass(frozen=True, slots=True)
class Calls:
    """A signature's calls.

    Attributes:
        calls: every call that ended, sampled or not.
        errors: of these, failed ones.
        sampled: of these, sampled ones.
        processes: producers that counted them.
        since_ms: when the first of these began to count, Unix time; None: none did.
    """

    calls: int
    errors: int
    sampled: int
    processes: int
    since_ms: int | None


def calls_of(config: Config, signature: str) -> Calls:
    """Return what the producers of whom there is a record lately have counted, each since it began.

    Raises:
        ConfigError, TopicError: the statistics topic cannot be read.
    """
    reader = TopicReader(config, config.kafka.topics.statistics)
    bounds = reader.bounds()
    each = -(-NEWEST // max(1, len(bounds)))
    latest: dict[str, Statistics] = {}
    codec = statistics_codec()
    for message in reader.read(starts={p: high - each for p, (_, high) in bounds.items()}):
        try:
            record = codec.decode(message.value() or b"")
        except DecodeError:
            continue
        known = latest.get(record["instance"])
        if known is None or known["sequence"] < record["sequence"]:
            latest[record["instance"]] = record
    return summed(latest.values(), signature)


def summed(records: Iterable[Statistics], signature: str) -> Calls:
    """Return the sum over the latest record of each instance."""
    calls = errors = sampled = 0
    since: list[int] = []
    for record in records:
        own = [each for each in record["calls"] if each["signature"] == signature]
        if own:
            since.append(record["started_at_ms"])
        for each in own:
            calls += each["calls"]
            errors += sum(kind["count"] for kind in each["errors"])
            sampled += sum(usage["sampled"] for usage in each["usage"])
    return Calls(calls, errors, sampled, len(since), min(since, default=None))
