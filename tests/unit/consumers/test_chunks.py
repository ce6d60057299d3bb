"""A batch comes to the same whatever its chunks; of a failure on either thread nothing is left but itself."""

import dataclasses
import threading
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.config import load
from headrace_consumers.dataset import chunks
from headrace_consumers.dataset.chunks import Taking, chunk_records_of
from headrace_consumers.dataset.errors import TableError
from headrace_consumers.dataset.judging.filter import Filter
from headrace_consumers.dataset.judging.select import select
from headrace_consumers.dataset.kafka.messages import Messages
from headrace_consumers.dataset.kafka.source import Source
from headrace_consumers.dataset.records.columnar import ColumnarDecoder
from tests.support.interactions import interaction, message_of

SOURCE = Source("topic", "id", 2)
DECODER = ColumnarDecoder()
FILTER = Filter(load(None, {}, {}).filters)
DAY_MS = 86_400_000


def judge(chunk, is_known, in_table=frozenset()):
    is_new = [key not in in_table for key in chunk.keys]
    return select(chunk, is_new & ~is_known, DECODER, FILTER)


class Copies:
    """Takes copies."""

    def __init__(self):
        self.found = []

    def further(self, copies):
        return copies

    def append(self, further):
        self.found += further


def take(messages, judge, append, *, chunk_records, copies=None):
    with Taking(judge, append, SOURCE, copies=copies, chunk_records=chunk_records) as taking:
        taking.add(Messages.of(messages))
        return taking.finish()


def taken(messages, chunk_records, in_table=frozenset()):
    """What the batch comes to, the tables that it appended, and the copies."""
    tables, copies = [], Copies()
    result = take(
        messages,
        lambda chunk, is_known: judge(chunk, is_known, in_table),
        tables.append,
        chunk_records=chunk_records,
        copies=copies,
    )
    return result, tables, copies.found


def as_values(result, tables, copies):
    """All of it, with nothing that may depend on the chunks."""
    rows = Counter(tuple(sorted(row.items())) for table in tables for row in table.to_pylist())
    places = Counter((message.partition, message.offset, why.reason) for message, why in result.unreadable)
    fingerprints = {
        (partition, day): sorted(found.tolist())
        for partition, of_partition in result.fingerprints.items()
        for day, found in of_partition.items()
    }
    return (
        rows,
        places,
        [(message.partition, message.offset) for message in copies],
        result.tally,
        fingerprints,
    )


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("headrace-rows")]


SHAPES = ("good", "good", "fails", "outcome", "cut", "rubbish", "keyless", "other key", "dateless", "yesterday")


def message(shape, question, partition, offset):
    record = interaction(question, success=shape != "fails")
    if shape == "outcome":
        record = interaction(question, capture_level="outcome", dedup_key=f"event {offset}", input="{}", output="{}")
    made = message_of(record, offset, partition)
    changes = {
        "cut": {"value": made.value[:-1]},
        "rubbish": {"value": b"rubbish"},
        "keyless": {"key": None},
        "other key": {"key": b"0" * 64},
        "dateless": {"append_time_ms": 2**62},
        "yesterday": {"append_time_ms": made.append_time_ms - DAY_MS},
    }
    return dataclasses.replace(made, **changes.get(shape, {}))


drawn_batches = st.lists(st.tuples(st.sampled_from(SHAPES), st.integers(0, 4), st.integers(0, 1)), max_size=30)


@settings(max_examples=60, deadline=None)
@given(drawn_batches, st.integers(1, 12))
def test_a_batch_comes_to_the_same_whatever_its_chunks(drawn, chunk_records):
    messages = [message(*one, offset) for offset, one in enumerate(sorted(drawn, key=lambda one: one[2]))]
    in_table = {interaction(0)["dedup_key"].encode()}
    whole = as_values(*taken(messages, 1000, in_table))
    assert as_values(*taken(messages, chunk_records, in_table)) == whole
    assert whole[3].balances


def test_a_copy_whose_first_passing_one_stands_in_a_chunk_before_is_a_copy():
    messages = [message_of(interaction("a", success=False), 0), *(message_of(interaction("a"), n) for n in range(1, 7))]
    _, tables, copies = taken(messages, 2)
    assert [row["offset"] for table in tables for row in table.to_pylist()] == [1]
    assert [message.offset for message in copies] == [2, 3, 4, 5, 6]


def test_chunks_are_even_and_bounded_by_bytes(monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 3000)
    messages = [message_of(interaction(n, input="x" * (2000 if n < 2 else 1)), n) for n in range(10)]
    sizes = []

    def counting(chunk, is_known):
        sizes.append(len(chunk))
        return judge(chunk, is_known)

    take(messages, counting, lambda _: None, chunk_records=7)
    assert sizes[:2] == [1, 2]
    assert sum(sizes) == 10
    assert max(sizes) == 5


def test_a_full_batch_is_five_chunks_and_a_chunk_not_too_large():
    assert [chunk_records_of(most) for most in (1, 4, 700, 50_000, 1_000_000)] == [1, 1, 140, 10_000, 10_000]


def test_rows_wait_until_they_are_worth_a_row_group(monkeypatch):
    messages = [message_of(interaction(n, success=n % 4 == 0), n) for n in range(21)]
    _, tables, _ = taken(messages, 7)
    assert [table["offset"].to_pylist() for table in tables] == [[0, 4, 8, 12], [16, 20]]
    monkeypatch.setattr(chunks, "_GROUP_BYTES", 1)
    _, tables, _ = taken(messages, 7)
    assert [table["offset"].to_pylist() for table in tables] == [[0, 4], [8, 12], [16, 20]]


@pytest.mark.parametrize("at", range(5))
def test_what_goes_wrong_on_the_other_thread_is_raised_here(at):
    appended = []

    def append(rows):
        if len(appended) == at:
            raise TableError("full")
        appended.append(rows)

    messages = [message_of(interaction(n), n) for n in range(10)]
    with pytest.raises(TableError, match="full"):
        take(messages, judge, append, chunk_records=2)
    assert len(appended) == at


@pytest.mark.parametrize("at", range(5))
def test_what_goes_wrong_on_this_thread_ends_the_other(at):
    judged = []

    def failing(chunk, is_known):
        if len(judged) == at:
            raise KeyboardInterrupt
        judged.append(chunk)
        return judge(chunk, is_known)

    messages = [message_of(interaction(n), n) for n in range(10)]
    with pytest.raises(KeyboardInterrupt):
        take(messages, failing, lambda _: None, chunk_records=2)


def test_an_empty_batch_comes_to_nothing():
    result, tables, copies = taken([], 10)
    assert (result.unreadable, copies, result.fingerprints, tables) == ([], [], {}, [])
