"""What belongs to a row: its copies and its feedback."""

import polars as pl

from headrace_consumers.dataset.feedback.rows import feedback_rows
from headrace_consumers.dataset.kafka.message import Message
from headrace_consumers.dataset.kafka.messages import Messages
from headrace_consumers.dataset.sightings import sighting_rows
from headrace_consumers.joins import copies_of, feedback_on
from headrace_schemas import keys
from headrace_schemas.topics import REQUEST_HEADER
from tests.unit.consumers.feedback.records import NOW_MS, feedback, message_of

BLUE, RED = "a" * 64, "b" * 64

ROWS = pl.LazyFrame(
    {"dedup_key": [BLUE, RED], "request_id": ["kept-blue", "kept-red"], "module_name": ["support", "triage"]}
)


def sightings(*seen):
    """(key, request id) pairs as a table."""
    copies = [
        Message(0, offset, key.encode(), b"", NOW_MS, ((REQUEST_HEADER, keys.request_id_hash(request)),))
        for offset, (key, request) in enumerate(seen)
    ]
    return pl.from_arrow(sighting_rows(Messages.of(copies), "t", "id")).lazy()


def given(*said):
    return pl.from_arrow(feedback_rows([(message_of(one, n), one) for n, one in enumerate(said)], "t", "id")).lazy()


def found(said, seen=()):
    joined = feedback_on(ROWS, sightings(*seen), given(*said)).collect()
    return sorted(joined.select("dedup_key", "feedback_id", "to_a_copy").rows())


def test_feedback_on_the_kept_call_finds_its_row():
    assert found([feedback(request_id="kept-blue")]) == [(BLUE, "f-1", False)]


def test_feedback_on_a_copy_finds_the_row_that_was_kept():
    said = feedback(request_id="later", feedback_id="f-2")
    assert found([said], [(BLUE, "later"), (RED, "other")]) == [(BLUE, "f-2", True)]


def test_feedback_that_names_a_module_is_on_its_rows_only():
    seen = [(BLUE, "both"), (RED, "both")]
    assert found([feedback(request_id="both", module_name="triage")], seen) == [(RED, "f-1", True)]
    assert found([feedback(request_id="both", module_name=None)], seen) == [(BLUE, "f-1", True), (RED, "f-1", True)]


def test_what_stands_twice_counts_once():
    said = feedback(request_id="kept-blue")
    assert found([said, said], [(BLUE, "kept-blue")]) == [(BLUE, "f-1", False)]
    seen = pl.concat([sightings((BLUE, "x"), (BLUE, "y")), sightings((BLUE, "x"))])
    assert copies_of(seen).collect().rows() == [(BLUE, 2)]


def test_feedback_on_nothing_we_hold_is_on_no_row():
    assert found([feedback(request_id="unsampled")]) == []
