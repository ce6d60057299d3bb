"""A DSPy program through the whole producer: capture, redaction, queue, sink."""

import json
import os
import subprocess
import sys
from pathlib import Path

import dspy
import pytest

import headrace
from headrace import runtime
from headrace.testing import capture
from headrace_schemas import canonical, interaction_codec
from tests.unit.headrace.capture.offline import OfflineLM, Program

PERSONAL = "Mail ann@example.com from 192.0.2.44"


@pytest.fixture(autouse=True)
def _offline():
    with dspy.context(lm=OfflineLM(), adapter=dspy.ChatAdapter()):
        yield


def test_a_call_becomes_redacted_records_that_the_codec_takes():
    with capture(telemetry={"service": "support"}) as sink:
        program = headrace.instrument(Program(), "qa", "v3")
        with headrace.request("r-1", subject_id="ann", attributes={"tenant": "acme"}):
            program(question=PERSONAL)
        assert headrace.flush(60)
        stats = headrace.stats()
    assert (stats.sampled, stats.delivered, stats.in_flight, stats.dropped) == (3, 3, 0, {})
    assert stats.balanced
    records = {record["signature"]: record for record in sink.records}
    root = records["qa"]
    assert set(records) == {"qa", "qa.generate.predict", "qa.judge"}
    assert {record["parent_event_id"] for record in sink.records} == {None, root["event_id"]}
    assert (root["request_id"], root["subject_id"], root["service"]) == ("r-1", headrace.pseudonym("ann"), "support")
    assert (root["tokens"], root["cost_usd"], root["lm_calls"]) == (20, 0.5, 2)
    assert canonical.loads(root["attributes"]) == {"tenant": "acme"}
    assert canonical.loads(root["output"]) == {"answer": "blue", "score": 0.5}
    assert "ann@example.com" not in json.dumps(sink.records)
    assert "192.0.2.44" not in json.dumps(sink.records)
    assert root["redactions"] == 2
    codec = interaction_codec()
    assert all(codec.decode(codec.encode(record)) == record for record in sink.records)


def test_an_exceptions_text_is_redacted_too():
    with capture() as sink:
        with (
            dspy.context(lm=OfflineLM(error=ValueError(PERSONAL))),
            pytest.raises(Exception, match=r"ann@example\.com"),
        ):
            headrace.instrument(dspy.Predict("question -> answer"), "qa")(question="x")
        assert headrace.flush(60)
        assert headrace.stats().balanced
    (record,) = sink.records
    assert record["success"] is False
    assert "ann@example.com" not in record["error"]


def test_odd_values_and_names_reach_the_sink():
    class Odd(dspy.Module):
        def forward(self, **values):
            return dspy.Prediction(**values)

    values = {"nan": float("nan"), "big": 2**70, "half": "\ud800", "keys": {1: "a"}, "thing": object()}
    with capture() as sink:
        headrace.instrument(Odd(), "odd name/with slash")(**values)
        assert headrace.flush(60)
        assert headrace.stats().dropped == {}
    (record,) = sink.records
    assert record["module_name"].startswith("odd_name_with_slash-")
    output = canonical.loads(record["output"])
    assert (output["big"], output["half"], output["keys"], output["thing"]) == (
        2**70,
        "\ud800",
        {1: "a"},
        "<unencodable object>",
    )


def test_equal_inputs_have_one_dedup_key_whoever_asks():
    with capture() as sink:
        program = headrace.instrument(dspy.ChainOfThought("question -> answer"), "qa")
        for question in ("a", "b", "a"):
            program(question=question)
    keys = [record["dedup_key"] for record in sink.records]
    assert keys[0] == keys[2] != keys[1]


def test_threads_and_a_full_queue_leave_a_balanced_ledger():
    with capture(telemetry={"queue_max_records": 1}) as sink:
        program = headrace.instrument(Program(), "qa")
        examples = [dspy.Example(question=str(n)).with_inputs("question") for n in range(40)]
        results = program.batch(examples, num_threads=4, disable_progress_bar=True)
        assert headrace.flush(30)
        stats = headrace.stats()
    assert [result.answer for result in results] == ["blue"] * 40
    assert stats.sampled == 120
    assert stats.balanced
    assert len(sink.records) == stats.delivered
    assert set(stats.dropped) <= {"queue_full"}


SERVICE = """
import os, sys, dspy, headrace
from tests.unit.headrace.capture.offline import OfflineLM, Program
dspy.configure(lm=OfflineLM(), adapter=dspy.ChatAdapter())
program = headrace.instrument(Program(), "qa")
program(question="in the parent")
if sys.argv[1:] == ["fork"]:
    child = os.fork()
    if child:
        os.waitpid(child, 0)
    program(question="in both")
    if not child:
        headrace.flush(20)
        os._exit(0)
"""


def serve(folder, *arguments, **environment):
    root = Path(__file__).parents[2]
    environment = {
        **os.environ,
        "PYTHONPATH": str(root),
        "HEADRACE_TELEMETRY__SAMPLING_RATE_PCT": "100",
        "HEADRACE_TELEMETRY__EXIT_TIMEOUT_S": "20",
        **environment,
    }
    return subprocess.run(
        [sys.executable, "-c", SERVICE, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )


def lines(folder):
    log = folder / "logs" / "dspy_production.jsonl"
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]


def test_a_service_that_just_ends_has_written_its_log(tmp_path):
    serve(tmp_path, HEADRACE_TELEMETRY__ENABLED="true")
    records = lines(tmp_path)
    assert [record["signature"] for record in records] == ["qa.generate.predict", "qa.judge", "qa"]
    assert records[-1]["input"] == {"question": "in the parent"}
    assert records[-1]["output"] == {"answer": "blue", "score": 0.5}


def test_a_forked_worker_writes_its_own_records(tmp_path):
    serve(tmp_path, "fork", HEADRACE_TELEMETRY__ENABLED="true")
    roots = [record for record in lines(tmp_path) if record["parent_event_id"] is None]
    assert sorted(record["input"]["question"] for record in roots) == ["in both", "in both", "in the parent"]
    assert len({record["instance"] for record in roots}) == 2


def test_a_service_without_a_configuration_leaves_no_trace_but_one_line(tmp_path):
    done = serve(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("headrace captures nothing: telemetry.enabled is false.")


def test_after_capture_the_former_runtime_is_back():
    before = runtime.slot.runtime
    with capture():
        assert runtime.slot.runtime is not before
    assert runtime.slot.runtime is before
