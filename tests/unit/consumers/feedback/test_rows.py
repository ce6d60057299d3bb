"""Feedback as rows."""

from headrace_consumers.dataset.feedback.rows import FEEDBACK_SCHEMA, feedback_rows, is_datable
from headrace_consumers.dataset.kafka.message import Message
from headrace_schemas import keys
from tests.unit.consumers.feedback.records import feedback, message_of


def test_a_row_holds_the_feedback_its_requests_hash_and_its_place():
    said = feedback(comment=None)
    (row,) = feedback_rows([(message_of(said, 7, 2), said)], "topic", "id").to_pylist()
    assert {name: row[name] for name in said} == said
    assert row["request_hash"] == keys.request_id_hash("r-1").hex()
    assert (row["topic"], row["topic_id"], row["partition"], row["offset"]) == ("topic", "id", 2, 7)
    assert row["ingest_date"] == row["ingested_at"].date()


def test_no_feedback_is_a_table_too():
    assert feedback_rows([], "t", "i").schema == FEEDBACK_SCHEMA


def test_a_time_that_no_reader_knows_is_told():
    assert is_datable(message_of(feedback()))
    assert not is_datable(Message(0, 0, None, b"", None))
    assert not is_datable(Message(0, 0, None, b"", 2**62))
