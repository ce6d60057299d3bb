"""Does anything get captured at all: switch, rate, orders, DSPy."""

import pytest

from headrace.config import load
from headrace.control import Override
from headrace_consumers.doctor.capturing import judge_capture, judge_dspy, judge_orders
from headrace_consumers.doctor.examination import supported_dspy


@pytest.mark.parametrize(
    ("telemetry", "state", "what"),
    [
        ({"enabled": False}, "wrong", "telemetry.enabled is false: nothing is captured"),
        (
            {"enabled": True, "sampling_rate_pct": 0},
            "wrong",
            "telemetry.sampling_rate_pct is 0: no request is captured",
        ),
        ({"enabled": True, "environment": "staging"}, "ok", "on, 10 % of requests, environment staging"),
    ],
)
def test_switch_and_rate(telemetry, state, what):
    result = judge_capture(load(None, {"telemetry": telemetry}, {}).telemetry)
    assert (result.state, result.what) == (state, what)
    assert bool(result.mend) == (state != "ok")


def test_the_kill_switch_comes_first_and_a_modules_own_rate_counts():
    on = load(None, {"telemetry": {"enabled": True}}, {}).telemetry
    killed = judge_capture(on, is_killed=True)
    assert (killed.state, killed.what) == ("wrong", "HEADRACE_DISABLED is set here: nothing is captured")
    modules = {"support": {"sampling_rate_pct": 50}}
    telemetry = load(None, {"telemetry": {"enabled": True, "sampling_rate_pct": 0, "modules": modules}}, {}).telemetry
    assert judge_capture(telemetry).state == "ok"


def test_orders_that_stop_capture_are_told_with_the_way_back():
    results = list(
        judge_orders({"*": Override(0), "a": Override(5, False), "b": Override(50, True), "c": Override(None, True)})
    )
    assert [(result.state, result.what) for result in results] == [
        ("note", "an order holds all modules at rate 0 %: nothing of it is captured"),
        ("note", "an order holds module a off: nothing of it is captured"),
        ("ok", "an order sets module b to 50 %"),
    ]
    assert "headrace sampling unset" in results[0].mend
    assert list(judge_orders({})) == []


@pytest.mark.parametrize(
    ("found", "state"),
    [
        (None, "ok"),
        ("3.0.0", "ok"),
        ("3.0", "ok"),
        ("3.4.12", "ok"),
        ("3.4.0rc1", "ok"),
        ("2.6.27", "wrong"),
        ("3.5.0", "wrong"),
        ("3.10", "wrong"),
        ("4", "wrong"),
    ],
)
def test_dspy_within_its_range(found, state):
    assert judge_dspy(found, "<3.5,>=3.0").state == state


def test_the_range_is_the_packages_own():
    assert judge_dspy("2.6", supported_dspy()).state == "wrong"
    assert supported_dspy().count(",") == 1
