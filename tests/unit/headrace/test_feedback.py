"""Feedback: what is accepted, what leaves the process, and that it never disturbs its caller."""

import base64
import json
import re
import subprocess
import sys
from collections import UserDict
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import headrace
from headrace import runtime
from headrace.config import load
from headrace.delivery import Pipeline
from headrace.errors import UsageError
from headrace.testing import Captured, capture
from headrace_schemas import canonical, envelope, feedback_codec, keys
from headrace_schemas.topics import FEEDBACK
from tests.support.kafka_settings import quiet_client
from tests.support.waiting import wait_until


@pytest.fixture
def captured() -> Iterator[Captured]:
    with capture(telemetry={"service": "shop", "environment": "staging"}) as sink:
        yield sink


def only(sink: Captured) -> Any:
    assert headrace.flush(60)
    (record,) = sink.feedback
    return record


def test_all_that_was_said_is_in_the_record(captured: Captured) -> None:
    assert headrace.feedback(
        "r-1",
        score=0.25,
        label="thumbs_down",
        comment="wrong queue",
        correction={"category": "billing", "tags": ("a", 1)},
        module="support",
        subject_id="user-7",
    )
    record = only(captured)
    assert feedback_codec().decode(feedback_codec().encode(record)) == record
    assert (record["request_id"], record["module_name"], record["subject_id"]) == (
        "r-1",
        "support",
        headrace.pseudonym("user-7"),
    )
    assert (record["score"], record["label"], record["comment"]) == (0.25, "thumbs_down", "wrong queue")
    assert record["correction"] == '{"category":"billing","tags":["a",1]}'
    assert (record["service"], record["environment"]) == ("shop", "staging")
    assert record["instance"] == headrace.stats().instance
    assert record["timestamp_ms"] > 1_700_000_000_000
    assert not record["truncated"]
    assert headrace.stats().delivered == 1
    assert headrace.stats().balanced
    assert captured.records == []


def test_each_feedback_has_an_id_of_its_own(captured: Captured) -> None:
    for _ in range(3):
        headrace.feedback("r-1", score=1)
    assert headrace.flush(60)
    assert len({record["feedback_id"] for record in captured.feedback}) == 3


@pytest.mark.parametrize("score", [0, 1, 0.5, Fraction(1, 2)])
def test_a_score_is_any_real_number_from_0_to_1(captured: Captured, score: float) -> None:
    headrace.feedback(7, score=score)
    record = only(captured)
    assert (record["score"], record["request_id"]) == (float(score), "7")
    assert (record["label"], record["comment"], record["correction"], record["module_name"]) == (None,) * 4


def test_a_numpy_score_is_a_number(captured: Captured) -> None:
    numpy = pytest.importorskip("numpy")
    headrace.feedback("r", score=numpy.float32(0.5))
    assert only(captured)["score"] == 0.5


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ({}, "nothing was said; give score, label, comment or correction"),
        ({"comment": "", "correction": {}}, "nothing was said"),
        ({"score": True}, "score: found bool, expected a number from 0 to 1; for thumbs up or down give 1.0"),
        ({"score": False}, r"for thumbs up or down give 0\.0"),
        ({"score": "0.5"}, "score: found str"),
        ({"score": 1.01}, r"score: found 1\.01, expected a number from 0 \(bad\) to 1 \(good\)"),
        ({"score": -0.01}, "score: found -0.01"),
        ({"score": float("nan")}, "score: found nan"),
        ({"score": float("inf")}, "score: found inf"),
        ({"label": "wrong queue"}, "label: found 11 characters, expected a name of at most 128"),
        ({"label": "x" * 129}, "label: found 129 characters"),
        ({"label": 5}, "label: found int, expected text"),
        ({"comment": b"no"}, "comment: found bytes, expected text"),
        ({"correction": "billing"}, "correction: found str, expected a mapping from output field to value"),
        ({"correction": {1: "a"}}, "correction: a field's name must be a string, found int"),
        ({"score": 1, "module": object()}, "module: found object, expected text"),
    ],
)
@pytest.mark.parametrize("enabled", [True, False])
def test_what_cannot_be_used_is_one_line_whether_telemetry_is_on_or_off(
    said: dict[str, Any], complaint: str, enabled: bool
) -> None:
    with capture(telemetry={"enabled": enabled}) as sink, pytest.raises(UsageError, match=complaint) as raised:
        headrace.feedback("r-1", **said)
    assert "\n" not in str(raised.value)
    assert str(raised.value).startswith("feedback: ")
    assert sink.feedback == []


@pytest.mark.parametrize("request_id", [None, ""])
def test_outside_of_a_request_its_id_must_be_given(captured: Captured, request_id: object) -> None:
    with pytest.raises(UsageError, match="feedback: request_id: missing, and no request is open here"):
        headrace.feedback(request_id, score=1)
    assert captured.feedback == []


def test_inside_of_a_request_id_and_subject_are_its_own(captured: Captured) -> None:
    with headrace.request("r-9", subject_id="user-9"):
        headrace.feedback(score=1)
        headrace.feedback("r-9", score=0.5)
        headrace.feedback("r-8", score=0)
        headrace.feedback(score=0.1, subject_id="user-1")
    assert headrace.flush(60)
    told = [(record["request_id"], record["subject_id"]) for record in captured.feedback]
    nine, one = headrace.pseudonym("user-9"), headrace.pseudonym("user-1")
    assert told == [("r-9", nine), ("r-9", nine), ("r-8", None), ("r-9", one)]


def test_without_consent_only_score_label_and_module_leave(captured: Captured) -> None:
    said: dict[str, Any] = {"comment": "call me", "correction": {"answer": "blue"}, "subject_id": "user-9"}
    with headrace.request("r-9", subject_id="user-9", consent=False):
        assert headrace.feedback(score=1, label="up", module="support", **said)
        assert not headrace.feedback(**said)
        assert headrace.feedback("r-8", **said)  # of another request nothing is known here
    assert headrace.flush(60)
    first, second = captured.feedback
    assert (first["score"], first["label"], first["module_name"]) == (1, "up", "support")
    assert (first["subject_id"], first["comment"], first["correction"]) == (None, None, None)
    assert (second["request_id"], second["comment"]) == ("r-8", "call me")


def test_suppressed_code_gives_none(captured: Captured) -> None:
    with headrace.suppress():
        assert not headrace.feedback("r", score=1)
    assert headrace.flush(60)
    assert captured.feedback == []


def test_comment_correction_label_and_subject_are_redacted_and_counted(captured: Captured) -> None:
    headrace.feedback(
        "r",
        label="10.0.0.1",
        comment="write to ann@example.com",
        correction={"answer": "card 4111 1111 1111 1111", "password": "hunter2"},
        subject_id="ann@example.com",
    )
    record = only(captured)
    assert record["label"] == "[IP]"
    assert record["comment"] == "write to [EMAIL]"
    assert canonical.loads(record["correction"]) == {"answer": "card [CARD]", "password": "[SECRET]"}
    assert record["subject_id"].startswith("sha256:")
    assert record["redactions"] == 4
    assert headrace.stats().redactions == {"ip": 1, "email": 1, "card": 1, "secret": 1}


def test_a_correction_holds_no_field_that_does_not_leave() -> None:
    with capture(redaction={"signatures": {"Answer": {"deny": ["note"]}}}) as sink:
        headrace.feedback("r", correction={"answer": "yes", "note": "tulip"})
    assert canonical.loads(only(sink)["correction"]) == {"answer": "yes", "note": "[WITHHELD]"}


def test_comment_and_correction_are_encrypted_where_fields_are(tmp_path: Path) -> None:
    key_of = {name: bytes([number] * 32) for number, name in enumerate(["k", "dedup"])}
    for name, key in key_of.items():
        (tmp_path / name).write_text(base64.b64encode(key).decode())
    encryption = {"write_key": "k", "keys": {"k": f"file:{tmp_path / 'k'}"}, "dedup_key": f"file:{tmp_path / 'dedup'}"}
    with capture(encryption=encryption) as sink:
        headrace.feedback("r", comment="tulip", correction={"answer": "rose"})
        headrace.feedback("r", score=1)
    first, second = sink.feedback
    assert (second["comment"], second["correction"]) == (None, None)
    assert not re.search("tulip|rose", repr(sink.feedback))
    where = {"keys": key_of, "record_id": first["feedback_id"]}
    assert envelope.unseal(str(first["comment"]), field="comment", **where) == "tulip"
    assert envelope.unseal_object(str(first["correction"]), field="correction", **where) == '{"answer":"rose"}'


def test_too_long_texts_are_cut_and_marked() -> None:
    with capture(telemetry={"max_field_bytes": 1024}) as sink:
        headrace.feedback("r", comment="é" * 5000)
        headrace.feedback("r", correction={"answer": "x" * 5000})
        headrace.feedback("r", comment="x" * 1024)
        headrace.flush(60)
    long, correction, fits = sink.feedback
    assert long["comment"] is not None
    assert 1000 < len(long["comment"].encode()) <= 1024
    assert long["comment"].endswith("é...[cut]")
    assert correction["correction"] is not None
    assert len(correction["correction"]) <= 1024
    assert [record["truncated"] for record in sink.feedback] == [True, True, False]
    assert fits["comment"] == "x" * 1024


def test_odd_values_have_a_form_and_change_later_without_effect(captured: Captured) -> None:
    tags = ["a"]
    headrace.feedback("half \ud800", comment="\udc00", correction=UserDict(tags=tags, thing=object(), big=2**70))
    tags.append("b")
    record = only(captured)
    assert (record["request_id"], record["comment"]) == ("half ?", "?")
    assert canonical.loads(record["correction"]) == {"tags": ["a"], "thing": "<unencodable object>", "big": 2**70}


def test_it_is_published_at_any_sampling_rate() -> None:
    with capture(telemetry={"sampling_rate_pct": 0}) as sink:
        assert headrace.feedback("r", score=1)
    assert len(sink.feedback) == 1


def test_while_telemetry_is_off_it_goes_nowhere_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    with capture(telemetry={"enabled": False}) as sink:
        assert not headrace.feedback("r", score=1)
        assert not headrace.feedback("r", score=1)
        assert headrace.stats().sampled == 0
    assert sink.feedback == []
    assert caplog.text.count("telemetry.enabled is false") == 1


def test_it_goes_where_telemetry_is_switched_on_and_off_at_run_time() -> None:
    with capture(telemetry={"enabled": False}) as sink:
        headrace.set_sampling(enabled=True)
        assert headrace.feedback("r", score=1)
        headrace.set_sampling(enabled=False)
        assert not headrace.feedback("r", score=0)
    assert [record["score"] for record in sink.feedback] == [1]


def test_what_the_queue_cannot_take_is_counted() -> None:
    with capture() as sink:
        sink.fail_with = "kafka:_MSG_TIMED_OUT"
        assert headrace.feedback("r", score=1)
        headrace.flush(60)
        runtime.current().pipeline.close(10)
        assert not headrace.feedback("r", score=1)
        assert headrace.stats().dropped == {"kafka:_MSG_TIMED_OUT": 1, "closed": 1}
        assert headrace.stats().balanced


def test_a_pipeline_that_raises_is_not_the_callers_business() -> None:
    class Broken:
        def submit(self, _: object) -> bool:
            raise MemoryError

        def count_failure(self, _: str) -> None:
            raise MemoryError

    config = load(None, {"telemetry": {"enabled": True}}, {})
    previous = runtime.swap(runtime.Runtime(config, Broken()))  # type: ignore[arg-type]
    try:
        assert not headrace.feedback("r", score=1)
    finally:
        runtime.swap(previous)


def test_it_goes_to_a_file_beside_the_log(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "calls.jsonl"
    config = load(None, {"telemetry": {"enabled": True, "log_file_path": str(log)}}, {})
    pipeline = Pipeline(config)
    previous = runtime.swap(runtime.Runtime(config, pipeline))
    try:
        headrace.feedback("r", score=1, correction={"answer": "blue"})
        assert headrace.flush(60)
    finally:
        runtime.swap(previous)
        pipeline.close(10)
    (line,) = (tmp_path / "logs" / "calls.feedback.jsonl").read_text().splitlines()
    assert json.loads(line)["correction"] == {"answer": "blue"}
    assert not log.exists()


LATER = """
import sys
sys.modules["dspy"] = None  # as if it were not installed
import headrace
headrace.configure(telemetry={"enabled": True, "sampling_rate_pct": 1}, kafka={"bootstrap_servers": sys.argv[1]})
print(headrace.feedback("r-1", score=0.5, comment="mail ann@example.com"))
"""


def test_a_process_without_dspy_sends_it_to_the_broker_and_exits() -> None:
    from confluent_kafka import Consumer, TopicPartition

    from headrace_consumers.embedded import EmbeddedBroker

    with EmbeddedBroker([FEEDBACK]) as broker:
        address = broker.bootstrap_servers
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", LATER, address], capture_output=True, text=True, check=False
        )
        assert (done.stdout, done.stderr) == ("True\n", "")
        consumer = Consumer({**quiet_client(address), "group.id": "test"})
        consumer.assign([TopicPartition(FEEDBACK, partition, 0) for partition in range(4)])
        message = wait_until(lambda: consumer.poll(0.1), "the feedback")
        consumer.close()
    assert message.key() == keys.request_id_hash("r-1")
    record = feedback_codec().decode(message.value())
    assert (record["request_id"], record["score"], record["comment"]) == ("r-1", 0.5, "mail [EMAIL]")
