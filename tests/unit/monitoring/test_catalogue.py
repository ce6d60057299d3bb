"""The list of all metrics keeps the rules of Prometheus, and its page is current."""

import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily

from headrace.config import Config
from headrace.prometheus import ProducerCollector
from headrace_consumers.metrics import names
from headrace_consumers.monitoring.catalogue import METRICS, metric
from headrace_consumers.monitoring.catalogue.calls import CALL_DURATION
from headrace_consumers.monitoring.catalogue.samples import COST_BOUNDS_USD
from headrace_consumers.monitoring.metric import Kind, Metric, Server
from headrace_consumers.monitoring.reference import reference
from headrace_schemas import latency

_PAGE = Path(__file__).parents[3] / "docs" / "reference" / "metrics.md"
_NAME = re.compile(r"(headrace|gen_ai)_[a-z0-9_]+")


@pytest.mark.parametrize("each", METRICS, ids=lambda each: each.name)
def test_a_metric_keeps_the_rules_of_prometheus(each: Metric) -> None:
    assert _NAME.fullmatch(each.name)
    assert each.name.endswith("_total") == (each.kind is Kind.counter)
    assert not each.name.endswith(("_bucket", "_count", "_sum", "_info")) or each.name == "headrace_build_info"
    assert bool(each.bounds) == (each.kind is Kind.histogram)
    assert list(each.bounds) == sorted(set(each.bounds))
    assert re.fullmatch(r".+\.", each.help)
    assert each.served_by
    # Prometheus gives these two itself to whatever it scrapes; a histogram's `le` is no label of ours.
    assert not {"instance", "job", "le"} & set(each.labels)


def test_no_name_is_there_twice_and_no_family_is_another_ones_sample() -> None:
    assert len({each.name for each in METRICS}) == len(METRICS)
    samples = {f"{each.name}{end}" for each in METRICS if each.kind is Kind.histogram for end in ("_count", "_sum")}
    assert not samples & {each.name for each in METRICS}


def test_a_metric_is_found_by_its_name() -> None:
    assert metric("gen_ai_client_operation_duration_seconds") is CALL_DURATION
    assert names.metric is metric
    assert CALL_DURATION.family == "gen_ai_client_operation_duration_seconds"
    assert metric("headrace_calls_total").family == "headrace_calls"


def test_the_default_thresholds_are_bounds_of_their_histograms() -> None:
    thresholds = Config().quality_thresholds
    assert thresholds.max_cost_p99_usd in COST_BOUNDS_USD
    assert thresholds.max_latency_p99_ms / 1000 in CALL_DURATION.bounds == latency.BOUNDS_S


def test_what_a_service_registers_stands_in_the_list() -> None:
    registry = CollectorRegistry()
    registry.register(ProducerCollector())
    found = {}
    for family in ProducerCollector().describe():
        kind = Kind.histogram if isinstance(family, HistogramMetricFamily) else Kind(family.type)
        name = f"{family.name}_total" if kind is Kind.counter else family.name
        found[name] = (kind, family.documentation, tuple(family._labelnames))
    assert found == {
        each.name: (each.kind, each.help, each.labels) for each in METRICS if Server.service in each.served_by
    }


def test_the_page_is_current() -> None:
    assert _PAGE.read_text(encoding="utf-8") == reference(), "run `make reference`"
