"""What the statistics of the last minutes tell of each module: calls and failures, whichever process made them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from headrace_consumers.statistics.producers import Producers
from headrace_consumers.statistics.series import Series, why_unusable
from headrace_schemas import DecodeError, Registry, Statistics, statistics_codec

__all__ = ["Observed", "observed"]

_CALLS: Final = "calls"


@dataclass(slots=True)
class Observed:
    """A module of a service in an environment.

    Attributes:
        environment: telemetry.environment.
        service: telemetry.service; empty: it has no name.
        module: as in statistics.
        signatures: of its calls.
        calls: that ended in the window and were not cancelled.
        failures: of these.
        sampled: calls that were sampled, each model's.
    """

    environment: str
    service: str
    module: str
    signatures: set[str] = field(default_factory=set)
    calls: float = 0.0
    failures: float = 0.0
    sampled: float = 0.0


def observed(messages: Iterable[Any], registry: Registry | None = None) -> list[Observed]:
    """Return what modules did, the busiest first.

    Args:
        messages: confluent-kafka's, of the statistics topic, each partition's in offset order. Of a producer that was
            there before them, the first is where counting begins.
        registry: the schemas that it may meet.
    """
    codec = statistics_codec(registry)
    producers: dict[int, Producers] = {}
    found: dict[tuple[str, str, str], Observed] = {}
    for message in messages:
        if message.value() is None:
            continue
        try:
            record = codec.decode(message.value())
        except DecodeError:  # the metrics consumer tells of it
            continue
        if why_unusable(record) is not None:
            continue
        appended_ms = max(0, message.timestamp()[1])
        of_partition = producers.setdefault(message.partition(), Producers())
        grown = of_partition.take(record, _series_of(record), appended_ms, appended_ms).series
        for (_, (module, signature)), (calls, failures, sampled) in grown.items():
            whose = (record["environment"], record["service"], module)
            each = found.setdefault(whose, Observed(*whose))
            each.signatures.add(signature)
            each.calls += calls
            each.failures += failures
            each.sampled += sampled
    return sorted(found.values(), key=lambda each: (-each.calls, each.environment, each.service, each.module))


def _series_of(record: Statistics) -> Series:
    series: Series = {}
    for row in record["calls"]:
        key = (_CALLS, (row["module_name"], row["signature"]))
        failures = sum(error["count"] for error in row["errors"])
        sampled = sum(each["sampled"] for each in row["usage"])
        told = (row["calls"] - row["cancelled"], failures, sampled)
        series[key] = [a + b for a, b in zip(series.get(key, (0.0, 0.0, 0.0)), told, strict=True)]
    return series
