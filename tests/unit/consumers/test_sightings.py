"""One row for each copy: its key, its request, where it stood."""

import datetime as dt

from headrace_consumers.dataset.kafka.message import Message
from headrace_consumers.dataset.kafka.messages import Messages
from headrace_consumers.dataset.sightings import SIGHTING_SCHEMA, sighting_rows
from headrace_schemas import keys
from headrace_schemas.topics import REQUEST_HEADER

KEY = b"ab" * 32
DAY_MS = 86_400_000


def copy(offset, *, partition=0, time_ms=5 * DAY_MS, request_id: str | None = "r", **changes):
    headers = () if request_id is None else ((REQUEST_HEADER, keys.request_id_hash(request_id)),)
    return Message(partition, offset, KEY, b"value", time_ms, **{"headers": headers, **changes})


def rows(*copies):
    return sighting_rows(Messages.of(copies), "topic", "id").to_pylist()


def test_a_copy_says_its_key_its_request_and_where_it_stood():
    (row,) = rows(copy(7, partition=3, request_id="req-1"))
    assert row == {
        "dedup_key": KEY.decode(),
        "request_hash": keys.request_id_hash("req-1").hex(),
        "topic": "topic",
        "topic_id": "id",
        "partition": 3,
        "offset": 7,
        "ingested_at": dt.datetime(1970, 1, 6, tzinfo=dt.UTC),
        "ingest_date": dt.date(1970, 1, 6),
    }


def test_without_a_header_of_ours_the_request_is_unknown():
    odd = copy(1, headers=((REQUEST_HEADER, b"short"), ("other", b"x")))
    assert [row["request_hash"] for row in rows(copy(0, request_id=None), odd)] == [None, None]


def test_a_copy_is_never_refused_for_its_time():
    assert [row["ingest_date"].year for row in rows(copy(0, time_ms=None), copy(1, time_ms=2**62))] == [1970, 9999]


def test_rows_stand_in_order_and_none_is_a_table_too():
    found = rows(copy(9), copy(2, partition=1), copy(3, time_ms=0))
    assert [(row["partition"], row["offset"]) for row in found] == [(0, 3), (0, 9), (1, 2)]
    assert sighting_rows(Messages.of([]), "t", "i").schema == SIGHTING_SCHEMA
