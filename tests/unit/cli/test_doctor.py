"""`headrace doctor` where no broker is: a good set-up, and broken ones of every kind. On Kafka: tests/integration."""

import base64
import json

import pytest

import headrace
from headrace import runtime
from headrace.config import load
from headrace.delivery import Pipeline
from tests.unit.headrace.calls import captured_call
from tests.unit.headrace.test_sinks import refusing_address

ON = {"telemetry": {"enabled": True}}


@pytest.fixture
def doctor(command, config_file):
    """Run the command with a configuration; return its exit code and the results by what was checked."""

    def run(values):
        ended = command("doctor", "--config", config_file(values), "--json")
        assert ended.err == ""
        assert ended.json["ok"] == (ended.code == 0)
        return ended.code, {result["check"]: result for result in ended.json["results"]}

    return run


def log_with(calls):
    config = load(None, {"telemetry": {"enabled": True}}, {})
    pipeline = Pipeline(config)
    previous = runtime.swap(runtime.Runtime(config, pipeline))
    try:
        for call in calls:
            pipeline.submit(call)
        assert headrace.flush(60)
    finally:
        runtime.swap(previous)
        pipeline.close(10)


def test_a_service_that_logs_to_a_file_is_ok(doctor):
    log_with(captured_call(number) for number in range(25))
    code, results = doctor(ON)
    assert code == 0
    assert results["records of logs/dspy_production.jsonl"]["what"] == "the newest 25 are readable"
    assert results["permissions"]["state"] == "ok"
    assert results["duplicates of Answer"]["what"] == "0% of the newest 25 records"
    assert results["examples of Answer"]["what"] == "100% of the newest 25 records pass the filter"
    assert results["capture"]["state"] == results["DSPy"]["state"] == results["disk logs"]["state"] == "ok"
    assert results["broker"]["state"] == results["dataset"]["state"] == "note"


def test_a_file_that_only_says_where_keys_are_may_be_read_by_all(doctor):
    _, results = doctor({**ON, "redaction": {"pseudonym_key": "env:NOT_HERE"}})
    assert results["keys of a producer"]["state"] == "wrong"
    assert "permissions" not in results


def test_for_people_each_line_is_ok_or_what_to_do(command, config_file):
    ended = command("doctor", "--config", config_file(ON))
    assert ended.code == 0
    for line in ended.out.splitlines():
        state = line.split()[0]
        assert state in {"ok", "note", "wrong"}
        assert ("->" in line) == (state != "ok")


def test_without_any_configuration_it_says_how_to_switch_it_on(command):
    ended = command("doctor")
    assert ended.code == 1
    assert "wrong  capture: telemetry.enabled is false: nothing is captured -> set it to true" in ended.out


@pytest.mark.parametrize(
    ("values", "check", "what"),
    [
        ({"telemetry": {"enabled": False}}, "capture", "telemetry.enabled is false"),
        ({"telemetry": {"enabled": True, "sampling_rate_pct": 0}}, "capture", "sampling_rate_pct is 0"),
        ({"telemetri": {}}, "configuration", "did you mean telemetry?"),
        ({"quality_thresholds": {"max_latency_p99_ms": 2500}}, "configuration", "the nearest is 2560"),
        ({**ON, "kafka": {"options": {"no.such": 1}}}, "client options", "librdkafka refuses it"),
        ({**ON, "schemas": {"path": "no/such.avsc"}}, "schemas", "cannot read the schema"),
        ({"telemetry": {"enabled": True, "log_file_path": "/proc/none/log.jsonl"}}, "disk /proc/none", "cannot be"),
        ({**ON, "dataset": {"path": "/proc/none"}}, "disk /proc/none", "cannot be written"),
        ({**ON, "dataset": {"state_path": "/proc/none"}}, "disk /proc/none", "cannot be written"),
    ],
    ids=str,
)
def test_what_is_wrong_is_found_and_ends_with_1(doctor, values, check, what):
    code, results = doctor(values)
    assert code == 1
    assert results[check]["state"] == "wrong"
    assert what in results[check]["what"]
    if check != "configuration":
        assert len(results) > 5  # one broken thing does not keep the others from being looked at


def test_a_broker_that_is_away_is_wrong(doctor):
    address = refusing_address()
    code, results = doctor({**ON, "kafka": {"bootstrap_servers": address}})
    assert code == 1
    assert results["spool logs/spool"]["what"] == "nothing waits for Kafka"
    assert f"no broker answers at {address}" in results["broker"]["what"]
    assert results["dataset"]["state"] == "note"


def test_keys_that_do_not_resolve_are_wrong_and_never_shown(doctor, monkeypatch):
    key = base64.b64encode(b"k" * 32).decode()
    other = base64.b64encode(b"d" * 32).decode()
    keys = {"2026": "env:FIELD_KEY", "2025": "env:OLD_KEY"}
    values = {**ON, "encryption": {"write_key": "2026", "keys": keys, "dedup_key": "env:DEDUP_KEY"}}
    monkeypatch.setenv("FIELD_KEY", key)
    monkeypatch.setenv("DEDUP_KEY", other)
    code, results = doctor(values)
    assert code == 1
    assert results["keys of a producer"]["state"] == "ok"  # it needs no old key
    assert results["keys of a consumer"]["state"] == "wrong"
    assert "OLD_KEY is not set" in results["keys of a consumer"]["what"]
    assert key not in json.dumps(results)
    monkeypatch.setenv("OLD_KEY", base64.b64encode(b"o" * 32).decode())
    code, results = doctor(values)
    assert (code, results["keys of a consumer"]["state"]) == (0, "ok")


def test_a_log_that_others_may_read_or_that_is_no_json_lines_is_wrong(doctor, tmp_path):
    log_with([captured_call()])
    log = tmp_path / "logs" / "dspy_production.jsonl"
    log.chmod(0o644)
    with log.open("a") as file:
        file.write("Traceback (most recent call last):\n" + json.dumps({"question": "old format"}) + "\n")
    code, results = doctor(ON)
    assert code == 1
    assert "mode 644" in results["permissions"]["what"]
    assert results["permissions"]["mend"] == "chmod 600 logs/dspy_production.jsonl"
    assert results[f"records of {log.relative_to(tmp_path)}"]["what"].startswith("2 of the newest 3 are unreadable")


def test_a_folder_that_is_no_table_is_wrong(doctor, tmp_path):
    (tmp_path / "table").mkdir()
    code, results = doctor({**ON, "dataset": {"path": "table"}})
    assert code == 1
    assert results["dataset"]["state"] == "wrong"


def test_secrets_in_a_file_that_everybody_reads_are_a_note(doctor):
    code, results = doctor({**ON, "kafka": {"options": {"sasl.password": "hunter2"}}})
    assert code == 0
    assert results["permissions"]["state"] == "note"
    assert "hunter2" not in json.dumps(list(results.values()))


def test_a_check_that_breaks_is_a_result_and_the_others_go_on(doctor, tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "dspy_production.jsonl").mkdir()  # a folder in the log's place
    code, results = doctor(ON)
    assert code == 1
    assert results["log"]["what"].startswith("the check itself failed (IsADirectoryError")
    assert results["dataset"]["state"] == "note"
