"""The producer's figures in a service's registry."""

import logging
import subprocess
import sys

import pytest
from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.parser import text_string_to_metric_families

import headrace
import headrace.prometheus
from headrace import runtime
from headrace.errors import UsageError
from headrace.testing import capture
from headrace_schemas.latency import BOUNDS_S
from tests.unit.headrace.calls import captured_call

KEY = ("support", "baseline", "Answer")
CALL = {"module": "support", "version": "baseline", "signature": "Answer", "arm": ""}


@pytest.fixture
def registry():
    made = CollectorRegistry()
    headrace.prometheus.register(made)
    return made


def figures(registry):
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value for family in families for sample in family.samples
    }


def value(registry, name, **labels):
    return registry.get_sample_value(f"headrace_producer_{name}", labels)


def test_a_scrape_tells_of_the_ledger(registry):
    with capture() as captured:
        runtime.current().pipeline.submit(captured_call(input={"question": "mail a@b.co"}))
        assert headrace.flush(60)
        captured.fail_with = "kafka:_MSG_TIMED_OUT"
        headrace.feedback("r", score=1)
        assert headrace.flush(60)
        assert value(registry, "records_sampled_total") == 2
        assert value(registry, "records_delivered_total") == 1
        assert value(registry, "records_dropped_total", reason="kafka:_MSG_TIMED_OUT") == 1
        assert value(registry, "records_adopted_total") == 0
        assert value(registry, "records_spooled") == value(registry, "records_in_flight") == 0
        assert value(registry, "redactions_total", kind="email") == 1


def test_a_scrape_tells_how_large_the_log_is_with_its_rotated_files(registry, tmp_path):
    log = tmp_path / "log[1].jsonl"
    (tmp_path / "log[1].20261127T101500Z-7.jsonl.gz").write_bytes(b"x" * 100)
    (tmp_path / "log1.jsonl").write_bytes(b"x" * 1000)  # another's
    headrace.configure(telemetry={"enabled": True, "sampling_rate_pct": 100, "log_file_path": str(log)})
    try:
        runtime.current().pipeline.submit(captured_call(input={"question": "q"}))
        assert headrace.flush(60)
        files = [log, *tmp_path.glob("log[[]1[]].*.jsonl*")]
        assert log.stat().st_size > 0
        assert value(registry, "log_bytes") == sum(file.stat().st_size for file in set(files))
    finally:
        headrace.shutdown()


def test_where_records_go_to_kafka_there_is_no_log(registry, tmp_path):
    log = str(tmp_path / "log.jsonl")
    headrace.configure(telemetry={"log_file_path": log}, kafka={"bootstrap_servers": "127.0.0.1:1"})
    try:
        assert value(registry, "log_bytes") is None
    finally:
        headrace.shutdown()


def test_a_scrape_tells_of_every_call(registry):
    with capture(telemetry={"sampling_rate_pct": 0}):
        counters = runtime.current().pipeline.counters
        key = KEY
        for latency_s, error, cancelled in [(0.005, None, False), (0.3, "ValueError", False), (900.0, None, True)]:
            counters.add(key, latency_s, error, cancelled=cancelled)
        assert value(registry, "call_errors_total", **CALL, error_type="ValueError") == 1
        assert value(registry, "calls_cancelled_total", **CALL) == 1
        assert value(registry, "call_duration_seconds_count", **CALL) == 3
        assert value(registry, "call_duration_seconds_sum", **CALL) == pytest.approx(900.305)
        buckets = [value(registry, "call_duration_seconds_bucket", **CALL, le=str(bound)) for bound in BOUNDS_S]
        assert buckets[0] == buckets[4] == 1
        assert buckets[BOUNDS_S.index(0.32)] == buckets[-1] == 2
        assert value(registry, "call_duration_seconds_bucket", **CALL, le="+Inf") == 3


def test_the_stages_of_a_rollout_are_one_series_of_their_arm(registry):
    with capture(telemetry={"sampling_rate_pct": 0}):
        counters = runtime.current().pipeline.counters
        counters.add((*KEY, "candidate", "r1", 1), 0.3, "ValueError")
        counters.add((*KEY, "candidate", "r1", 2), 0.3, "ValueError")
        counters.add(KEY, 0.3)
        routed = {**CALL, "arm": "candidate"}
        assert value(registry, "call_errors_total", **routed, error_type="ValueError") == 2
        assert value(registry, "call_duration_seconds_count", **routed) == 2
        assert value(registry, "call_duration_seconds_count", **CALL) == 1
        runtime.current().pipeline.count_program_failure("digest")
        assert value(registry, "program_failures_total", reason="digest") == 1


def test_names_follow_the_conventions_and_parse(registry):
    with capture():
        runtime.current().pipeline.counters.add(KEY, 1.0, "ValueError")
        text = generate_latest(registry).decode()
    families = list(text_string_to_metric_families(text))
    assert {family.name for family in families} == {
        "headrace_producer_records_sampled",
        "headrace_producer_records_adopted",
        "headrace_producer_records_delivered",
        "headrace_producer_records_dropped",
        "headrace_producer_records_spooled",
        "headrace_producer_records_in_flight",
        "headrace_producer_log_bytes",
        "headrace_producer_redactions",
        "headrace_producer_program_failures",
        "headrace_producer_call_errors",
        "headrace_producer_calls_cancelled",
        "headrace_producer_call_duration_seconds",
    }
    assert all(family.documentation for family in families)
    assert all(
        sample.name.endswith("_total") for family in families if family.type == "counter" for sample in family.samples
    )


def test_before_anything_is_configured_a_scrape_is_empty_and_configures_nothing(registry):
    previous = runtime.swap(None)
    try:
        assert figures(registry) == {}
        assert runtime.slot.runtime is None
    finally:
        runtime.swap(previous)


def test_a_second_registration_changes_nothing():
    registry = CollectorRegistry()
    first = headrace.prometheus.register(registry)
    assert headrace.prometheus.register(registry) is first
    registry.unregister(first)
    assert headrace.prometheus.register(registry) is not first


def test_a_name_that_is_taken_is_one_line():
    registry = CollectorRegistry()
    Counter("headrace_producer_redactions", "mine", registry=registry)
    with pytest.raises(UsageError, match=r"headrace\.prometheus\.register: Duplicated timeseries"):
        headrace.prometheus.register(registry)


def test_a_scrape_never_fails_for_it_and_says_so_once(registry, caplog):
    class Broken:
        def stats(self):
            raise ZeroDivisionError

    with capture():
        runtime.current().pipeline = Broken()
        with caplog.at_level(logging.WARNING):
            assert generate_latest(registry) == generate_latest(registry) == b""
    assert caplog.messages == ["headrace: no metrics for this scrape (ZeroDivisionError)"]


def test_in_multiprocess_mode_it_says_what_a_scrape_shows(caplog, monkeypatch):
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "/somewhere")
    headrace.prometheus.register(CollectorRegistry())
    assert caplog.messages == [
        "headrace: in prometheus-client's multiprocess mode a scrape shows only the process that answers it"
    ]


def test_without_prometheus_client_it_names_the_extra():
    code = "import sys; sys.modules['prometheus_client'] = None; import headrace, headrace.prometheus"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'headrace[prometheus]'" in done.stderr.splitlines()[-1]
