"""The producer's own figures in a service's Prometheus registry, read at each scrape.

    import headrace.prometheus
    headrace.prometheus.register()                     # needs prometheus-client: pip install 'headrace[prometheus]'

Exact and cumulative since this process began to count; a new configuration and a forked child begin at zero, which
Prometheus takes for a restart. In prometheus-client's multiprocess mode (PROMETHEUS_MULTIPROC_DIR) a scrape asks one
process, and custom collectors are not added up: use the metrics of the statistics topic there, which has all processes.
"""

import logging
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from glob import escape
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from headrace.errors import UsageError
from headrace.runtime import slot
from headrace_schemas.latency import BOUNDS_S

try:
    from prometheus_client import REGISTRY, CollectorRegistry
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
except ModuleNotFoundError as error:
    raise UsageError("headrace.prometheus: prometheus-client is missing: pip install 'headrace[prometheus]'") from error

if TYPE_CHECKING:
    from headrace.config import Config
    from headrace.ledger import Stats
    from headrace_schemas import CallStatistics

__all__ = ["ProducerCollector", "register"]

logger = logging.getLogger("headrace")

_Plain: TypeAlias = CounterMetricFamily | GaugeMetricFamily
Family: TypeAlias = _Plain | HistogramMetricFamily

_CALL: Final = ("module", "version", "signature", "arm")
_BUCKETS: Final = (*(str(bound_s) for bound_s in BOUNDS_S), "+Inf")


class ProducerCollector:
    """Reads `headrace.stats()` and the exact counters of the configuration in place. A scrape never fails for it."""

    def __init__(self) -> None:
        self._has_failed = False

    def describe(self) -> list[Family]:
        """Return the metrics without figures, so that a name that is taken is found at registration."""
        return [*_of_records(None), *_of_log(None), *_of_calls(())]

    def collect(self) -> list[Family]:
        """Return the metrics of this moment; empty ones where nothing was configured yet."""
        try:
            runtime = slot.runtime
            if runtime is None:
                return self.describe()
            return [
                *_of_records(runtime.pipeline.stats()),
                *_of_log(runtime.config),
                *_of_calls(runtime.pipeline.counters.snapshot()),
            ]
        except Exception as error:
            if not self._has_failed:
                self._has_failed = True
                logger.warning("headrace: no metrics for this scrape (%s)", type(error).__name__)
            return []


def register(registry: CollectorRegistry = REGISTRY) -> ProducerCollector:
    """Add the producer's metrics to a registry, once; a second call changes nothing.

    Args:
        registry: the service's own; by default prometheus-client's.

    Returns:
        The collector, for `registry.unregister`.

    Raises:
        UsageError: the registry has other metrics of these names.
    """
    taken: dict[str, Any] = getattr(registry, "_names_to_collectors", {})
    present = next((collector for collector in taken.values() if isinstance(collector, ProducerCollector)), None)
    if present is not None:
        return present
    collector = ProducerCollector()
    try:
        registry.register(collector)
    except ValueError as error:
        raise UsageError(f"headrace.prometheus.register: {error}; give a registry of its own") from error
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        logger.warning(
            "headrace: in prometheus-client's multiprocess mode a scrape shows only the process that answers it"
        )
    return collector


def _of_records(stats: "Stats | None") -> Iterator[Family]:
    def single(family: _Plain, figure: str) -> Family:
        if stats is not None:
            family.add_metric([], getattr(stats, figure))
        return family

    def labelled(family: _Plain, figure: str) -> Family:
        for name, count in sorted(getattr(stats, figure, {}).items()):
            family.add_metric([name], count)
        return family

    records = "headrace_producer_records"
    yield single(CounterMetricFamily(f"{records}_sampled", "Calls chosen for capture, and feedback."), "sampled")
    yield single(CounterMetricFamily(f"{records}_adopted", "Records of dead processes, taken over."), "adopted")
    yield single(CounterMetricFamily(f"{records}_delivered", "Records that Kafka or the log took."), "delivered")
    yield labelled(
        CounterMetricFamily(f"{records}_dropped", "Records that were lost, by reason.", labels=["reason"]), "dropped"
    )
    yield single(GaugeMetricFamily(f"{records}_spooled", "Records that wait on disk."), "spooled")
    yield single(GaugeMetricFamily(f"{records}_in_flight", "Records in memory, not delivered yet."), "in_flight")
    yield labelled(
        CounterMetricFamily("headrace_producer_redactions", "Replaced substrings, by kind.", labels=["kind"]),
        "redactions",
    )
    yield labelled(
        CounterMetricFamily(
            "headrace_producer_program_failures",
            "Program versions that the router did not use, by reason.",
            labels=["reason"],
        ),
        "program_failures",
    )


def _of_log(config: "Config | None") -> Iterator[Family]:
    """Yield the size of the JSON Lines log, with its rotated files and those beside it, where records go into one."""
    family = GaugeMetricFamily("headrace_producer_log_bytes", "Size on disk of the JSON Lines log.")
    if config is not None and config.kafka.bootstrap_servers is None:
        log = Path(config.telemetry.log_file_path)
        size = 0
        for file in log.parent.glob(f"{escape(log.stem)}.*"):
            with suppress(OSError):  # rotated meanwhile
                size += file.stat().st_size
        family.add_metric([], size)
    yield family


def _of_calls(calls: "Sequence[CallStatistics]") -> Iterator[Family]:
    errors = CounterMetricFamily(
        "headrace_producer_call_errors", "Failed calls, by the error's class.", labels=[*_CALL, "error_type"]
    )
    cancelled = CounterMetricFamily("headrace_producer_calls_cancelled", "Calls that were cancelled.", labels=_CALL)
    duration = HistogramMetricFamily(
        "headrace_producer_call_duration_seconds", "Every call, sampled or not.", labels=_CALL
    )
    for names, total in _by_arm(calls).items():
        for error_type, count in sorted(total.errors.items()):
            errors.add_metric([*names, error_type], count)
        cancelled.add_metric(names, total.cancelled)
        duration.add_metric(names, list(zip(_BUCKETS, accumulate(total.counts), strict=True)), total.latency_s_sum)
    yield from (errors, cancelled, duration)


class _Total:
    """The calls of a module, version, signature and arm, in all stages of a rollout."""

    def __init__(self) -> None:
        self.errors: Counter[str] = Counter()
        self.cancelled = 0
        self.counts = [0] * len(_BUCKETS)
        self.latency_s_sum = 0.0

    def add(self, series: "CallStatistics") -> None:
        for error in series["errors"]:
            self.errors[error["name"]] += error["count"]
        self.cancelled += series["cancelled"]
        self.counts = [one + other for one, other in zip(self.counts, series["latency_counts"], strict=True)]
        self.latency_s_sum += series["latency_s_sum"]


def _by_arm(calls: "Sequence[CallStatistics]") -> dict[tuple[str, ...], _Total]:
    totals: dict[tuple[str, ...], _Total] = {}
    for each in calls:
        names = (each["module_name"], each["module_version"], each["signature"], each["arm"])
        totals.setdefault(names, _Total()).add(each)
    return totals
