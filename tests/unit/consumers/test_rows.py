"""Rows from records, and the one that cannot become a row."""

import datetime as dt

from headrace_consumers.dataset.rows import ROW_SCHEMA, to_rows
from headrace_consumers.dataset.select import Kept
from tests.support.interactions import interaction, message_of


def kept(offset, **changes):
    record = interaction(offset)
    return Kept({**record, **changes}, 1.0, message_of(record, offset))


def test_rows_are_sorted_by_signature_and_position():
    rows, _ = to_rows([kept(2, signature="b"), kept(0, signature="b"), kept(1, signature="a")], "t", "id")
    assert rows["offset"].to_pylist() == [1, 0, 2]
    assert rows.schema.equals(ROW_SCHEMA)


def test_the_ingest_date_is_kafka_s_date_in_utc():
    rows, _ = to_rows([kept(0)], "t", "id")
    (at,), (date,) = rows["ingested_at"].to_pylist(), rows["ingest_date"].to_pylist()
    assert at.astimezone(dt.UTC).date() == date


def test_a_record_from_which_no_row_can_be_built_is_found_among_many():
    items = [kept(i) for i in range(20)]
    items[13] = kept(13, tokens=2**70)
    rows, culprits = to_rows(items, "t", "id")
    assert sorted(rows["offset"].to_pylist()) == [i for i in range(20) if i != 13]
    ((message, why),) = culprits
    assert (message.offset, why.reason) == (13, "unwritable")


def test_no_records_are_no_rows():
    rows, culprits = to_rows([], "t", "id")
    assert (rows.num_rows, culprits) == (0, [])
