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
from tests.support.interactions import interaction
from tests.unit.history.lines_of_logs import as_line, historic


@pytest.fixture
def records():
    return HistoricRecords(load(None, {}, {}))


def test_a_record_is_redacted_and_counted(records):
    record = records.record(as_line(historic(input={"text": "write to bob@example.com"})))
    assert "bob@" not in record["input"]
    assert records.redactions["email"] == 1
    assert record["redactions"] == 1


def test_its_key_is_that_of_a_live_call_with_the_same_fields_hash():
    live = interaction(question="why?")
    line = as_line(historic(signature=live["signature"], input={"question": "why?"}))
    config = load(None, {}, {})
    assert HistoricRecords(config).record(line)["dedup_key"] != live["dedup_key"]
    joined = HistoricRecords(config, fields_hashes={live["signature"]: live["fields_hash"]})
    assert joined.record(line)["dedup_key"] == live["dedup_key"]


def test_a_total_of_tokens_alone_is_kept(records):
    record = records.record(as_line(historic(tokens=120)))
    assert (record["tokens"], record["tokens_input"], record["tokens_output"]) == (120, None, None)


def test_the_share_that_was_logged_is_its_inclusion_probability():
    records = HistoricRecords(load(None, {}, {}), inclusion_probability=0.1)
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


def test_a_line_too_long_is_a_bad_line(records):
    from pathlib import Path

    from headrace_consumers.history.lines import LogLine

    with pytest.raises(BadLineError, match="too_long"):
        records.record(LogLine(Path("a"), 1, None))
