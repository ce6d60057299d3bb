"""The configuration in place: replaced as a whole, off by default, never a reason to fail."""

import logging
import threading

import pytest

import headrace
from headrace import runtime
from headrace.config import load
from headrace.errors import ConfigError
from tests.support.waiting import wait_until
from tests.unit.headrace.calls import captured_call
from tests.unit.headrace.capture.offline import Echo, KeepingPipeline

ON = {"enabled": True, "sampling_rate_pct": 100}


@pytest.fixture(autouse=True)
def _unconfigured(monkeypatch, tmp_path):
    """Each test begins as a fresh process does, in a folder of its own."""
    monkeypatch.delenv("HEADRACE_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    previous = runtime.swap(None)
    yield
    ended = runtime.swap(previous)
    if ended is not None:
        ended.pipeline.close(10)


def our_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("headrace")]


def test_unconfigured_nothing_is_started_and_one_line_says_so(caplog, tmp_path):
    before = our_threads()
    for _ in range(2):
        assert headrace.instrument(Echo())(value=1) == 1
    assert our_threads() == before
    assert list(tmp_path.iterdir()) == []
    assert headrace.stats().sampled == 0
    assert headrace.flush() is True
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("headrace", logging.WARNING)
    assert "HEADRACE_CONFIG" in record.getMessage()
    assert "\n" not in record.getMessage()


def test_a_rate_of_zero_is_named_as_the_reason(caplog):
    headrace.configure(telemetry={"enabled": True, "sampling_rate_pct": 0})
    headrace.instrument(Echo())
    assert "telemetry.sampling_rate_pct is 0" in caplog.text


def test_switched_on_nothing_is_logged(caplog):
    headrace.configure(telemetry=ON)
    headrace.instrument(Echo())
    assert caplog.records == []


def test_the_environments_file_configures_at_the_first_use(monkeypatch, tmp_path):
    file = tmp_path / "monitoring_config.json"
    file.write_text('{"telemetry": {"enabled": true, "sampling_rate_pct": 100}}')
    monkeypatch.setenv("HEADRACE_CONFIG", str(file))
    headrace.instrument(Echo())(value=1)
    assert headrace.flush(60) is True
    assert headrace.stats().delivered == 1
    assert headrace.stats().balanced


def test_an_environments_file_that_is_wrong_is_logged_and_the_service_starts(monkeypatch, tmp_path, caplog):
    file = tmp_path / "monitoring_config.json"
    file.write_text('{"telemetry": {"enabeld": true}}')
    monkeypatch.setenv("HEADRACE_CONFIG", str(file))
    assert headrace.instrument(Echo())(value=1) == 1
    assert headrace.stats().sampled == 0
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
    assert "telemetry.enabeld: unknown key; did you mean telemetry.enabled?" in errors[0]


def test_configure_returns_what_is_in_effect_and_refuses_what_is_wrong_without_a_change():
    config = headrace.configure(telemetry={**ON, "sampling_rate_pct": 25})
    assert config.telemetry.sampling_rate_pct == 25
    before = runtime.slot.runtime
    with pytest.raises(ConfigError, match="sampling_rate_pct: found 101"):
        headrace.configure(telemetry={"sampling_rate_pct": 101})
    with pytest.raises(ConfigError, match="kafka"):
        headrace.configure(kafak={})
    assert runtime.slot.runtime is before
    assert runtime.slot.active is before


def test_a_new_configuration_closes_the_old_pipeline_and_switches_at_once():
    old = KeepingPipeline()
    runtime.swap(runtime.Runtime(load(None, {"telemetry": ON}, {}), old))
    echo = headrace.instrument(Echo())
    echo(value=1)
    headrace.configure(telemetry={"enabled": False})
    echo(value=2)
    assert old.closed
    assert old.successor is None
    assert [call.input for call in old.calls] == [{"value": 1}]
    assert headrace.stats().sampled == 0


def test_what_the_old_pipeline_has_no_time_for_is_the_new_one_s():
    old = KeepingPipeline()
    runtime.swap(runtime.Runtime(load(None, {"telemetry": ON}, {}), old))
    headrace.configure(telemetry=ON)
    assert old.successor(captured_call())
    assert headrace.flush(60)
    assert headrace.stats().delivered == 1


def test_a_call_that_a_new_configuration_overtakes_is_delivered_by_the_new_one():
    old, new = KeepingPipeline(), KeepingPipeline()
    config = load(None, {"telemetry": ON}, {})
    runtime.swap(runtime.Runtime(config, old))

    class Reconfigures(Echo):
        def forward(self, value):
            runtime.swap(runtime.Runtime(config, new))
            return value

    headrace.instrument(Reconfigures())(value=1)
    assert (len(old.calls), len(new.calls)) == (0, 1)


def test_configuring_from_many_threads_leaves_one_pipeline_open():
    pipelines, lock = [], threading.Lock()
    start = threading.Barrier(8)

    def configure():
        start.wait(30)
        headrace.configure(telemetry=ON)
        with lock:
            pipelines.append(runtime.slot.runtime.pipeline)

    threads = [threading.Thread(target=configure) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    echo = headrace.instrument(Echo())
    echo(value=1)
    assert headrace.flush(60)
    assert headrace.stats().delivered == 1
    assert len(pipelines) == 8


def test_reconfiguring_under_load_loses_no_call_and_no_count(tmp_path):
    made = []

    def configure():
        # A replaced pipeline drains within the bound of exit: on a busy machine the default's is too short.
        told = {**ON, "log_file_path": str(tmp_path / "calls.jsonl"), "exit_timeout_s": 60}
        headrace.configure(telemetry=told)
        made.append(runtime.slot.runtime.pipeline)

    configure()
    echo = headrace.instrument(Echo(), "echo")
    calls, is_over, most = [0] * 4, threading.Event(), [0]

    def work(at):
        while not is_over.is_set():
            if calls[at] < most[0]:  # a slow disk has time: this is not about a full queue
                echo(value=at)
                calls[at] += 1
            is_over.wait(0.001)

    threads = [threading.Thread(target=work, args=(at,)) for at in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(6):
        before = sum(calls)
        most[0] += 200
        wait_until(lambda before=before: sum(calls) > before + 20, "calls in between")
        configure()
    is_over.set()
    for thread in threads:
        thread.join(30)
    assert headrace.flush(30)
    assert [(pipeline.stats().dropped, pipeline.stats().in_flight) for pipeline in made] == [({}, 0)] * 7
    assert sum(pipeline.stats().delivered for pipeline in made) == sum(calls)
    assert len((tmp_path / "calls.jsonl").read_text().splitlines()) == sum(calls)
    counted = [series["calls"] for pipeline in made for series in pipeline.counters.snapshot()]
    assert sum(counted) == sum(calls)


def test_a_pipeline_that_raises_while_a_failure_is_counted_does_no_harm():
    class Hopeless(KeepingPipeline):
        def count_failure(self, reason):
            raise RuntimeError(reason)

    pipeline = Hopeless()
    pipeline.broken = True
    runtime.swap(runtime.Runtime(load(None, {"telemetry": ON}, {}), pipeline))
    assert headrace.instrument(Echo())(value=1) == 1
    assert pipeline.calls == []
