"""How fast failures use up the error budget: each pair of windows."""

from collections.abc import Callable

from headrace.config import Config
from headrace.config.alerts import Alerts
from tests.support.prometheus_rules import Scene, counter

BURN = "HeadraceErrorBudgetBurn"
CALL = {"module": "reviewer", "signature": "extract_requirements", "environment": "production"}
HOUR = 60


def _fires(window: str, severity: str = "critical", **other: str) -> dict[str, str]:
    return {**CALL, "severity": severity, "window": window, **other}


def _only(at: int) -> Config:
    """Return a configuration with one of the default's burn rates."""
    return Config(alerts=Alerts(burn_rates=Alerts().burn_rates[at : at + 1]))


def _calls(scene: Scene, per_step: float, *failing: tuple[int, float], **other: str) -> None:
    """Add calls, so many a step, of which a share fails for so many steps each."""
    steps = sum(number for number, _ in failing)
    labels = {**CALL, "version": "v1", **other}
    scene.add("headrace_calls_total", counter((steps, per_step)), **labels)
    errors = counter(*((number, share * per_step) for number, share in failing))
    scene.add("headrace_call_errors_total", errors, **labels, error_type="TimeoutError")


def test_over_72_percent_in_an_hour_and_in_five_minutes_fires_until_the_short_window_is_well(
    scene_of: Callable[[Config], Scene],
) -> None:
    scene = scene_of(_only(0))
    _calls(scene, 10, (60, 0), (60, 0.8), (60, 0))
    _calls(scene, 10, (60, 0), (60, 0.7), (60, 0), module="less")
    scene.quiet(BURN, 60, 100)
    scene.fires(BURN, 118, _fires("1h"))
    scene.says(
        BURN,
        120,
        _fires("1h"),
        {
            "summary": "DSPy module uses up its error budget 14.4 times too fast: "
            "reviewer extract_requirements, now 80% failed in 1 hour",
            "description": "Alert: DSPy module uses up its error budget 14.4 times too fast\n"
            "Module: reviewer\n"
            "Signature: extract_requirements\n"
            "Current: 80% failed in 1 hour\n"
            "Threshold: 72%\n"
            "Action: Investigate errors, consider rollback\n"
            "Environment: production\n"
            "Calls: 600 in 1 hour, 480 failed",
            "runbook_url": "docs/operations.md#alert-headraceerrorbudgetburn",
        },
    )
    scene.quiet(BURN, 126, 150, 180)
    scene.check()


def test_over_30_percent_in_six_hours_and_in_half_an_hour_fires(
    scene_of: Callable[[Config], Scene],
) -> None:
    scene = scene_of(_only(1))
    scene.every_s = 180
    steps = 6 * 20
    _calls(scene, 30, (steps, 0.01), (steps, 0.4), (steps // 3, 0.01))
    _calls(scene, 30, (steps, 0.01), (steps, 0.28), (steps // 3, 0.01), module="less")
    scene.quiet(BURN, 6 * HOUR, 10 * HOUR)
    scene.fires(BURN, 11 * HOUR, _fires("6h"))
    scene.quiet(BURN, 12 * HOUR + 27, 14 * HOUR)
    scene.check()


def test_over_5_percent_in_three_days_and_in_six_hours_is_a_warning(
    scene_of: Callable[[Config], Scene],
) -> None:
    scene = scene_of(_only(2))
    scene.every_s = 300  # 12 steps an hour
    day = 24 * 12
    _calls(scene, 120, (2 * day, 0.07), (day, 0.075), (day // 2, 0))
    _calls(scene, 120, (3 * day, 0.04), (day // 2, 0), module="less")
    scene.fires(BURN, 70 * HOUR, _fires("3d", "warning"))
    scene.quiet(BURN, 79 * HOUR)
    scene.check()


def test_a_few_calls_in_the_long_window_fire_nothing_though_all_fail(scene: Scene) -> None:
    _calls(scene, 0.4, (120, 1.0))
    _calls(scene, 1, (120, 1.0), module="enough")
    expected = [("1h", "critical"), ("6h", "critical"), ("3d", "warning")]
    scene.fires(BURN, 110, *(_fires(*each, module="enough") for each in expected))
    scene.check()
