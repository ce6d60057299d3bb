"""Lines to records as a producer would have sent them."""

import json

import pytest

from headrace.config import load
from headrace.delivery.outgoing import Outgoing
from headrace.delivery.sinks.jsonl import JsonlSink
from headrace.delivery.spool.lines import encode
from headrace_consumers.history.records import HistoricRecords
from headrace_consumers.history.shapes import BadLineError
from headrace_schemas import canonical, interaction_codec
from tests.support.interactions import NOW_MS, interaction
from tests.unit.history.lines_of_logs import as_line, historic


def made_by(config=None, **options):
    return HistoricRecords(config or load(None, {}, {}), now_ms=lambda: NOW_MS, **options)


@pytest.fixture
def records():
    return made_by()


def test_a_record_is_redacted_and_counted(records):
    record = records.record(as_line(historic(input={"text": "write to bob@example.com"})))
    assert "bob@" not in record["input"]
    assert records.redactions["email"] == 1
    assert record["redactions"] == 1


def test_its_key_is_that_of_a_live_call_with_the_same_fields_hash():
    live = interaction(question="why?")
    line = as_line(historic(signature=live["signature"], input={"question": "why?"}))
    assert made_by().record(line)["dedup_key"] != live["dedup_key"]
    joined = made_by(fields_hashes={live["signature"]: live["fields_hash"]})
    assert joined.record(line)["dedup_key"] == live["dedup_key"]


def test_a_total_of_tokens_alone_is_kept(records):
    record = records.record(as_line(historic(tokens=120)))
    assert (record["tokens"], record["tokens_input"], record["tokens_output"]) == (120, None, None)


def test_the_share_that_was_logged_is_its_inclusion_probability():
    records = made_by(inclusion_probability=0.1)
    assert records.record(as_line(historic()))["inclusion_probability"] == 0.1


def test_headraces_own_log_gives_the_very_record(records, tmp_path):
    path = tmp_path / "own.jsonl"
    sink = JsonlSink(load(None, {"telemetry": {"log_file_path": str(path)}}, {}))
    odd_input = canonical.dumps({"n": float("nan"), "i": 2**60, "s": "\u2028\ud800é"}).decode()
    odd = interaction(input=odd_input, attributes='{"team":"a"}')
    sink.send(Outgoing("interaction", odd), lambda *_: None)
    sink.close(0)
    assert isinstance(json.loads(path.read_text())["input"], dict)
    made = records.record(as_line(path.read_bytes().strip()))
    assert interaction_codec().encode(made) == interaction_codec().encode(odd)


def test_a_line_of_the_spool_gives_the_very_record(records):
    record = interaction()
    assert records.record(as_line(encode(Outgoing("interaction", record)).strip())) == record


def test_an_own_line_of_an_older_version_gets_the_defaults(records):
    record = dict(interaction())
    del record["environment"]
    assert records.record(as_line(record))["environment"] == "production"
    del record["signature"]
    with pytest.raises(BadLineError, match="signature is missing"):
        records.record(as_line(record))


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({**interaction(), "latency_ms": "fast"}, "wrong_type"),
        ({**interaction(), "input": {"a": {"$hr:float": "many"}}}, "too_deep"),
        (historic(input={"a": json.loads("[" * 500 + "]" * 500)}), "too_deep"),
        (historic(timestamp_ms=2**53), "wrong_type"),
    ],
)
def test_what_the_schema_cannot_hold_is_a_bad_line(records, record, reason):
    with pytest.raises(BadLineError) as caught:
        records.record(as_line(record))
    assert caught.value.reason == reason


YEAR_2096_MS = 3_990_000_000_000


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (historic(timestamp_ms=1_699_564_800), "timestamp_out_of_bounds"),  # in seconds
        (historic(timestamp_ms=YEAR_2096_MS), "timestamp_out_of_bounds"),
        (interaction(timestamp_ms=NOW_MS + 86_400_001), "timestamp_out_of_bounds"),
        (interaction(dedup_key="zz"), "invalid_key"),
        (interaction(input="a text", dedup_key="0" * 64), "invalid_json"),
        ({**interaction(), "input": ["a", "list"]}, "invalid_json"),
        (interaction(signature="a/../b"), "invalid_name"),
        (interaction(latency_ms=-1.0), "invalid_number"),
        (interaction(inclusion_probability=5.0), "invalid_number"),
        (interaction(capture_level="half"), "invalid_capture_level"),
    ],
)
def test_what_the_consumer_would_make_a_dead_letter_is_a_bad_line(records, record, reason):
    with pytest.raises(BadLineError) as caught:
        records.record(as_line(record))
    assert caught.value.reason == reason
    assert "Kafka" not in caught.value.detail


def test_a_clock_may_be_a_day_ahead(records):
    record = interaction(timestamp_ms=NOW_MS + 86_400_000)
    assert records.record(as_line(record)) == record


def test_what_was_encrypted_before_is_read_with_the_keys_that_are_here(monkeypatch):
    monkeypatch.setenv("KEY_A", "A" * 43 + "=")
    monkeypatch.setenv("KEY_B", "B" * 42 + "A=")
    writing = {"keys": {"a": "env:KEY_A"}, "write_key": "a", "dedup_key": "env:KEY_B"}
    sealed = made_by(load(None, {"encryption": writing}, {})).record(as_line(historic()))
    assert "JWT" not in sealed["output"]
    reading = made_by(load(None, {"encryption": {"keys": {"a": "env:KEY_A"}}}, {}))
    assert reading.record(as_line(sealed)) == sealed
    with pytest.raises(BadLineError, match=r"undecryptable: .*give the keys"):
        made_by().record(as_line(sealed))


def test_a_producers_host_imports_with_the_key_it_writes_with_and_puts_aside_what_another_one_sealed(monkeypatch):
    for name, key in {"OLD": "A" * 43 + "=", "NEW": "B" * 42 + "A=", "DEDUP": "C" * 42 + "A="}.items():
        monkeypatch.setenv(name, key)
    keys = {"old": "env:OLD", "new": "env:NEW"}
    before, now = (
        load(None, {"encryption": {"keys": keys, "write_key": key, "dedup_key": "env:DEDUP"}}, {}) for key in keys
    )
    sealed = made_by(before).record(as_line(historic()))
    monkeypatch.delenv("OLD")
    records = made_by(now)
    written = records.record(as_line(historic()))
    assert records.record(as_line(written)) == written
    with pytest.raises(BadLineError, match=r"undecryptable: .* with key old, .*; of .* this host lacks old$") as caught:
        records.record(as_line(sealed))
    assert caught.value.reason == "undecryptable"


def test_a_line_too_long_is_a_bad_line(records):
    from pathlib import Path

    from headrace_consumers.history.lines import LogLine

    with pytest.raises(BadLineError, match="too_long"):
        records.record(LogLine(Path("a"), 1, None))
