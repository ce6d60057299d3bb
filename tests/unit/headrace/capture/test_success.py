"""A module's own predicate decides what counts as a failure; the caller never notices it."""

import asyncio
import logging

import dspy
import pytest

import headrace
from headrace import runtime
from headrace.config import load
from headrace.errors import UsageError
from tests.unit.headrace.capture.offline import Echo, KeepingPipeline


def errors(pipeline, name="echo"):
    (series,) = (each for each in pipeline.counters.snapshot() if each["module_name"] == name)
    return series["calls"], {each["name"]: each["count"] for each in series["errors"]}


def test_a_false_result_is_a_failure_in_record_and_counters_and_nothing_for_the_caller(everything):
    echo = headrace.instrument(Echo(), "echo", success=lambda output: output > 0)
    assert [echo(value=1), echo(value=0), asyncio.run(echo.acall(value=-1))] == [1, 0, -1]
    assert [(call.success, call.error_type, call.error, call.output) for call in everything.calls] == [
        (True, None, None, {"output": 1}),
        (False, "Unsuccessful", None, {"output": 0}),
        (False, "Unsuccessful", None, {"output": -1}),
    ]
    assert errors(everything) == (3, {"Unsuccessful": 2})


def test_it_judges_calls_that_are_not_sampled_and_is_not_asked_about_those_that_raise(at):
    pipeline, asked = at(0), []
    echo = headrace.instrument(Echo(), "echo", success=asked.append)
    echo(value=1)
    with pytest.raises(ValueError, match="x"):
        echo(value=ValueError("x"))
    assert asked == [1]
    assert errors(pipeline) == (2, {"Unsuccessful": 1, "ValueError": 1})
    assert pipeline.calls == []


def test_it_is_asked_once_about_a_nested_call_whose_record_says_the_same(everything):
    asked = []

    class Outer(dspy.Module):
        def __init__(self):
            super().__init__()
            self.inner = headrace.instrument(Echo(), "inner", success=asked.append)

        def forward(self, value):
            return self.inner(value=value)

    headrace.instrument(Outer(), "outer")(value=7)
    assert asked == [7]
    assert [(call.module_name, call.success, call.error_type) for call in everything.calls] == [
        ("inner", False, "Unsuccessful"),
        ("outer", True, None),
    ]
    assert errors(everything, "inner") == (1, {"Unsuccessful": 1})
    assert errors(everything, "outer") == (1, {})


def test_a_predicate_that_raises_judges_nothing_and_is_told_of_once(everything, caplog):
    def fails(output):
        raise KeyError(f"secret {output}")

    echo = headrace.instrument(Echo(), "echo", success=fails)
    assert [echo(value=1), echo(value=2)] == [1, 2]
    assert [call.success for call in everything.calls] == [True, True]
    assert errors(everything) == (2, {})
    (line,) = [record.getMessage() for record in caplog.records]
    assert "'echo' raised KeyError" in line
    assert "secret" not in line


def test_an_unsuccessful_call_is_kept_by_the_rule_for_errors():
    pipeline = KeepingPipeline()
    config = load(None, {"telemetry": {"enabled": True, "sampling_rate_pct": 0, "keep": {"errors_per_s": 9}}}, {})
    before = runtime.swap(runtime.Runtime(config, pipeline))
    try:
        headrace.instrument(Echo(), "echo", success=bool)(value=0)
    finally:
        runtime.swap(before)
    (outcome,) = pipeline.calls
    assert (outcome.keep_reason, outcome.success, outcome.error_type, outcome.error) == (
        "error",
        False,
        "Unsuccessful",
        None,
    )


def test_a_log_that_fails_for_it_loses_no_call(everything, monkeypatch):
    monkeypatch.setattr(logging.getLogger("headrace"), "filters", [lambda _: 1 / 0])
    echo = headrace.instrument(Echo(), "echo", success=lambda _: 1 / 0)
    assert [echo(value=1), echo(value=2)] == [1, 2]
    assert [call.success for call in everything.calls] == [True, True]
    assert errors(everything) == (2, {})


def test_instrumenting_again_replaces_the_predicate(everything):
    echo = headrace.instrument(Echo(), "echo", success=lambda _: False)
    headrace.instrument(echo, "echo")
    echo(value=1)
    assert errors(everything) == (1, {})


async def is_good(output):
    return output


@pytest.mark.parametrize("wrong", ["yes", is_good, 3])
def test_what_is_no_plain_function_is_refused(wrong):
    with pytest.raises(UsageError, match="success must be a plain function"):
        headrace.instrument(Echo(), success=wrong)
