"""The seen-set: what it knows, what makes it start anew, and that it follows the table."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_consumers.dataset.catch_up import catch_up
from headrace_consumers.dataset.errors import StateError
from headrace_consumers.dataset.files import write_files
from headrace_consumers.dataset.murmur2 import partitions_of
from headrace_consumers.dataset.rows import to_rows
from headrace_consumers.dataset.seen_set import DuckDbSeenSet, Origin, lock_member_folder
from headrace_consumers.dataset.table import InteractionTable, Move
from headrace_schemas.keys import partition_of
from tests.support.interactions import interaction, kept, message_of

ORIGIN = Origin("table", "id", 4)
KEYS = [interaction(i)["dedup_key"].encode() for i in range(20)]


def partition(key):
    return partition_of(key, 4)


@pytest.fixture
def seen(tmp_path):
    seen = DuckDbSeenSet(tmp_path, ORIGIN)
    yield seen
    seen.close()


def fill(table, questions):
    """Write the questions' rows where Kafka would put them; return the positions."""
    positions = {}
    for question in questions:
        record = interaction(question)
        p = partition(record["dedup_key"].encode())
        start = table.position(f"id/{p}")
        message = message_of(record, start or 0, p)
        rows, _ = to_rows(kept([record], [message]), "topic", "id")
        table.commit(write_files(table.store, rows), [Move(f"id/{p}", start, (start or 0) + 1)])
        positions[p] = (start or 0) + 1
    return positions


def run_catch_up(table, seen, partitions=range(4)):
    return sum(catch_up(table, seen, "id", 4, list(partitions)))


def test_keys_are_new_until_they_are_added(seen):
    assert seen.is_new(KEYS[:3]) == [True] * 3
    seen.add({0: [KEYS[1]]}, {0: 5})
    assert seen.is_new(KEYS[:3]) == [True, False, True]
    assert (seen.watermark(0), seen.watermark(1)) == (5, None)


def test_odd_keys_are_always_new(seen):
    assert seen.is_new([None, b"", b"short", b"G" * 64, "é".encode() * 32]) == [True] * 5


def test_it_survives_closing(tmp_path):
    first = DuckDbSeenSet(tmp_path, ORIGIN)
    first.add({2: KEYS}, {2: 20})
    first.close()
    again = DuckDbSeenSet(tmp_path, ORIGIN)
    assert again.is_new(KEYS) == [False] * len(KEYS)
    assert again.watermark(2) == 20
    again.close()


@pytest.mark.parametrize("other", [Origin("another", "id", 4), Origin("table", "new", 4), Origin("table", "id", 8)])
def test_one_of_another_origin_is_emptied(tmp_path, other):
    first = DuckDbSeenSet(tmp_path, ORIGIN)
    first.add({0: KEYS}, {0: 20})
    first.close()
    again = DuckDbSeenSet(tmp_path, other)
    assert (len(again), again.watermark(0)) == (0, None)
    again.close()


@pytest.mark.parametrize("damage", [b"", b"rubbish" * 1000])
def test_a_damaged_file_is_set_aside_and_started_anew(tmp_path, damage):
    first = DuckDbSeenSet(tmp_path, ORIGIN)
    first.add({0: KEYS}, {0: 20})
    first.close()
    (tmp_path / "seen.duckdb").write_bytes(damage)
    again = DuckDbSeenSet(tmp_path, ORIGIN)
    assert again.watermark(0) is None
    again.close()


def test_forgetting_a_partition_drops_its_keys_only(seen):
    seen.add({0: KEYS[:2], 1: KEYS[2:4]}, {0: 2, 1: 2})
    seen.forget(0)
    assert seen.is_new(KEYS[:4]) == [True, True, False, False]
    assert (seen.watermark(0), seen.watermark(1)) == (None, 2)


def test_a_failed_addition_changes_nothing(seen):
    seen.add({0: KEYS[:1]}, {0: 1})
    with pytest.raises(ValueError, match="hex"):
        seen.add({0: KEYS[1:2], 1: [b"z" * 64]}, {0: 2})
    assert (len(seen), seen.watermark(0)) == (1, 1)


def test_members_on_one_machine_take_different_folders(tmp_path):
    first, lock = lock_member_folder(tmp_path)
    second, other = lock_member_folder(tmp_path)
    assert (first.name, second.name) == ("member-0", "member-1")
    lock.close()
    third, again = lock_member_folder(tmp_path)
    assert third == first
    for handle in (other, again):
        handle.close()


def test_an_unusable_state_path_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match=r"dataset\.state_path"):
        lock_member_folder(tmp_path / "file" / "state")


def test_an_empty_one_is_rebuilt_with_the_partitions_own_keys(tmp_path, seen):
    table = InteractionTable(tmp_path / "t")
    positions = fill(table, range(20))
    mine = [p for p in positions if p != 3]
    run_catch_up(table, seen, mine)
    assert seen.is_new(KEYS) == [partition(key) == 3 for key in KEYS]
    assert [seen.watermark(p) for p in mine] == [positions[p] for p in mine]


def test_one_that_is_behind_gets_only_the_rows_from_its_watermark_on(tmp_path, seen):
    table = InteractionTable(tmp_path / "t")
    fill(table, range(10))
    run_catch_up(table, seen)
    assert run_catch_up(table, seen) == 0
    fill(table, range(10, 20))
    assert run_catch_up(table, seen) == 10
    assert seen.is_new(KEYS) == [False] * 20


def test_one_ahead_of_the_table_is_rebuilt_without_the_keys_that_are_not_there(tmp_path, seen):
    table = InteractionTable(tmp_path / "t")
    positions = fill(table, range(10))
    seen.add({partition(KEYS[15]): [KEYS[15]]}, dict.fromkeys(range(4), 1000))
    run_catch_up(table, seen)
    assert seen.is_new([KEYS[15]]) == [True]
    assert seen.is_new(KEYS[:10]) == [False] * 10
    assert {p: seen.watermark(p) for p in positions} == positions


def test_a_rebuild_that_was_interrupted_is_done_again(tmp_path, seen):
    table = InteractionTable(tmp_path / "t")
    fill(table, range(10))
    steps = catch_up(table, seen, "id", 4, [0, 1, 2, 3])
    next(steps)
    steps.close()
    assert [seen.watermark(p) for p in range(4)] == [None] * 4
    run_catch_up(table, seen)
    assert len(seen) == 10


@given(st.lists(st.binary(min_size=64, max_size=64), min_size=1), st.integers(1, 50))
def test_the_vector_form_of_murmur2_agrees_with_the_scalar_one(keys, partitions):
    matrix = np.frombuffer(b"".join(keys), np.uint8).reshape(-1, 64)
    assert partitions_of(matrix, partitions).tolist() == [partition_of(key, partitions) for key in keys]
