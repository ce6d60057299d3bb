"""Thresholds, scorers and what an unknown value means."""

import pytest

from headrace.config import load
from headrace_consumers.dataset.judging.filter import Filter
from headrace_consumers.dataset.judging.quality import score_fields, score_legacy
from tests.support.interactions import interaction


def judge(filters=None, output=None, **changes):
    config = load(None, {"filters": filters or {}}, {})
    return Filter(config.filters).judge(interaction(**changes), {"answer": "x"} if output is None else output)


def test_a_good_record_passes():
    verdict = judge()
    assert (verdict.reason, verdict.quality, verdict.unknown) == (None, 1.0, ())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"success": False}, "failed"),
        ({"truncated": True}, "truncated"),
        ({"latency_ms": 5000.0}, None),
        ({"latency_ms": 5000.001}, "latency"),
        ({"cost_usd": 0.10}, None),
        ({"cost_usd": 0.1000001}, "cost"),
    ],
)
def test_each_threshold_and_a_value_equal_to_it(changes, reason):
    assert judge(**changes).reason == reason


def test_only_records_of_the_environments_named_become_examples():
    assert judge(environment="production").reason is None
    assert judge(environment="staging").reason == "environment"
    assert judge(environment="staging", success=False).reason == "environment"
    assert judge({"environments": ["staging", "canary"]}, environment="staging").reason is None
    assert judge({"environments": ["staging"]}, environment="production").reason == "environment"


def test_quality_equal_to_the_threshold_passes():
    output = {"a": "x", "b": "x", "c": "x", "d": None}
    assert judge({"default": {"min_quality_score": 0.75}}, output).reason is None
    assert judge({"default": {"min_quality_score": 0.76}}, output).reason == "quality"


def test_the_first_reason_that_applies_is_counted():
    assert judge(success=False, latency_ms=9e9, cost_usd=9.0).reason == "failed"


def test_unknown_values_pass_and_are_named():
    verdict = judge(latency_ms=None, cost_usd=None, tokens=None)
    assert verdict.reason is None
    assert verdict.unknown == ("latency_ms", "cost_usd", "tokens")


def test_a_signature_keeps_what_it_does_not_change():
    filters = {"default": {"max_cost_usd": 0.01}, "signatures": {"slow_one": {"max_latency_ms": 60_000}}}
    assert judge(filters, signature="slow_one", latency_ms=50_000.0, cost_usd=0.005).reason is None
    assert judge(filters, signature="slow_one", latency_ms=50_000.0, cost_usd=0.02).reason == "cost"
    assert judge(filters, signature="other", latency_ms=50_000.0, cost_usd=0.005).reason == "latency"


def test_failed_calls_pass_where_success_is_not_required():
    assert judge({"default": {"require_success": False}}, success=False).reason is None


@pytest.mark.parametrize(
    ("output", "score"),
    [
        ({"label": "A"}, 1.0),
        ({"label": 0, "sure": False}, 1.0),
        ({"label": "A", "why": ""}, 0.5),
        ({"label": "A", "why": " \n"}, 0.5),
        ({"label": "A", "why": None}, 0.5),
        ({"label": [], "why": {}}, 0.0),
        ({"label": "<unencodable Widget>", "why": "b"}, 0.5),
        ({}, 0.0),
    ],
)
def test_the_default_scorer_counts_missing_and_empty_fields_only(output, score):
    assert score_fields(interaction(), output) == score


def test_the_legacy_scorer_multiplies_its_heuristics():
    short = interaction(output='{"a":1}', latency_ms=50.0, tokens=10)
    assert score_legacy(short, {}) == pytest.approx(0.5 * 0.8 * 0.7)
    slow = interaction(output='{"answer":"long enough output"}', latency_ms=31_000.0, tokens=50)
    assert score_legacy(slow, {}) == pytest.approx(0.9)
    unknown = interaction(output='{"answer":"long enough output"}', latency_ms=None, tokens=None)
    assert score_legacy(unknown, {}) == 1.0


def test_the_scorer_is_chosen_by_name():
    record = {"output": '{"a":1}', "latency_ms": 500.0}
    config = load(None, {"filters": {"signatures": {"old": {"scorer": "legacy"}}}}, {})
    filter_ = Filter(config.filters)
    assert filter_.judge(interaction(signature="old", **record), {"a": 1}).reason == "quality"
    assert filter_.judge(interaction(signature="new", **record), {"a": 1}).reason is None
