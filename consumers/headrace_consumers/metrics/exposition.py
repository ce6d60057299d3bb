"""The page of the metrics consumer, out of what its state shows. Pure."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from headrace_consumers.metrics.estimates import MIN_REQUESTS, Estimate, mean_of, requests_in, share_of
from headrace_consumers.metrics.labels import OTHER
from headrace_consumers.metrics.samples import Observation
from headrace_consumers.metrics.standing import Standing, judge
from headrace_consumers.metrics.state import Shown
from headrace_consumers.monitoring.about import add_build
from headrace_consumers.monitoring.catalogue import consumers, metric, samples
from headrace_consumers.monitoring.catalogue import producers as names
from headrace_consumers.monitoring.catalogue.calls import CALL_DURATION
from headrace_consumers.monitoring.metric import Kind, Metric
from headrace_consumers.monitoring.page import Page
from headrace_consumers.statistics.beginning import RECALL_MS
from headrace_consumers.statistics.producers import Producer

__all__ = ["page_of"]

_NAME: Final = "metrics"


def page_of(
    shown: Shown,
    standing: Standing,
    *,
    now: float,
    now_ms: int,
    bounds_usd: Sequence[float] = samples.COST_BOUNDS_USD,
) -> Page:
    """Return the page.

    Args:
        shown: what to show.
        standing: how the loop stands.
        now: seconds, monotonic.
        now_ms: Unix time.
        bounds_usd: of the cost histogram.
    """
    page = Page()
    for (name, labels), vector in shown.series.items():
        each = metric(name)
        if each.kind is Kind.histogram:
            is_cost, is_duration = each is samples.CALL_COST, each is CALL_DURATION
            page.add_histogram(
                each,
                vector,
                *labels,
                bounds=bounds_usd if is_cost else None,
                exemplars=shown.exemplars.get(labels) if is_duration else None,
            )
        else:
            page.add(each, vector[0], *labels)
    _add_producers(page, [each for each in shown.producers if _is_alive(each, now_ms)])
    _add_estimates(page, shown)
    _add_own(page, shown)
    _add_standing(page, standing, now, now_ms)
    return page


def _is_alive(producer: Producer, now_ms: int) -> bool:
    """Tell whether it has not said that it ends and was not silent for as long as a restart looks back."""
    return not producer.is_last and now_ms - producer.appended_ms <= RECALL_MS


def _add_producers(page: Page, producers: Sequence[Producer]) -> None:
    for (service, environment), count in Counter((each.service, each.environment) for each in producers).items():
        page.add(names.PRODUCER_COUNT, count, service, environment)
    latest: dict[tuple[str, str, str], list[Producer]] = {}
    for each in sorted(producers, key=lambda each: each.timestamp_ms):
        several = latest.setdefault((each.service, each.environment, each.instance), [])
        if each.instance != OTHER:
            several.clear()  # a process of this name that began before, and was killed
        several.append(each)
    for whose, several in sorted(latest.items()):
        page.add(names.LAST_REPORT, max(each.appended_ms for each in several) / 1000, *whose)
        page.add(names.SPOOL_BYTES, sum(each.spool_bytes for each in several), *whose)
        page.add(names.IMBALANCE, _imbalance_of(several), *whose)
        for term in several[0].terms:
            page.add(names.PRODUCER_RECORDS, sum(each.terms[term] for each in several), *whose, term)


def _imbalance_of(several: Sequence[Producer]) -> int:
    """Return a producer's imbalance with its sign; of several, how many records there are: +1 and -1 do not cancel."""
    return several[0].imbalance if len(several) == 1 else sum(abs(each.imbalance) for each in several)


def _add_estimates(page: Page, shown: Shown) -> None:
    for whose, observations in sorted(shown.observations.items()):
        page.add(samples.QUALITY_REQUESTS, requests_in([each.request_id for each in observations]), *whose)
        for metric_, figure, estimate in _MEASURED:
            known = [(each.request_id, each.weight, y) for each in observations if (y := figure(each)) is not None]
            requests, weights, values = zip(*known, strict=True) if known else ((), (), ())
            if requests_in(requests) < MIN_REQUESTS:
                continue
            found = estimate(requests, weights, values)
            for bound, value in (("estimate", found.value), ("lower", found.lower), ("upper", found.upper)):
                page.add(metric_, value, *whose, bound)


_MEASURED: Final[tuple[tuple[Metric, Callable[[Observation], float | None], Callable[..., Estimate]], ...]] = (
    (samples.QUALITY_SUCCESS, lambda each: each.success, share_of),
    (samples.QUALITY_LATENCY, lambda each: each.latency_s, mean_of),
    (samples.QUALITY_COST, lambda each: each.cost_usd, mean_of),
    (samples.QUALITY_TOKENS, lambda each: each.tokens, mean_of),
)


def _add_own(page: Page, shown: Shown) -> None:
    for topic, count in shown.records.items():
        page.add(consumers.RECORDS, count, topic)
    for (topic, reason), count in shown.unreadable.items():
        page.add(consumers.UNREADABLE, count, topic, reason)
    for result, count in shown.results.items():
        page.add(consumers.STATISTICS, count, result)
    for result, count in shown.samples.items():
        page.add(consumers.SAMPLES, count, result)
    for name, count in shown.overflow.items():
        page.add(consumers.OVERFLOW, count, name)
    page.add(consumers.FORGOTTEN, shown.forgotten)


def _add_standing(page: Page, standing: Standing, now: float, now_ms: int) -> None:
    is_healthy, is_ready, _ = judge(standing, now)
    add_build(page, _NAME)
    page.add(consumers.HEALTHY, is_healthy, _NAME)
    page.add(consumers.READY, is_ready, _NAME)
    page.add(consumers.KAFKA_SILENT, standing.kafka_silent_s, _NAME)
    for metric_, at_ms in (
        (consumers.LAST_COMMIT, standing.committed_at_ms),
        (consumers.LAST_SCRAPE, standing.scraped_at_ms),
    ):
        if at_ms is not None:
            page.add(metric_, at_ms / 1000, _NAME)
    if standing.is_cut_off:  # and nobody knows what waits in Kafka
        return
    for (topic, partition), each in sorted(standing.partitions.items()):
        if each.lag is not None:
            page.add(consumers.LAG_RECORDS, each.lag, topic, str(partition))
        lag_s = each.lag_s(now_ms)
        if lag_s is not None:
            page.add(consumers.LAG_SECONDS, lag_s, topic, str(partition))
