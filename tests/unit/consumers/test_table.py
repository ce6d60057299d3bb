"""The table: fencing, exceptions that are no failures, torn states, and what readers see."""

import errno
import os
import stat
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from headrace_consumers.dataset.delta import local_store, object_store
from headrace_consumers.dataset.delta.files import write_files
from headrace_consumers.dataset.delta.moves import Move
from headrace_consumers.dataset.delta.rows import INTERACTIONS, ROW_SCHEMA, to_rows
from headrace_consumers.dataset.delta.store_at import store_at
from headrace_consumers.dataset.delta.table import InteractionTable
from headrace_consumers.dataset.errors import Fenced, TableError
from headrace_schemas.records import Interaction
from tests.support.interactions import interaction, kept, message_of


def rows_of(*questions, partition=0, first_offset=0):
    records = [interaction(q) for q in questions]
    messages = [message_of(record, first_offset + i, partition) for i, record in enumerate(records)]
    return to_rows(kept(records, messages), "topic", "id")


def append(table, *questions, start=None, partition=0):
    first = start or 0
    files = write_files(table.store, rows_of(*questions, partition=partition, first_offset=first), table.layout)
    return table.commit(files, [Move(f"id/{partition}", start, first + len(questions))])


def keys_in(path):
    return sorted(pl.scan_delta(str(path)).select("dedup_key").collect()["dedup_key"].to_list())


class FailsAround:
    """A Delta table whose commit raises, before or after it has landed."""

    def __init__(self, table: DeltaTable, fail: Callable[[Callable[[], None]], None]) -> None:
        self._inner, self._fail = table, fail

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def create_write_transaction(self, *arguments, **options):
        self._fail(lambda: self._inner.create_write_transaction(*arguments, **options))


def test_the_columns_are_the_interaction_s_and_where_it_came_from():
    names = list(Interaction.__annotations__)
    assert ROW_SCHEMA.names == [
        *names, "quality", "topic", "topic_id", "partition", "offset", "ingested_at", "ingest_date"
    ]  # fmt: skip


def test_rows_and_position_land_together(tmp_path):
    table = InteractionTable(tmp_path / "t")
    assert table.position("id/0") is None
    append(table, "a", "b")
    assert table.position("id/0") == 2
    assert InteractionTable(tmp_path / "t").position("id/0") == 2
    assert len(keys_in(tmp_path / "t")) == 2


def test_every_reader_opens_it(tmp_path):
    append(InteractionTable(tmp_path / "t"), "a", "b")
    lazy = pl.scan_delta(str(tmp_path / "t"))
    assert lazy.filter(pl.col("offset") == 1).collect().height == 1
    assert duckdb.sql("select count(*), min(ingest_date) is not null from lazy").fetchall() == [(2, True)]
    assert DeltaTable(str(tmp_path / "t")).count() == 2


def test_a_batch_without_rows_still_moves_the_position(tmp_path):
    table = InteractionTable(tmp_path / "t")
    table.commit([], [Move("id/0", None, 7)])
    assert table.position("id/0") == 7


def test_what_a_commit_is_told_stands_in_the_table_s_history(tmp_path):
    table = InteractionTable(tmp_path / "t")
    table.commit([], [Move("id/0", None, 7)], {"headrace.records": "7"})
    assert DeltaTable(str(tmp_path / "t")).history(1)[0]["headrace.records"] == "7"


def test_others_cannot_read_the_table_s_folder(tmp_path):
    append(InteractionTable(tmp_path / "t"), "a")
    (file,) = (tmp_path / "t").glob("ingest_date=*/*.parquet")
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (file, file.parent, tmp_path / "t")]
    assert modes == [0o600, 0o700, 0o700]


def test_statistics_stand_on_positions_and_not_on_payload(tmp_path):
    table = InteractionTable(tmp_path / "t")
    append(table, "a", "b")
    (path,) = (tmp_path / "t").glob("ingest_date=*/*.parquet")
    group = pq.ParquetFile(path).metadata.row_group(0)
    with_statistics = {
        group.column(i).path_in_schema for i in range(group.num_columns) if group.column(i).statistics is not None
    }
    assert with_statistics == {"signature", "topic_id", "partition", "offset", "timestamp_ms"}


def test_a_stale_handle_is_fenced(tmp_path):
    table, other = InteractionTable(tmp_path / "t"), InteractionTable(tmp_path / "t")
    append(other, "a")
    with pytest.raises(Fenced, match="id/0 at 1, read from None"):
        append(table, "a")
    assert len(keys_in(tmp_path / "t")) == 1


def test_a_zombie_that_lost_one_of_two_partitions_is_fenced_even_after_a_commit_of_its_own(tmp_path):
    # delta-rs alone accepts this: the commit for p0 moves the zombie's handle past the new owner's commit for p1.
    zombie, owner = InteractionTable(tmp_path / "t"), InteractionTable(tmp_path / "t")
    append(owner, "p1", partition=1)
    append(zombie, "p0", partition=0)
    with pytest.raises(Fenced):
        append(zombie, "p1", partition=1)
    assert len(keys_in(tmp_path / "t")) == 2


def test_an_exception_after_the_commit_landed_is_no_failure(tmp_path):
    table = InteractionTable(tmp_path / "t")

    def land_then_raise(commit):
        commit()
        raise OSError("checkpoint hook failed")

    table._table = FailsAround(table._table, land_then_raise)
    append(table, "a")
    assert table.position("id/0") == 1
    assert len(keys_in(tmp_path / "t")) == 1


def test_a_commit_that_did_not_land_is_tried_again_with_backoff(tmp_path):
    waits = []
    table = InteractionTable(tmp_path / "t", sleep=waits.append)

    def fail_once(commit):
        del commit
        raise OSError("no space left on device")

    table._table = FailsAround(table._table, fail_once)
    append(table, "a")
    assert waits == [0.05]
    assert len(keys_in(tmp_path / "t")) == 1


def test_a_store_that_refuses_for_good_is_one_line_and_loses_nothing(tmp_path):
    table = InteractionTable(tmp_path / "t", sleep=lambda _: None)

    def refuse(commit):
        del commit
        raise OSError("no space left on device")

    real_reopen = table.reopen

    def reopen():
        real_reopen()
        table._table = FailsAround(table._table, refuse)

    table.reopen = reopen
    table._table = FailsAround(table._table, refuse)
    with pytest.raises(TableError, match="no space left on device") as raised:
        append(table, "a")
    assert "\n" not in str(raised.value)
    assert InteractionTable(tmp_path / "t").position("id/0") is None


def test_a_log_that_cannot_be_brought_to_disk_is_one_line_and_the_files_of_the_commit_stay(tmp_path, monkeypatch):
    table = InteractionTable(tmp_path / "t", sleep=lambda _: None)
    append(table, "a")
    with monkeypatch.context() as patched:
        patched.setattr(local_store, "fsync_entries", refused)
        with pytest.raises(TableError, match=r"cannot be brought to disk.*Input/output error") as raised:
            append(table, "b", start=1)
    assert "\n" not in str(raised.value)
    assert table.is_in_doubt
    assert len(keys_in(tmp_path / "t")) == 2
    append(table, "c", start=2)
    assert not table.is_in_doubt


def refused(*_):
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_without_room_for_temporary_files_their_folder_is_named_and_not_the_store(monkeypatch):
    monkeypatch.setattr(object_store.tempfile, "TemporaryFile", partial(Path("/dev/full").open, "wb", buffering=0))
    store = store_at("s3://bucket/table", {"aws_region": "none"})
    with pytest.raises(TableError, match=r"TMPDIR.*No space left") as raised:
        write_files(store, rows_of("a"), INTERACTIONS)
    assert str(raised.value).startswith(tempfile.gettempdir())


def test_a_commit_of_others_meanwhile_is_fenced(tmp_path):
    table, other = InteractionTable(tmp_path / "t"), InteractionTable(tmp_path / "t")

    def others_first(commit):
        append(other, "a", "b")
        commit()

    table._table = FailsAround(table._table, others_first)
    with pytest.raises(Fenced):
        append(table, "a")
    assert len(keys_in(tmp_path / "t")) == 2


def test_another_partition_s_commit_meanwhile_does_no_harm(tmp_path):
    table, other = InteractionTable(tmp_path / "t"), InteractionTable(tmp_path / "t")

    def others_first(commit):
        append(other, "b", partition=1)
        commit()

    table._table = FailsAround(table._table, others_first)
    append(table, "a")
    assert len(keys_in(tmp_path / "t")) == 2


def test_many_commits_cross_checkpoints(tmp_path):
    table = InteractionTable(tmp_path / "t")
    for offset in range(205):
        table.commit([], [Move("id/0", offset or None, offset + 1)])
    assert InteractionTable(tmp_path / "t").position("id/0") == 205
    assert list((tmp_path / "t" / "_delta_log").glob("*.checkpoint.parquet"))


def test_keys_from_an_offset_on(tmp_path):
    table = InteractionTable(tmp_path / "t")
    append(table, "a", "b")
    append(table, "c", start=2)
    append(table, "p1", partition=1)

    def keys(*arguments, **options):
        return {key for rows in table.key_rows(*arguments, **options) for key in rows.keys}

    wanted = {q: interaction(q)["dedup_key"] for q in ("a", "b", "c", "p1")}
    assert keys() == set(wanted.values())
    assert keys("id", 0, from_offset=1) == {wanted["b"], wanted["c"]}
    assert keys("id", 1) == {wanted["p1"]}
    assert keys("another", 0) == set()


def test_only_files_that_may_hold_a_key_are_opened(tmp_path):
    # The columns stand behind the first 32, of which alone delta-rs keeps statistics by itself.
    table = InteractionTable(tmp_path / "t")
    append(table, "a")
    append(table, "b", start=1)
    append(table, "p1", partition=1)
    for offset in range(200):  # also after a checkpoint
        table.commit([], [Move("id/2", offset or None, offset + 1)])
    for file in (tmp_path / "t").glob("ingest_date=*/*.parquet"):
        if pq.read_table(file, columns=["partition", "offset"]).to_pylist() != [{"partition": 0, "offset": 1}]:
            file.unlink()
    assert [len(rows.keys) for rows in table.key_rows("id", 0, from_offset=1)] == [1]


@pytest.mark.parametrize("place", [Path("s3://bucket/table"), "ftp://host/t", "https://host/t"])
def test_a_place_where_no_table_can_be_is_refused_in_one_line(place):
    with pytest.raises(TableError, match="local"):
        store_at(place)


def test_another_delta_table_is_refused(tmp_path):
    write_deltalake(str(tmp_path / "t"), pl.DataFrame({"a": [1]}).to_arrow())
    with pytest.raises(TableError, match="does not hold headrace interactions"):
        InteractionTable(tmp_path / "t")


def test_a_table_of_an_older_release_gets_the_columns_that_were_added_since(tmp_path):
    older = ROW_SCHEMA.remove(ROW_SCHEMA.get_field_index("span_id"))
    write_deltalake(str(tmp_path / "t"), older.empty_table(), partition_by=["ingest_date"])
    table = InteractionTable(tmp_path / "t")
    assert [field.name for field in DeltaTable(str(tmp_path / "t")).schema().fields][-1] == "span_id"
    assert InteractionTable(tmp_path / "t").version == table.version == 2


def test_a_file_in_the_table_s_place_is_one_line(tmp_path):
    (tmp_path / "t").write_text("not a folder")
    with pytest.raises(TableError):
        InteractionTable(tmp_path / "t")
