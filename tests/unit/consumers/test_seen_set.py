"""The seen-set: what it knows, what makes it start anew, and that it follows the table."""

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from headrace_consumers.dataset.delta.files import write_files
from headrace_consumers.dataset.delta.moves import Move
from headrace_consumers.dataset.delta.rows import to_rows
from headrace_consumers.dataset.delta.table import InteractionTable
from headrace_consumers.dataset.errors import Fenced, StateError
from headrace_consumers.dataset.seen import partition_set
from headrace_consumers.dataset.seen.catch_up import catch_up
from headrace_consumers.dataset.seen.fingerprints import fingerprints_of
from headrace_consumers.dataset.seen.member_folder import lock_member_folder
from headrace_consumers.dataset.seen.memory import MemoryWatch, Size
from headrace_consumers.dataset.seen.murmur2 import partitions_of
from headrace_consumers.dataset.seen.seen_file import Origin
from headrace_consumers.dataset.seen.seen_set import DuckDbSeenSet
from headrace_consumers.dataset.upkeep.erasures import ERASURES
from headrace_consumers.dataset.upkeep.upkeep import Upkeep
from headrace_schemas.keys import partition_of
from tests.support.interactions import interaction, kept, message_of

ORIGIN = Origin("table", "id", 4)
KEYS = [interaction(i)["dedup_key"].encode() for i in range(20)]
DAY = 20_000


def partition(key):
    return partition_of(key, 4)


def opened(folder, origin=ORIGIN):
    return DuckDbSeenSet(folder, origin)


def add(seen, partition, keys, next_offset=None, day=DAY):
    seen.add(partition, {day: fingerprints_of(keys)}, next_offset)


def is_new(seen, keys, partitions):
    return seen.is_new(fingerprints_of(keys), np.asarray(partitions))


def known(seen, keys, partition=0):
    """Return for each key whether the partition's set has it."""
    return (~is_new(seen, keys, [partition] * len(keys))).tolist()


def filled(folder, next_offset=20):
    """Leave a closed seen-set with all KEYS in partition 0."""
    seen = opened(folder)
    add(seen, 0, KEYS, next_offset)
    seen.close()


@pytest.fixture
def seen(tmp_path):
    seen = opened(tmp_path)
    yield seen
    seen.close()


def fill(table, questions, partition_of_key=partition, topic_id="id"):
    """Commit the questions' rows where Kafka would put them; return the positions."""
    starts, positions, records, messages = {}, {}, [], []
    for question in questions:
        record = interaction(question)
        p = partition_of_key(record["dedup_key"].encode())
        if p not in starts:
            starts[p] = table.position(f"{topic_id}/{p}")
        offset = positions.get(p, starts[p] or 0)
        positions[p] = offset + 1
        records.append(record)
        messages.append(message_of(record, offset, p))
    rows = to_rows(kept(records, messages), "topic", topic_id)
    moves = [Move(f"{topic_id}/{p}", starts[p], position) for p, position in positions.items()]
    table.commit(write_files(table.store, rows, table.layout), moves)
    return positions


def run_catch_up(table, seen, partitions=range(4)):
    return sum(catch_up(table, seen, "id", 4, list(partitions)))


def in_their_partitions(seen, keys):
    return (~is_new(seen, keys, [partition(key) for key in keys])).tolist()


def test_keys_are_new_until_they_are_added(seen):
    assert known(seen, KEYS[:3]) == [False] * 3
    add(seen, 0, [KEYS[1]], 5)
    assert known(seen, KEYS[:3]) == [False, True, False]
    assert (seen.watermark(0), seen.watermark(1)) == (5, None)


def test_each_partition_has_keys_of_its_own(seen):
    add(seen, 0, KEYS[:2], 2)
    add(seen, 3, KEYS[1:3], 2)
    wanted = [True, True, False, False, True, True]
    assert (~is_new(seen, KEYS[:3] * 2, [0] * 3 + [3] * 3)).tolist() == wanted
    assert (~is_new(seen, [KEYS[0], KEYS[2], KEYS[0]], [3, 3, 0])).tolist() == [False, True, True]


def test_odd_keys_are_always_new(seen):
    add(seen, 0, KEYS, 20)
    odd = [None, b"", b"short", b"G" * 64, "\u00e9".encode() * 32, KEYS[0].upper(), KEYS[0] + b"0", KEYS[0][:-1] + b"g"]
    assert known(seen, [*odd, KEYS[0]]) == [False] * len(odd) + [True]


def test_it_survives_closing(tmp_path):
    filled(tmp_path)
    again = opened(tmp_path)
    assert again.watermark(0) == 20
    assert known(again, KEYS) == [True] * len(KEYS)
    again.close()


def test_its_file_is_the_users_only(tmp_path):
    filled(tmp_path)
    assert (tmp_path / "seen-0.duckdb").stat().st_mode & 0o777 == 0o600


def test_killed_it_lags_and_never_leads(tmp_path):
    seen = opened(tmp_path)
    for number in range(partition_set.PENDING_ADDITIONS):
        add(seen, 0, [KEYS[number]], number + 1)  # the last of these saves
    add(seen, 0, [b"f" * 64], 100)
    left = {path.name: path.read_bytes() for path in tmp_path.iterdir()}  # what a kill leaves
    seen.close()
    for name, content in left.items():
        (tmp_path / name).write_bytes(content)
    again = opened(tmp_path)
    assert again.watermark(0) == partition_set.PENDING_ADDITIONS
    assert known(again, [*KEYS, b"f" * 64]) == [True] * 20 + [False]
    again.close()


@pytest.mark.parametrize("other", [Origin("another", "id", 4), Origin("table", "new", 4), Origin("table", "id", 8)])
def test_one_of_another_origin_is_emptied(tmp_path, other):
    filled(tmp_path)
    again = opened(tmp_path, other)
    assert again.watermark(0) is None
    assert known(again, KEYS) == [False] * len(KEYS)
    again.close()


def stuffing(seed):
    return np.random.default_rng(seed).integers(1, 2**64, 50_000, dtype=np.uint64)


def truncated(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def with_flipped_bits(path):
    content = bytearray(path.read_bytes())
    for place in range(len(content) // 3, len(content), 4096):  # headers are spared: the data is looked at too
        content[place] ^= 0xFF
    path.write_bytes(content)


def with_a_changed_key(path):
    content = path.read_bytes()
    key = stuffing(0)[:1].tobytes()
    assert key in content
    path.write_bytes(content.replace(key, bytes(8)))


def without_its_keys(path):
    with duckdb.connect(str(path)) as connection:
        connection.execute("drop table seen")


def of_another_layout(path):
    path.unlink()
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table seen (high ubigint, low ubigint)")


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"rubbish" * 1000),
        lambda path: path.unlink(),
        truncated,
        with_flipped_bits,
        with_a_changed_key,
        without_its_keys,
        of_another_layout,
    ],
)
def test_a_damaged_or_lost_file_is_rebuilt_from_the_table_and_the_others_are_kept(tmp_path, damage):
    table = InteractionTable(tmp_path / "t")
    positions = fill(table, range(20))
    first = opened(tmp_path)
    run_catch_up(table, first)
    for extra in range(3):  # some blocks of data
        first.add(1, {DAY: stuffing(extra)}, positions[1])
    first.close()
    damage(tmp_path / "seen-1.duckdb")
    again = opened(tmp_path)
    assert [again.watermark(p) is None for p in range(4)] == [False, True, False, False]
    assert run_catch_up(table, again) == len([key for key in KEYS if partition(key) == 1])
    assert in_their_partitions(again, KEYS) == [True] * 20
    assert again.watermark(1) == positions[1]
    again.close()
    if (tmp_path / "seen-1.duckdb.damaged").exists():
        assert opened(tmp_path).watermark(1) == positions[1]


def test_what_cannot_be_read_is_set_aside_and_told(tmp_path):
    (tmp_path / "seen-0.duckdb").write_bytes(b"rubbish" * 1000)
    with capture_logs() as logs:
        seen = opened(tmp_path)
        assert seen.watermark(0) is None
    seen.close()
    assert (tmp_path / "seen-0.duckdb.damaged").read_bytes().startswith(b"rubbish")
    assert [log["event"] for log in logs] == ["seen-set unreadable, rebuilding"]


def test_the_file_of_an_older_release_is_set_aside_and_rebuilt(tmp_path):
    table = InteractionTable(tmp_path / "t")
    fill(table, range(20))
    with duckdb.connect(str(tmp_path / "seen.duckdb")) as old:
        old.execute("create table seen (partition integer, high ubigint, low ubigint)")
        old.execute("create table watermarks (partition integer, next_offset bigint)")
        old.execute("insert into watermarks values (0, 1000)")
    seen = opened(tmp_path)
    assert not (tmp_path / "seen.duckdb").exists()
    assert (tmp_path / "seen.duckdb.old").exists()
    assert run_catch_up(table, seen) == 20
    assert in_their_partitions(seen, KEYS) == [True] * 20
    seen.close()


def test_forgetting_a_partition_drops_its_keys_only(seen):
    add(seen, 0, KEYS[:2], 2)
    add(seen, 1, KEYS[2:4], 2)
    seen.forget(0)
    assert (known(seen, KEYS[:4], 0), known(seen, KEYS[:4], 1)) == ([False] * 4, [False, False, True, True])
    assert (seen.watermark(0), seen.watermark(1)) == (None, 2)


def test_a_file_that_cannot_be_written_stays_behind_and_memory_goes_on(tmp_path):
    seen = opened(tmp_path)
    add(seen, 0, KEYS[:5], 5)
    seen.save(0)
    seen._sets[0].file._connection.close()  # as a disk that is gone
    with capture_logs() as logs:
        add(seen, 0, KEYS[5:10], 10)
        seen.save(0)
        add(seen, 0, KEYS[10:], 20)
        seen.save(0)
        assert seen.forget_before(DAY) == 0
        assert (seen.watermark(0), known(seen, KEYS)) == (20, [True] * 20)
        seen.close()
    (event,) = [log["event"] for log in logs]  # told once
    assert event.startswith("seen-set file not written: the keys stay in memory")
    again = opened(tmp_path)  # which is brought forward from the table
    assert (again.watermark(0), known(again, KEYS)) == (5, [True] * 5 + [False] * 15)
    again.close()


def test_a_file_that_was_behind_is_brought_forward_once_it_can_be_written(tmp_path, seen):
    table, now = InteractionTable(tmp_path / "t"), [0.0]
    fill(table, range(10))
    run_catch_up(table, seen)
    loaded = seen._sets[0]
    is_full = [True]
    append = loaded.file.append

    def refused(*arguments):
        if is_full[0]:
            raise StateError("no room")
        append(*arguments)

    loaded.file.append = refused
    before = seen.watermark(0)
    fill(table, range(10, 20))
    assert run_catch_up(table, seen) == 10
    upkeep = Upkeep([], table, seen, lambda: now[0])
    now[0] = 600.0
    upkeep.turn(has_role=False)  # there is no room yet
    is_full[0], now[0] = False, 1200.0
    with pytest.raises(Fenced, match="can be written again"):
        upkeep.turn(has_role=False)
    assert seen.watermark(0) == before
    assert run_catch_up(table, seen) > 0
    assert in_their_partitions(seen, KEYS) == [True] * 20
    now[0] = 1800.0
    upkeep.turn(has_role=False)


def test_keys_of_rows_before_a_day_can_be_forgotten(tmp_path):
    seen = opened(tmp_path)
    add(seen, 0, KEYS[:5], 5, day=DAY)
    add(seen, 0, KEYS[5:], 20, day=DAY + 1)
    assert seen.forget_before(DAY) == 0
    assert seen.forget_before(DAY + 1) == 5
    assert known(seen, KEYS) == [False] * 5 + [True] * 15
    seen.close()
    again = opened(tmp_path)
    assert (again.watermark(0), known(again, KEYS)) == (20, [False] * 5 + [True] * 15)
    again.close()


def test_partitions_that_went_give_their_memory_back_and_come_again(seen):
    for p in range(3):
        add(seen, p, KEYS[p : p + 2], 2)
    before = seen.size
    seen.release_all_but({1})
    assert (before.keys, seen.size.keys) == (6, 2)
    assert seen.size.memory_bytes < before.memory_bytes
    assert known(seen, KEYS[:2]) == [True, True]
    assert seen.watermark(2) == 2


BATCHES = st.lists(
    st.tuples(st.sampled_from("aasfrck"), st.integers(0, 2), st.lists(st.integers(0, 19), max_size=6)), max_size=12
)


@settings(max_examples=15, deadline=None)
@given(BATCHES)
def test_whatever_is_done_it_knows_what_plain_sets_know(tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("seen")
    seen, model, watermarks = opened(folder), {p: {} for p in range(3)}, dict.fromkeys(range(3))
    for number, (step, p, places) in enumerate(steps):
        keys = [KEYS[place] for place in places]
        if step == "a":
            add(seen, p, keys, number, day=DAY + number)
            model[p] = dict.fromkeys(keys, DAY + number) | model[p]
            watermarks[p] = number
        elif step == "s":
            seen.save(p)
        elif step == "f":
            seen.forget(p)
            model[p], watermarks[p] = {}, None
        elif step == "r":
            seen.release_all_but({p})
        elif step == "c":
            seen.close()
            seen = opened(folder)
        elif step == "k":
            for loaded in range(3):
                seen.watermark(loaded)
            seen.forget_before(DAY + number)
            for loaded in model.values():
                for key in [key for key, day in loaded.items() if day < DAY + number]:
                    del loaded[key]
        for each in range(3):
            assert known(seen, KEYS, each) == [key in model[each] for key in KEYS]
            assert seen.watermark(each) == watermarks[each]
    seen.close()


@pytest.mark.parametrize(
    ("sizes", "events"),
    [
        ([10, 79], []),
        ([79, 80, 90], ["seen-set nearly as large as planned"]),
        ([80, 100, 130], ["seen-set nearly as large as planned", "seen-set larger than planned"]),
        ([85, 10, 85], ["seen-set nearly as large as planned"] * 2),
    ],
)
def test_memory_beyond_what_was_planned_is_told_once(sizes, events):
    watch = MemoryWatch(100)
    with capture_logs() as logs:
        for size in sizes:
            watch.look(Size(1, size))
    assert [log["event"] for log in logs] == events


def test_growing_is_watched(tmp_path):
    seen = DuckDbSeenSet(tmp_path, ORIGIN, MemoryWatch(200_000))
    with capture_logs() as logs:
        seen.add(0, {DAY: np.arange(1, 30_000, dtype=np.uint64)}, 1)
    seen.close()
    assert [log["keys"] for log in logs] == [29_999]


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
    assert in_their_partitions(seen, KEYS) == [partition(key) != 3 for key in KEYS]
    assert [seen.watermark(p) for p in mine] == [positions[p] for p in mine]


def test_one_that_is_behind_gets_only_the_rows_from_its_watermark_on(tmp_path, seen):
    table = InteractionTable(tmp_path / "t")
    fill(table, range(10))
    run_catch_up(table, seen)
    assert run_catch_up(table, seen) == 0
    fill(table, range(10, 20))
    assert run_catch_up(table, seen) == 10
    assert in_their_partitions(seen, KEYS) == [True] * 20


def test_one_ahead_of_the_table_is_rebuilt_without_the_keys_that_are_not_there(tmp_path, seen):
    table = InteractionTable(tmp_path / "t")
    positions = fill(table, range(10))
    for p in range(4):
        add(seen, p, KEYS[15:], 1000)
    run_catch_up(table, seen)
    assert in_their_partitions(seen, KEYS[:10] + KEYS[15:]) == [True] * 10 + [False] * 5
    assert {p: seen.watermark(p) for p in positions} == positions


def test_a_rebuild_that_was_interrupted_is_done_again(tmp_path, seen):
    table = InteractionTable(tmp_path / "t")
    fill(table, range(10))
    steps = catch_up(table, seen, "id", 4, [0, 1, 2, 3])
    while not next(steps):
        pass
    steps.close()
    assert seen.size.keys == 10
    assert [seen.watermark(p) for p in range(4)] == [None] * 4
    seen.close()
    again = opened(tmp_path)
    assert run_catch_up(table, again) == again.size.keys == 10
    again.close()


def test_a_revoked_partition_that_comes_again_gets_what_another_member_added(tmp_path, seen):
    table = InteractionTable(tmp_path / "t")
    fill(table, range(10))
    run_catch_up(table, seen)
    seen.release_all_but(())
    fill(table, range(10, 20))
    assert run_catch_up(table, seen) == 10
    assert in_their_partitions(seen, KEYS) == [True] * 20


def test_rows_that_a_foreign_partitioner_put_elsewhere_are_known_where_they_are_read(tmp_path, seen):
    table = InteractionTable(tmp_path / "t")
    fill(table, range(20), partition_of_key=lambda key: (partition(key) + 1) % 4)
    run_catch_up(table, seen)
    elsewhere = [(partition(key) + 1) % 4 for key in KEYS]
    assert not is_new(seen, KEYS, elsewhere).any()


def erase(table, number=1):
    """Raise the number of erasures as an erasure's commit does."""
    table.commit([], [Move(ERASURES, number - 1 or None, number)])


def test_after_an_erasure_it_is_rebuilt_once_without_what_is_gone(tmp_path, seen):
    table = InteractionTable(tmp_path / "t")
    positions = fill(table, range(10))
    run_catch_up(table, seen)
    for p in range(4):
        add(seen, p, KEYS[10:])  # as rows that have been erased
    erase(table)
    assert run_catch_up(table, seen) == 10
    assert in_their_partitions(seen, KEYS) == [True] * 10 + [False] * 10
    assert {p: seen.watermark(p) for p in positions} == positions
    seen.close()
    again = opened(tmp_path)
    assert run_catch_up(table, again) == 0
    assert in_their_partitions(again, KEYS) == [True] * 10 + [False] * 10
    again.close()


def test_an_erasure_while_it_runs_starts_the_member_anew(tmp_path, seen):
    table, now = InteractionTable(tmp_path / "t"), [0.0]
    fill(table, range(10))
    run_catch_up(table, seen)
    upkeep = Upkeep([], table, seen, lambda: now[0])
    now[0] = 600.0
    upkeep.turn(has_role=False)
    erase(InteractionTable(tmp_path / "t"))  # by another process
    now[0] = 1200.0
    with pytest.raises(Fenced, match="erased"):
        upkeep.turn(has_role=False)
    assert run_catch_up(table, seen) == 10
    now[0] = 1800.0
    upkeep.turn(has_role=False)


def test_rows_of_another_topic_are_known_where_this_topics_copies_come(tmp_path, seen):
    table = InteractionTable(tmp_path / "t")
    fill(table, range(10), partition_of_key=lambda _: 0, topic_id="old")
    fill(table, range(10, 20))
    assert run_catch_up(table, seen) == 20
    assert in_their_partitions(seen, KEYS) == [True] * 20
    assert known(seen, KEYS[:10]) == [partition(key) == 0 for key in KEYS[:10]]


@given(st.lists(st.binary(min_size=64, max_size=64), min_size=1), st.integers(1, 50))
def test_the_vector_form_of_murmur2_agrees_with_the_scalar_one(keys, partitions):
    matrix = np.frombuffer(b"".join(keys), np.uint8).reshape(-1, 64)
    assert partitions_of(matrix, partitions).tolist() == [partition_of(key, partitions) for key in keys]
