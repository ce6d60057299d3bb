"""Success rate, latency and cost of a module and signature: promtool on series that are written down."""

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist

import pytest

from headrace.config import Config
from headrace_schemas import latency
from tests.support.prometheus_rules import Scene, counter

CALL = {"module": "reviewer", "signature": "extract_requirements", "environment": "production"}
SUCCESS, LATENCY, COST = "HeadraceSuccessRateLow", "HeadraceLatencyHigh", "HeadraceCostHigh"
CRITICAL = {**CALL, "severity": "critical"}
WARNING = {**CALL, "severity": "warning"}


def _calls(scene: Scene, calls: Sequence[float], errors: Sequence[float | None] | None = None, **other: str) -> None:
    labels = {**CALL, "version": "v1", **other}
    scene.add("headrace_calls_total", calls, **labels)
    if errors is not None:
        scene.add("headrace_call_errors_total", errors, **labels, error_type="TimeoutError")


def test_a_success_rate_below_the_threshold_fires_and_resolves_and_one_above_does_not(scene: Scene) -> None:
    _calls(scene, counter((120, 20)), counter((30, 0), (30, 3), (60, 0)))
    _calls(scene, counter((120, 20)), counter((30, 0), (90, 0.8)), module="quiet")  # 96%
    _calls(scene, counter((120, 20)), counter((120, 1)), module="exactly")  # 95%
    _calls(scene, counter((120, 20)), module="without errors")
    scene.quiet(SUCCESS, 10, 20, 30)
    scene.fires(SUCCESS, 45, CRITICAL)
    scene.fires(SUCCESS, 60, CRITICAL)
    scene.quiet(SUCCESS, 77, 90, 120)
    scene.check()


def test_the_text_is_the_documents_and_tells_whoever_is_woken_up_where_to_look(scene: Scene) -> None:
    _calls(scene, counter((60, 20)), counter((60, 2.2)))
    scene.add("headrace_call_errors_total", counter((60, 0.6)), **CALL, version="v2", error_type="ValueError")
    scene.add("headrace_calls_total", counter((60, 5)), **CALL, version="v2")
    scene.says(
        SUCCESS,
        50,
        CRITICAL,
        {
            "summary": "DSPy module success rate < 95%: reviewer extract_requirements, now 88.8%",
            "description": "Alert: DSPy module success rate < 95%\n"
            "Module: reviewer\n"
            "Signature: extract_requirements\n"
            "Current: 88.8%\n"
            "Threshold: 95%\n"
            "Action: Investigate errors, consider rollback\n"
            "Environment: production\n"
            "Calls: 375 in 15 minutes, 42 failed\n"
            "Errors: TimeoutError in v1 (33), ValueError in v2 (9)",
            "runbook_url": "docs/operations.md#alert-headracesuccessratelow",
        },
    )
    scene.check()


def test_the_text_of_a_module_with_an_odd_name_has_its_figures_too(scene: Scene) -> None:
    odd = {**CALL, "module": 'a "b" \\ `c` {d} %s \u00fc'}
    _calls(scene, counter((60, 20)), counter((60, 2)), module=odd["module"])
    scene.says(
        SUCCESS,
        50,
        {**odd, "severity": "critical"},
        {
            "summary": f"DSPy module success rate < 95%: {odd['module']} extract_requirements, now 90%",
            "description": "Alert: DSPy module success rate < 95%\n"
            f"Module: {odd['module']}\n"
            "Signature: extract_requirements\n"
            "Current: 90%\n"
            "Threshold: 95%\n"
            "Action: Investigate errors, consider rollback\n"
            "Environment: production\n"
            "Calls: 300 in 15 minutes, 30 failed\n"
            "Errors: TimeoutError in v1 (30)",
            "runbook_url": "docs/operations.md#alert-headracesuccessratelow",
        },
    )
    scene.check()


def test_three_calls_at_night_and_up_to_49_in_a_window_page_nobody_though_all_fail(scene: Scene) -> None:
    _calls(scene, counter((60, 0), (1, 3), (60, 0)), counter((60, 0), (1, 3), (60, 0)))
    _calls(scene, counter((60, 0), (1, 48), (60, 0)), counter((60, 0), (1, 48), (60, 0)), module="more")
    _calls(scene, counter((60, 0), (1, 51), (60, 0)), counter((60, 0), (1, 51), (60, 0)), module="enough")
    scene.quiet(SUCCESS, 61)
    for minute in (63, 66, 70, 74):
        scene.fires(SUCCESS, minute, {**CRITICAL, "module": "enough"})
    scene.quiet(SUCCESS, 80, 100)
    scene.check()


def test_two_failures_are_no_evidence_whatever_the_threshold(scene_of: Callable[[Config], Scene]) -> None:
    scene = scene_of(Config.model_validate({"quality_thresholds": {"min_success_rate": 0.99}}))
    _calls(scene, counter((60, 4)), counter((40, 0), (1, 2), (19, 0)))  # 96.7%
    _calls(scene, counter((60, 4)), counter((40, 0), (1, 4), (19, 0)), module="more")
    scene.fires(SUCCESS, 45, {**CRITICAL, "module": "more"})
    scene.check()


def test_cancelled_calls_are_neither_failures_nor_calls(scene: Scene) -> None:
    _calls(scene, counter((60, 20)), counter((60, 0.5)))
    scene.add("headrace_calls_cancelled_total", counter((60, 15)), **CALL, version="v1")  # 90% of what is left
    scene.fires(SUCCESS, 50, CRITICAL)
    scene.check()


def test_a_restart_of_the_metrics_consumer_is_no_failure_and_hides_none(scene: Scene) -> None:
    calls, errors = counter((30, 20)), counter((30, 0))
    _calls(scene, [*calls, *counter((60, 20))], [*errors, *counter((60, 0))])
    _calls(scene, [*calls, *counter((60, 20))], [*counter((30, 3)), *counter((60, 3))], module="bad")
    for minute in (25, 31, 35, 44, 60):
        scene.fires(SUCCESS, minute, {**CRITICAL, "module": "bad"})
    scene.check()


def test_the_first_errors_of_a_class_count_though_they_come_with_the_series(scene: Scene) -> None:
    scene.add("up", counter((60, 0), start=1))
    _calls(scene, counter((60, 20)), [*[None] * 40, *counter((20, 0), start=40)])
    _calls(scene, counter((60, 20)), [*[None] * 40, *counter((20, 0), start=10)], module="few")
    scene.quiet(SUCCESS, 39)
    scene.fires(SUCCESS, 45, CRITICAL)
    scene.quiet(SUCCESS, 59)
    scene.check()


def test_what_a_new_prometheus_finds_is_the_past_and_fires_nothing(scene: Scene) -> None:
    scene.add("up", [*[None] * 30, *counter((30, 0), start=1)])
    _calls(scene, [*[None] * 30, *counter((30, 20), start=9_000)], [*[None] * 30, *counter((30, 0), start=4_000)])
    scene.quiet(SUCCESS, 31, 32, 40, 46, 60)
    scene.check()


def test_an_alert_resolves_when_its_series_are_gone(scene: Scene) -> None:
    _calls(scene, [*counter((40, 20)), *[None] * 30], [*counter((40, 3)), *[None] * 30])
    scene.fires(SUCCESS, 40, CRITICAL)
    scene.quiet(SUCCESS, 60)
    scene.check()


def _latencies(p99_s: float) -> list[float]:
    """Return 1000 latencies whose 99th percentile is known: quantiles of a lognormal distribution."""
    normal = NormalDist()
    scale = p99_s / math.exp(0.5 * normal.inv_cdf(0.99))
    return [scale * math.exp(0.5 * normal.inv_cdf((at + 0.5) / 1000)) for at in range(1000)]


def _histogram(
    scene: Scene, name: str, bounds: Sequence[float], phases: Sequence[tuple[int, Sequence[float]]], **other: str
) -> None:
    """Add a histogram in which, for so many minutes, these observations come in each."""
    labels = {**CALL, "version": "v1", **other}
    for bound, le in (*((bound, str(bound)) for bound in bounds), (math.inf, "+Inf")):
        per_minute = [(minutes, sum(value <= bound for value in values)) for minutes, values in phases]
        scene.add(f"{name}_bucket", counter(*per_minute), **labels, le=le)
        if le == "+Inf":
            scene.add(f"{name}_count", counter(*per_minute), **labels)


_DURATION = "gen_ai_client_operation_duration_seconds"


@pytest.mark.parametrize("bound_s", [0.16, 1.0, 2.56, 3.0, 5.0, 30.0])
def test_a_true_p99_just_below_any_bound_stays_quiet_and_one_just_above_fires(
    scene_of: Callable[[Config], Scene], bound_s: float
) -> None:
    config = Config.model_validate({"quality_thresholds": {"max_latency_p99_ms": bound_s * 1000}})
    scene = scene_of(config)
    below, above = _latencies(bound_s * 2.9 / 3), _latencies(bound_s * 3.1 / 3)
    _histogram(scene, _DURATION, latency.BOUNDS_S, [(60, below)], module="below")
    _histogram(scene, _DURATION, latency.BOUNDS_S, [(20, below), (20, above), (20, below)])
    scene.quiet(LATENCY, 15, 20)
    scene.fires(LATENCY, 38, WARNING)
    scene.quiet(LATENCY, 58)
    scene.check()


def test_a_p99_of_2_9_s_stays_quiet_and_3_1_s_fires_and_resolves_with_the_documents_text(scene: Scene) -> None:
    quick, slow = _latencies(2.9), _latencies(3.1)
    assert sorted(quick)[989] < 2.9 < sorted(quick)[991]
    assert sorted(slow)[989] < 3.1 < sorted(slow)[991]
    _histogram(scene, _DURATION, latency.BOUNDS_S, [(60, quick)], module="quick")
    _histogram(scene, _DURATION, latency.BOUNDS_S, [(20, quick), (20, slow), (20, quick)])
    scene.quiet(LATENCY, 15)
    scene.quiet(LATENCY, 58)
    scene.says(
        LATENCY,
        38,
        WARNING,
        {
            "summary": "DSPy module p99 latency > 3s: reviewer extract_requirements, now 3364ms",
            "description": "Alert: DSPy module p99 latency > 3s\n"
            "Module: reviewer\n"
            "Signature: extract_requirements\n"
            "Current: 3364ms\n"
            "Threshold: 3000ms\n"
            "Action: Optimize prompt, reduce context\n"
            "Environment: production\n"
            "Calls: 15000 in 15 minutes, 180 slower",
            "runbook_url": "docs/operations.md#alert-headracelatencyhigh",
        },
    )
    scene.check()


def test_one_slow_call_in_fifty_is_no_p99_and_a_p99_beyond_all_bounds_says_so(scene: Scene) -> None:
    _histogram(scene, _DURATION, latency.BOUNDS_S, [(40, [0.5] * 4), (1, [0.5, 0.5, 0.5, 200]), (19, [0.5] * 4)])
    _histogram(scene, _DURATION, latency.BOUNDS_S, [(60, [0.5] * 40 + [200])], module="very slow")
    scene.fires(LATENCY, 45, {**WARNING, "module": "very slow"})
    scene.says(
        LATENCY,
        45,
        {**WARNING, "module": "very slow"},
        {
            "summary": "DSPy module p99 latency > 3s: very slow extract_requirements, now over 81920ms",
            "description": "Alert: DSPy module p99 latency > 3s\n"
            "Module: very slow\n"
            "Signature: extract_requirements\n"
            "Current: over 81920ms\n"
            "Threshold: 3000ms\n"
            "Action: Optimize prompt, reduce context\n"
            "Environment: production\n"
            "Calls: 615 in 15 minutes, 15 slower",
            "runbook_url": "docs/operations.md#alert-headracelatencyhigh",
        },
    )
    scene.check()


_COST_BOUNDS = (0.01, 0.02, 0.05, 0.1, 0.2)


def test_a_p99_of_cost_above_the_threshold_fires_and_resolves(scene: Scene) -> None:
    cheap, dear = _latencies(0.048), _latencies(0.052)
    for module, phases in (("cheap", [(60, cheap)]), ("reviewer", [(20, cheap), (20, dear), (20, cheap)])):
        _histogram(scene, "headrace_call_cost_usd", _COST_BOUNDS, phases, module=module)
        scene.add("headrace_calls_sampled_total", counter((60, 100)), **{**CALL, "version": "v1", "module": module})
    scene.quiet(COST, 15, 20, 58)
    scene.fires(COST, 38, WARNING)
    scene.says(
        COST,
        38,
        WARNING,
        {
            "summary": "DSPy module p99 cost > $0.05: reviewer extract_requirements, now $0.0583",
            "description": "Alert: DSPy module p99 cost > $0.05\n"
            "Module: reviewer\n"
            "Signature: extract_requirements\n"
            "Current: $0.0583\n"
            "Threshold: $0.05\n"
            "Action: Look for a dearer model, longer prompts or retries, consider rollback\n"
            "Environment: production\n"
            "Calls: 1500 sampled in 15 minutes, 1.2% dearer",
            "runbook_url": "docs/operations.md#alert-headracecosthigh",
        },
    )
    scene.check()


def test_cost_needs_sampled_calls_for_one_of_them_stands_for_many(scene: Scene) -> None:
    # Each sampled call weighs 100: 300 calls a minute, 3 of them sampled, 1 dear.
    for module, per_minute in (("few", 3), ("reviewer", 6)):
        weights = [0.01] * (per_minute * 100 - 100) + [0.09] * 100
        _histogram(scene, "headrace_call_cost_usd", _COST_BOUNDS, [(60, weights)], module=module)
        sampled = counter((60, per_minute))
        scene.add("headrace_calls_sampled_total", sampled, **{**CALL, "version": "v1", "module": module})
    scene.fires(COST, 50, WARNING)
    scene.check()
