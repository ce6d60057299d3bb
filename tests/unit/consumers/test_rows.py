"""Rows from records, and the one that cannot become a row."""

import dataclasses
import datetime as dt

from headrace_consumers.dataset.delta.rows import ROW_SCHEMA, dated, to_rows
from headrace_consumers.dataset.records.frame import frame_of
from tests.support.interactions import interaction, kept, message_of


def kept_at(*offsets, **changes):
    records = [interaction(offset, **changes) for offset in offsets]
    return kept(records, [message_of(record, offset) for record, offset in zip(records, offsets, strict=True)])


def test_rows_are_sorted_by_signature_and_position():
    rows = to_rows(kept_at(2, 0, signature="b").vstack(kept_at(1, signature="a")), "t", "id")
    assert rows["offset"].to_pylist() == [1, 0, 2]
    assert rows.schema.equals(ROW_SCHEMA)


def test_every_field_of_the_record_is_in_its_row():
    record = interaction(7, error=None, tokens=None, cost_usd=0.25)
    rows = to_rows(kept([record], [message_of(record, 7, partition=3)], quality=0.5), "t", "id")
    (row,) = rows.to_pylist()
    assert {name: row[name] for name in record} == record
    assert (row["quality"], row["topic"], row["topic_id"], row["partition"], row["offset"]) == (0.5, "t", "id", 3, 7)


def test_the_ingest_date_is_kafka_s_date_in_utc():
    rows = to_rows(kept_at(0), "t", "id")
    (at,), (date,) = rows["ingested_at"].to_pylist(), rows["ingest_date"].to_pylist()
    assert at.astimezone(dt.UTC).date() == date


def test_a_record_from_which_no_row_can_be_built_is_found_among_many():
    records = [interaction(number) for number in range(20)]
    records[13] = {**records[13], "tokens": 2**70}
    records[14] = {**records[14], "service": "half \ud800"}
    frame, culprits = frame_of(records)
    assert culprits == [13, 14]
    assert frame["dedup_key"].to_list() == [r["dedup_key"] for n, r in enumerate(records) if n not in culprits]


def test_a_record_of_no_date_is_no_row():
    record = interaction("late")
    message = dataclasses.replace(message_of(record, 5), append_time_ms=2**62)
    frame, culprits = dated(kept_at(0).vstack(kept([record], [message])))
    assert (frame["offset"].to_list(), culprits) == ([0], [(0, 5)])


def test_no_records_are_no_rows():
    frame, culprits = dated(kept([], []))
    assert (to_rows(frame, "t", "id").num_rows, culprits) == (0, [])
