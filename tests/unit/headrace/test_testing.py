"""`headrace.testing` for people who use Headrace in their own tests."""

from contextlib import ExitStack

import pytest

import headrace
from headrace import runtime
from headrace.errors import ConfigError
from headrace.testing import capture
from tests.unit.headrace.calls import captured_call


def submit(number: int) -> None:
    runtime.current().pipeline.submit(captured_call(number))


def test_the_block_captures_everything_and_its_records_are_complete_after_it() -> None:
    with capture() as captured:
        assert runtime.current().policy.rate_of("any") == 1
        assert runtime.current().policy.is_on
        for number in range(50):
            submit(number)
    assert [record["event_id"] for record in captured.records] == [f"event-{number}" for number in range(50)]


def test_a_flush_inside_completes_the_records_up_to_there() -> None:
    with capture() as captured:
        submit(1)
        assert headrace.flush(60)
        assert len(captured.records) == 1
        assert headrace.stats().delivered == 1


def test_the_configuration_before_is_back_after_it_even_after_an_error() -> None:
    before = runtime.slot.runtime
    blocks = ExitStack()
    captured = blocks.enter_context(capture(telemetry={"service": "shop"}))
    submit(1)
    error = ZeroDivisionError()
    assert not blocks.__exit__(type(error), error, None)
    assert runtime.slot.runtime is before
    assert captured.records[0]["service"] == "shop"


def test_a_broken_sink_can_be_tried_out() -> None:
    with capture() as captured:
        captured.fail_with = "kafka:_MSG_TIMED_OUT"
        submit(1)
        headrace.flush(60)
        assert headrace.stats().dropped == {"kafka:_MSG_TIMED_OUT": 1}
    assert captured.records == []


def test_a_section_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match="telemetri"), capture(telemetri={}):
        pass


def test_what_is_read_inside_is_complete_without_a_flush() -> None:
    with capture() as captured:
        submit(1)
        headrace.feedback("request-1", score=1)
        assert len(captured.records) == len(captured.feedback) == 1
        captured.fail_with = "gone"
        assert captured.fail_with == "gone"
        submit(2)
        assert len(captured.records) == 1
        captured.fail_with = None
        submit(3)
    assert [record["event_id"] for record in captured.records] == ["event-1", "event-3"]


def test_a_loss_that_is_tried_out_does_not_take_what_was_there_before() -> None:
    with capture() as captured:
        submit(1)
        captured.fail_with = "gone"
        submit(2)
    assert [record["event_id"] for record in captured.records] == ["event-1"]


def test_the_counters_are_published_by_a_flush_and_at_the_end() -> None:
    with capture() as captured:
        runtime.current().pipeline.counters.add(("support", "baseline", "Answer"), 0.1)
        assert captured.statistics == []
        assert headrace.flush(60)
        assert captured.statistics[-1]["calls"][0]["calls"] == 1
    assert captured.statistics[-1]["is_last"]
