"""HEADRACE_DISABLED: nothing is captured, counted, started or opened, whatever the configuration says."""

import logging
import threading

import pytest

import headrace
from headrace import runtime
from headrace.kill_switch import is_thrown
from headrace.policy import Sampling
from tests.unit.headrace.capture.offline import Echo


@pytest.fixture(autouse=True)
def _switch(monkeypatch, tmp_path):
    """Each test begins as a fresh process with the switch thrown, in an empty folder."""
    monkeypatch.setenv("HEADRACE_DISABLED", "1")
    monkeypatch.chdir(tmp_path)
    previous = runtime.swap(None)
    yield
    runtime.swap(previous)


@pytest.mark.parametrize("word", ["1", "true", "TRUE", "yes", "on", " y ", "please"])
def test_any_word_but_one_for_no_throws_it(word):
    assert is_thrown({"HEADRACE_DISABLED": word})


@pytest.mark.parametrize("word", ["", "0", "false", "No", "OFF", " "])
def test_a_word_for_no_does_not(word):
    assert not is_thrown({"HEADRACE_DISABLED": word})
    assert not is_thrown({})


def test_nothing_is_captured_counted_started_or_opened(tmp_path, caplog):
    caplog.set_level(logging.INFO, "headrace")
    before = threading.enumerate()
    config = headrace.configure(
        telemetry={"enabled": True, "sampling_rate_pct": 100}, kafka={"bootstrap_servers": "x:1"}
    )
    assert config.telemetry.enabled is False
    echo = headrace.instrument(Echo())
    with headrace.request("r-1"):
        assert echo(value=1) == 1
    assert headrace.set_sampling(rate_pct=100, enabled=True) == Sampling(10, enabled=False)
    assert echo(value=2) == 2
    assert headrace.feedback("r-1", score=1.0) is False
    assert headrace.flush(0) is True
    assert headrace.stats().sampled == 0
    assert runtime.slot.active is None
    assert runtime.current().pipeline.counters.is_empty
    assert threading.enumerate() == before
    assert list(tmp_path.iterdir()) == []
    (record,) = caplog.records
    assert (record.levelno, "HEADRACE_DISABLED" in record.getMessage()) == (logging.INFO, True)


def test_it_works_where_the_configuration_is_what_is_broken(tmp_path, monkeypatch):
    broken = tmp_path / "monitoring_config.json"
    broken.write_text("{")
    monkeypatch.setenv("HEADRACE_CONFIG", str(broken))
    headrace.configure(telemetry={"no": "such key"})
    assert headrace.instrument(Echo())(value=1) == 1


def test_orders_do_not_undo_it():
    ours = runtime.current()
    runtime.apply_orders(ours, {"*": Sampling(100, enabled=True)})
    assert runtime.slot.active is None
    assert not ours.policy.is_on


def test_without_it_the_configuration_holds(monkeypatch):
    monkeypatch.setenv("HEADRACE_DISABLED", "0")
    headrace.configure(telemetry={"enabled": True})
    assert runtime.slot.active is runtime.current()
    runtime.current().pipeline.close(1)


def test_a_configuration_in_place_is_closed_by_the_next_configure(monkeypatch):
    monkeypatch.delenv("HEADRACE_DISABLED")
    headrace.configure(telemetry={"enabled": True, "sampling_rate_pct": 100})
    before = runtime.slot.runtime
    monkeypatch.setenv("HEADRACE_DISABLED", "true")
    headrace.configure()
    assert runtime.slot.active is None
    assert before.pipeline.close(0)
