"""Maintenance on a real table: rows keep, files become few, what readers and commits need stays; two do no harm."""

import datetime as dt
import errno
import json
import os
import threading

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from headrace.config.consumers import Dataset
from headrace_consumers.dataset.delta.files import write_files
from headrace_consumers.dataset.delta.local_store import LocalStore
from headrace_consumers.dataset.delta.moves import Move
from headrace_consumers.dataset.delta.rows import INTERACTIONS, to_rows
from headrace_consumers.dataset.delta.table import InteractionTable
from headrace_consumers.dataset.errors import Fenced, TableError
from headrace_consumers.dataset.upkeep import cleanup, culprits, merge, replacing, works
from headrace_consumers.dataset.upkeep.maintenance import Maintenance
from headrace_consumers.dataset.upkeep.replacing import ReplacingHandle
from headrace_consumers.dataset.upkeep.table_health import TableHealth
from tests.support.interactions import NOW_MS, interaction, kept, message_of

NOW = dt.datetime.fromtimestamp(NOW_MS / 1000, dt.UTC)


def append(table, *, count=1, partition=0, day=0):
    """Commit rows that Kafka took in so many days from now, as the consumer does."""
    start = table.position(f"id/{partition}")
    first = start or 0
    records = [interaction(f"p{partition} {first + i}") for i in range(count)]
    messages = [message_of(record, first + i, partition) for i, record in enumerate(records)]
    frame = kept(records, messages).with_columns(append_time_ms=pl.lit(NOW_MS + day * 86_400_000, pl.Int64))
    rows = to_rows(frame, "topic", "id")
    table.commit(write_files(table.store, rows, table.layout), [Move(f"id/{partition}", start, first + count)])


class Clock:
    def __init__(self):
        self.now = NOW
        self.seconds = 0.0

    def pass_days(self, days):
        self.now += dt.timedelta(days=days)
        self.seconds += days * 86_400


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def table(tmp_path):
    return InteractionTable(tmp_path / "t", sleep=lambda _: None)


def maintenance(table, clock, **settings):
    return Maintenance(table.path, Dataset(**settings), now=lambda: clock.now, clock=lambda: clock.seconds)


def to_the_end(work):
    while work.step():
        pass


def places(table):
    rows = pl.scan_delta(str(table.path)).select("partition", "offset").collect()
    return sorted(rows.rows())


def active(table):
    return len(DeltaTable(str(table.path)).file_uris())


def on_disk(table):
    return {path.name for path in table.path.glob("ingest_date=*/*.parquet")}


def test_small_files_become_one_with_the_same_rows_and_layout(table, clock):
    for _ in range(12):
        append(table, count=3)
    before = pl.scan_delta(str(table.path)).sort("offset").collect()
    maintenance(table, clock).run()
    assert active(table) == 1
    assert pl.scan_delta(str(table.path)).sort("offset").collect().equals(before)
    entry = (table.path / "_delta_log" / f"{13:020}.json").read_text()
    (action,) = [json.loads(line)["add"] for line in entry.splitlines() if '"add"' in line]
    assert action["dataChange"] is False
    assert action["path"].startswith(f"ingest_date={NOW.date()}/")
    assert action["size"] == (table.path / action["path"]).stat().st_size
    assert set(json.loads(action["stats"])["maxValues"]) == set(INTERACTIONS.bounded)
    assert (table.path / action["path"]).stat().st_mode & 0o777 == 0o600


def test_where_files_have_many_runs_only_those_that_were_merged_are_replaced(table, clock, monkeypatch):
    monkeypatch.setattr(merge, "MOST_RUNS", 1)  # two files at a time
    for _ in range(5):
        append(table, count=3)
    before = places(table)
    clock.pass_days(1)
    work = maintenance(table, clock)
    work.run()
    assert places(table) == before
    assert (active(table), work.done.files_merged) == (1, 8)


def test_positions_and_fencing_are_as_before(table, clock):
    stale = InteractionTable(table.path)
    for _ in range(12):
        append(table)
    maintenance(table, clock).run()
    assert InteractionTable(table.path).position("id/0") == 12
    with pytest.raises(Fenced):
        stale.commit([], [Move("id/0", None, 5)])
    append(table)
    assert places(table) == [(0, offset) for offset in range(13)]


def test_of_two_that_planned_at_one_version_one_is_fenced(table, clock):
    for _ in range(12):
        append(table)
    first, second = maintenance(table, clock), maintenance(table, clock)
    assert second.step()
    assert first.step()
    first.run()
    with pytest.raises(Fenced):
        to_the_end(second)
    second.run()
    assert places(table) == [(0, offset) for offset in range(12)]
    assert len(on_disk(table)) == 13  # and the loser's file is gone


def test_a_commit_that_landed_though_it_raised_is_no_failure(table, clock, monkeypatch):
    for _ in range(12):
        append(table)
    reopened = replacing.reopen

    class Raises:
        def __init__(self, inner):
            self._inner = inner

        def __getattr__(self, name):
            return getattr(self._inner, name)

        def create_write_transaction(self, *arguments, **options):
            self._inner.create_write_transaction(*arguments, **options)
            raise OSError("checkpoint hook failed")

    monkeypatch.setattr(replacing, "reopen", lambda path: Raises(reopened(path)))
    work = maintenance(table, clock)
    work.run()
    assert (active(table), work.done.files_written) == (1, 1)
    assert places(table) == [(0, offset) for offset in range(12)]


def test_somebody_s_delete_meanwhile_is_not_undone(table, clock):
    for _ in range(12):
        append(table)
    work = maintenance(table, clock)
    assert work.step()  # files are listed, and read
    DeltaTable(str(table.path)).delete("offset < 3")
    with pytest.raises(Fenced):
        to_the_end(work)
    assert places(table) == [(0, offset) for offset in range(3, 12)]


def test_rows_past_the_retention_go_and_others_stay(table, clock):
    for day in (-91, -90, -89, 0):
        append(table, count=2, day=day)
    work = maintenance(table, clock)
    work.run()
    assert (work.done.files_expired, work.done.rows_expired) == (1, 2)
    assert places(table) == [(0, offset) for offset in range(2, 8)]
    assert table.position("id/0") == 8
    table.refresh()
    assert table.oldest_date() == (NOW - dt.timedelta(days=90)).date()
    append(table)  # on a handle that has not seen the removal
    assert len(places(table)) == 7


def test_an_idle_month_leaves_a_file_a_day_and_then_none(table, clock):
    for _ in range(5):
        for _ in range(3):
            append(table, day=(clock.now - NOW).days)
        maintenance(table, clock, retention_days=30).run()
        clock.pass_days(1)
    work = maintenance(table, clock, retention_days=30)
    work.run()
    assert active(table) == 5
    clock.pass_days(40)
    work.run()
    assert active(table) == 0
    table.refresh()
    assert table.oldest_date() is None
    assert InteractionTable(table.path).position("id/0") == 15


def test_a_backlog_leaves_few_files(table, clock):
    work = maintenance(table, clock)
    for number in range(120):
        append(table, count=2, day=-(number % 2))
        clock.seconds += 1
        work.turn()
    work.run()
    assert active(table) <= 2 * 10
    assert len(places(table)) == 240


def test_what_was_replaced_is_deleted_a_day_later_and_not_before(table, clock):
    for _ in range(12):
        append(table)
    clock.now = NOW - dt.timedelta(hours=23)  # delta-rs looks at the clock of this machine
    maintenance(table, clock).run()
    assert len(on_disk(table)) == 13
    age(table, hours=30)
    maintenance(table, clock).run()
    assert len(on_disk(table)) == 13
    for _ in range(12):
        append(table)
    clock.now = NOW - dt.timedelta(hours=26)
    maintenance(table, clock).run()
    clock.now = NOW
    age(table, hours=30)
    work = maintenance(table, clock)
    work.run()
    assert work.done.files_deleted == 13
    assert len(places(table)) == 24


def age(table, *, hours):
    for path in table.path.rglob("*"):
        at = path.stat().st_mtime - hours * 3600
        os.utime(path, (at, at))


def test_a_file_of_a_commit_under_way_is_spared_and_one_that_came_to_nothing_deleted(table, clock):
    append(table)
    rows = to_rows(kept([interaction("z")], [message_of(interaction("z"), 9)]), "topic", "id")
    (orphan,) = write_files(table.store, rows, table.layout)
    abandoned = table.path / "_delta_log" / "00000000000000000002.json#1"
    abandoned.write_bytes(b"half")
    maintenance(table, clock).run()
    assert (table.path / orphan.path).exists()
    age(table, hours=25)
    (table.path / "notes.txt").write_text("somebody's")
    os.utime(table.path / "notes.txt", (1, 1))
    maintenance(table, clock).run()
    assert not (table.path / orphan.path).exists()
    assert not abandoned.exists()
    assert (table.path / "notes.txt").exists()
    assert places(table) == [(0, 0)]


def test_a_commit_refuses_files_that_may_be_deleted_soon(table):
    rows = to_rows(kept([interaction("z")], [message_of(interaction("z"), 0)]), "topic", "id")
    files = write_files(table.store, rows, table.layout)
    age(table, hours=1.1)  # e.g. this process was stopped in between
    with pytest.raises(Fenced, match="an hour ago"):
        table.commit(files, [Move("id/0", None, 1)])
    assert table.position("id/0") is None


def test_the_log_is_cut_below_a_checkpoint(table, clock, monkeypatch):
    monkeypatch.setattr(cleanup, "KEPT_ENTRIES", 50)
    append(table)
    for offset in range(1, 300):
        table.commit([], [Move("id/0", offset, offset + 1)])
    work = maintenance(table, clock)
    work.run()
    left = sorted(int(path.name[:20]) for path in (table.path / "_delta_log").glob("*.json"))
    assert left == list(range(199, 302))  # one of which changes a property
    assert work.done.log_entries_deleted == 200
    assert InteractionTable(table.path).position("id/0") == 300
    assert places(table) == [(0, 0)]
    append(table)  # a handle from before
    assert table.position("id/0") == 301


def test_a_log_without_checkpoints_gets_one(table, clock):
    for offset in range(250):
        table.commit([], [Move("id/0", offset or None, offset + 1)])
    for path in (table.path / "_delta_log").glob("*checkpoint*"):
        path.unlink()
    maintenance(table, clock).run()
    assert list((table.path / "_delta_log").glob("*.checkpoint.parquet"))
    assert InteractionTable(table.path).position("id/0") == 250


def without_footer(path):
    path.write_bytes(b"PAR1" + b"\0" * (path.stat().st_size - 8) + b"PAR1")


def with_a_damaged_page(path):
    data = bytearray(path.read_bytes())
    column = pq.read_metadata(path).row_group(0).column(pq.read_schema(path).names.index("output"))
    begin = column.dictionary_page_offset or column.data_page_offset
    data[begin : begin + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    path.write_bytes(data)


def with_a_row_more(path):
    rows = pq.read_table(path)
    pq.write_table(rows.take([0, 0]), path)


def without_a_trace(path):
    path.unlink()


@pytest.mark.parametrize("spoil", [without_footer, with_a_damaged_page, with_a_row_more, without_a_trace])
def test_a_file_that_cannot_be_read_stops_neither_the_rest_nor_the_consumer(table, clock, capsys, spoil):
    for _ in range(12):
        append(table)
    (victim, *_) = table.path.glob("ingest_date=*/*.parquet")
    spoil(victim)
    for _ in range(12):
        append(table, day=-1)
    work = maintenance(table, clock)
    for _ in range(80):
        work.turn()
        clock.seconds += 61
    said = capsys.readouterr().out
    assert "maintenance failed" in said
    assert said.count("a file cannot be read, and is not merged") == 1
    assert str(victim.relative_to(table.path)) in said
    assert active(table) == 1 + 1 + 1
    assert work.health == TableHealth(3, unmergeable_files=1, files_merged=11 + 12)


def closed_to_us(monkeypatch, *victims):
    """Root may read all: so the file does not say it, the store does."""
    source = LocalStore.source

    def refusing(store, name):
        if name in victims:
            raise PermissionError(errno.EACCES, "Permission denied", name)
        return source(store, name)

    monkeypatch.setattr(LocalStore, "source", refusing)


def test_a_file_that_may_not_be_read_is_left_out_and_where_none_may_it_is_not_theirs(table, clock, monkeypatch):
    for _ in range(12):
        append(table)
    names = sorted(str(path.relative_to(table.path)) for path in table.path.glob("ingest_date=*/*.parquet"))
    work = maintenance(table, clock)
    with monkeypatch.context() as patched:
        closed_to_us(patched, *names)
        with pytest.raises(TableError, match="Permission denied"):
            work.run()
    assert work.health.unmergeable_files == 0
    closed_to_us(monkeypatch, names[0])
    with pytest.raises(TableError, match="Permission denied"):
        work.run()
    assert work.health.unmergeable_files == 1
    assert active(table) == 2


def test_a_merge_whose_own_file_went_missing_blames_no_other(table, clock, monkeypatch):
    for _ in range(12):
        append(table)

    def gone(*_):
        raise FileNotFoundError(errno.ENOENT, "the file that was written")

    monkeypatch.setattr(works, "_insist_on_rows", gone)
    work = maintenance(table, clock)
    with pytest.raises(TableError, match="the file that was written"):
        work.run()
    assert work.health.unmergeable_files == 0


@pytest.mark.parametrize("by_hand", [False, True])
def test_where_each_merge_fails_what_nobody_needs_is_deleted_all_the_same(table, clock, monkeypatch, by_hand):
    for _ in range(12):
        append(table)
    age(table, hours=30)
    orphan = table.path / "ingest_date=2026-01-01" / "x.parquet"
    orphan.parent.mkdir()
    orphan.write_bytes(b"half")
    os.utime(orphan, (1, 1))

    def unplugged(*_):
        raise OSError(errno.EIO, "the disk is gone")

    monkeypatch.setattr(works, "_insist_on_rows", unplugged)
    cleaned = []
    unnamed = works.unnamed_files
    monkeypatch.setattr(works, "unnamed_files", lambda *args: cleaned.append(clock.seconds) or unnamed(*args))
    work = maintenance(table, clock)
    if by_hand:
        with pytest.raises(TableError, match="the disk is gone"):
            work.run()
    else:
        for pause_s in [61] * 7 + [3600] + [61] * 7:
            work.turn()
            clock.seconds += pause_s
        assert work.health.failing_since is not None
    assert not orphan.exists()
    assert len(cleaned) == (1 if by_hand else 2)
    assert active(table) == 12


def test_by_hand_all_is_merged_but_the_file_that_cannot_be_read_and_the_fault_is_told(table, clock):
    for _ in range(12):
        append(table)
    with_a_damaged_page(next(table.path.glob("ingest_date=*/*.parquet")))
    with pytest.raises(TableError):
        maintenance(table, clock).run()
    assert active(table) == 2


def test_files_that_only_fail_together_are_left_as_they_are(table, clock, monkeypatch):
    for _ in range(12):
        append(table)

    def failing(runs, order):
        if len(runs) > 1:
            raise pa.ArrowInvalid("these do not go together")
        return merge_order(runs, order)

    merge_order = merge._order
    monkeypatch.setattr(merge, "_order", failing)
    work = maintenance(table, clock)
    with pytest.raises(TableError, match="do not go together"):
        work.run()
    assert work.health == TableHealth(12, unmergeable_files=12)


def test_a_store_that_fails_while_files_are_tried_excludes_none(table, clock, monkeypatch):
    for _ in range(12):
        append(table)
    with_a_damaged_page(next(table.path.glob("ingest_date=*/*.parquet")))
    work = maintenance(table, clock)

    def unplugged(*_):
        raise OSError(errno.EIO, "the disk is gone")

    with monkeypatch.context() as patched:
        patched.setattr(culprits, "_insist", unplugged)
        with pytest.raises(TableError, match="the disk is gone"):
            work.run()
        assert work.health.unmergeable_files == 0
    with pytest.raises(TableError):
        work.run()
    assert work.health.unmergeable_files == 1
    assert active(table) == 2


def test_files_are_tried_one_by_one_in_steps_and_nothing_is_written(table):
    for _ in range(3):
        append(table)
    before = on_disk(table)
    handle = ReplacingHandle(table.path)
    found = []

    def steps():
        found.append((yield from culprits.culprits(table.store, handle.files(), _columns(handle), table.layout)))

    names = [on_disk(table) for _ in steps()]
    assert names == [before] * 9  # a footer each; then each whole: its order, and a row group
    assert found == [{}]


def _columns(handle):
    return pa.schema([field for field in pa.schema(handle.table.schema()) if field.name != "ingest_date"])


def test_a_table_of_a_newer_protocol_is_left_alone(table, clock):
    append(table)
    DeltaTable(str(table.path)).alter.set_table_properties({"delta.enableChangeDataFeed": "true"})
    with pytest.raises(TableError, match="protocol") as raised:
        maintenance(table, clock).run()
    assert "\n" not in str(raised.value)
    work = maintenance(table, clock)
    assert work.health is None
    for clock.seconds in (0.0, 61.0, 122.0):
        work.turn()
    assert work.health.failing_since == 0.0
    work.turn(has_role=False)
    assert work.health is None


def test_it_fails_until_all_is_done_and_what_failed_is_tried_again_soon(table, clock, monkeypatch):
    append(table)
    work = maintenance(table, clock)
    with monkeypatch.context() as patched:
        patched.setattr(works, "unnamed_files", refused)
        for clock.seconds in (0.0, 61.0, 122.0):
            work.turn()
        assert work.health == TableHealth(1, failing_since=0.0)
    for clock.seconds in (183.0, 244.0, 305.0):
        work.turn()
    assert work.health == TableHealth(1)


def refused(*_):
    raise PermissionError("this user may not list the folder")


def test_on_a_disk_that_is_nearly_full_nothing_is_merged_and_deleting_goes_on(table, clock, capsys):
    for _ in range(12):
        append(table)
    clock.now = NOW - dt.timedelta(hours=3)
    maintenance(table, clock).run()
    for _ in range(12):
        append(table)
    clock.now = NOW
    age(table, hours=4)
    room = [10_000, 1_000_000]
    settings = Dataset(maintenance={"keep_replaced_h": 2})
    work = Maintenance(
        table.path, settings, now=lambda: clock.now, clock=lambda: clock.seconds, room=lambda: tuple(room)
    )
    for clock.seconds in (0.0, 61.0, 122.0):
        work.turn()
    assert (active(table), work.done.files_merged, work.done.files_deleted) == (13, 0, 12)
    assert capsys.readouterr().out.count("no files are merged") == 1
    room[0] = 900_000
    work.run()
    assert active(table) == 1
    assert len(places(table)) == 24


def test_checkpoints_forget_removed_files_after_a_day_more_than_they_stay_and_they_are_deleted_still(table, clock):
    for _ in range(12):
        append(table)
    clock.now = NOW - dt.timedelta(hours=60)
    maintenance(table, clock).run()
    age(table, hours=70)
    checkpointed = DeltaTable(str(table.path))
    assert checkpointed.metadata().configuration["delta.deletedFileRetentionDuration"] == "interval 48 hours"
    assert checkpointed.metadata().configuration["delta.checkpointInterval"] == "100"
    checkpointed.create_checkpoint()
    (checkpoint,) = (table.path / "_delta_log").glob("*.checkpoint.parquet")
    assert not any(pq.read_table(checkpoint, columns=["remove"])["remove"].is_valid().to_pylist())
    clock.now = NOW
    work = maintenance(table, clock)
    work.run()
    assert (work.done.files_deleted, len(on_disk(table)), DeltaTable(str(table.path)).version()) == (12, 1, 14)
    assert places(table) == [(0, offset) for offset in range(12)]


def test_work_is_done_in_steps_and_not_all_the_time(table, clock):
    for _ in range(12):
        append(table)
    work = Maintenance(table.path, Dataset(), now=lambda: clock.now, clock=lambda: ticks(clock))
    turns = 0
    while active(table) > 1:
        work.turn()
        turns += 1
        clock.seconds += 0.1
    assert turns > 10  # a step costs three ticks of a second here, so most turns do nothing


def ticks(clock):
    clock.seconds += 1.0
    return clock.seconds


def test_a_role_that_is_lost_leaves_no_file_behind(table, clock):
    for _ in range(12):
        append(table)
    work = maintenance(table, clock)
    assert work.step()
    assert len(on_disk(table)) == 13
    work.pause()
    assert len(on_disk(table)) == 12


def test_appenders_beside_two_maintainers_leave_no_row_twice_and_none_missing(tmp_path, clock):
    path = tmp_path / "t"
    InteractionTable(path).close()
    failures = []
    still = threading.Semaphore(0)
    over = threading.Event()

    def guarded(work):
        def run():
            try:
                work()
            except BaseException as error:
                failures.append(error)

        return threading.Thread(target=run)

    def appender(partition):
        table = InteractionTable(path)
        for _ in range(60):
            append(table, count=3, partition=partition)
        still.release()

    def maintainer():
        table = InteractionTable(path)
        while not over.is_set():
            maintenance(table, clock).run()

    appenders = [guarded(lambda p=p: appender(p)) for p in range(2)]
    maintainers = [guarded(maintainer) for _ in range(2)]
    for thread in (*appenders, *maintainers):
        thread.start()
    for thread in appenders:
        thread.join()
    over.set()
    for thread in maintainers:
        thread.join()
    assert failures == []
    table = InteractionTable(path)
    assert places(table) == [(partition, offset) for partition in range(2) for offset in range(180)]
    assert active(table) < 60
    assert ReplacingHandle(path).table.transaction_version("maintenance") >= 2
    assert all(pq.ParquetFile(uri).metadata.num_rows for uri in DeltaTable(str(path)).file_uris())
