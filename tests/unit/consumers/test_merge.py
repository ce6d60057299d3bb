"""Several files as one: every row, in order, in memory for one row group."""

import datetime as dt
import itertools
import random

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_consumers.dataset.delta.files import StagedFiles
from headrace_consumers.dataset.delta.local_store import LocalStore
from headrace_consumers.dataset.delta.rows import INTERACTIONS
from headrace_consumers.dataset.upkeep import merge as merging
from headrace_consumers.dataset.upkeep.merge import Merge

SCHEMA = pa.schema(
    [
        pa.field("signature", pa.string(), nullable=False),
        pa.field("topic_id", pa.string(), nullable=False),
        pa.field("partition", pa.int32(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("timestamp_ms", pa.int64(), nullable=False),
        pa.field("input", pa.string()),
    ]
)
names = itertools.count()


def rows_of(*places, payload="x"):
    """Rows of (signature, offset), as a table."""
    rows = [
        {"signature": s, "topic_id": "id", "partition": o % 3, "offset": o, "timestamp_ms": 7 - o, "input": payload * 9}
        for s, o in places
    ]
    return pa.Table.from_pylist(rows, SCHEMA)


def written(folder, *tables, in_order=True):
    paths = []
    for table in tables:
        path = folder / f"{next(names)}.parquet"
        order = [(name, "ascending") for name in ("signature", "partition", "offset")]
        pq.write_table(
            table.sort_by(order) if in_order else table, path, row_group_size=7, **INTERACTIONS.writer_options
        )
        paths.append(path)
    return paths


def merged(folder, paths, schema=SCHEMA):
    target = folder / f"{next(names)}.parquet"
    merge = Merge(paths, schema, target, INTERACTIONS)
    steps = sum(1 for _ in merge.steps())
    assert steps >= 1
    return merge, pq.read_table(target), target


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("merge")


@given(st.lists(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 99)), max_size=30), min_size=1, max_size=6))
def test_all_rows_are_there_in_order(folder, files):
    tables = [rows_of(*places) for places in files]
    merge, table, _ = merged(folder, written(folder, *tables))
    expected = pl.DataFrame(pl.from_arrow(pa.concat_tables(tables))).sort("signature", "partition", "offset")
    assert pl.DataFrame(pl.from_arrow(table)).equals(expected)
    assert merge.rows == len(expected)


def test_a_file_of_many_row_groups_is_read_in_parts(folder, monkeypatch):
    monkeypatch.setattr(merging, "ROW_GROUP_ROWS", 10)
    tables = [rows_of(*((s, o) for s in "ab" for o in range(first, 100, 2))) for first in (0, 1)]
    merge, table, target = merged(folder, written(folder, *tables))
    assert table["signature"].to_pylist() == ["a"] * 100 + ["b"] * 100
    assert merge.rows == 200
    assert pq.ParquetFile(target).metadata.num_row_groups == 20


@given(
    st.lists(
        st.lists(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 99)), min_size=1, max_size=9), max_size=4),
        min_size=1,
        max_size=4,
    )
)
def test_files_written_in_sorted_pieces_become_one_in_order(folder, files):
    order = [(name, "ascending") for name in INTERACTIONS.order]
    paths, tables = [], []
    for pieces in files:
        paths.append(folder / f"{next(names)}.parquet")
        with pq.ParquetWriter(paths[-1], SCHEMA, **INTERACTIONS.writer_options) as writer:
            for piece in pieces:
                tables.append(rows_of(*piece).sort_by(order))
                writer.write_table(tables[-1])
    _, table, _ = merged(folder, paths)
    expected = pl.DataFrame(pl.from_arrow(pa.concat_tables([SCHEMA.empty_table(), *tables])))
    assert pl.DataFrame(pl.from_arrow(table)).equals(expected.sort(INTERACTIONS.order))


@pytest.mark.parametrize(("most", "taken"), [(1, 2), (5, 2), (6, 3), (8, 4)])
def test_files_of_many_runs_are_merged_a_few_at_a_time(folder, monkeypatch, most, taken):
    monkeypatch.setattr(merging, "MOST_RUNS", most)
    in_two = rows_of(*(("a", o) for o in (*range(0, 21, 3), *range(0, 21, 3))))  # 7 rows a row group
    merge, table, _ = merged(folder, written(folder, *[in_two] * 5, in_order=False))
    assert (merge.taken, table.num_rows) == (taken, taken * 14)


def test_row_groups_of_large_records_are_small(folder, monkeypatch):
    monkeypatch.setattr(merging, "GROUP_BYTES", 1_000)
    rows = rows_of(*(("a", o) for o in range(40))).to_pylist()
    distinct = pa.Table.from_pylist([{**row, "input": f"{row['offset']:0100}"} for row in rows], SCHEMA)
    _, _, target = merged(folder, written(folder, distinct))
    assert pq.ParquetFile(target).metadata.num_row_groups > 4


def test_what_is_held_while_files_are_read_side_by_side_is_their_pages(folder):
    store, text = LocalStore(folder), random.Random(1)
    payload = pa.array([f"{text.getrandbits(2_400):0600x}" for _ in range(4_000)])
    rows = rows_of(*(("a", 0) for _ in range(4_000)))
    rows = rows.set_column(rows.schema.get_field_index("input"), SCHEMA.field("input"), payload)
    rows = rows.append_column("ingest_date", pa.array([dt.date(2026, 1, 1)] * 4_000))
    files = []
    for first in range(0, 30, 5):
        with StagedFiles(store, INTERACTIONS) as staged:
            for offset in range(first, first + 5):
                offsets = pa.array(range(offset, offset + 30 * 4_000, 30))
                staged.append(rows.set_column(rows.schema.get_field_index("offset"), SCHEMA.field("offset"), offsets))
            files += staged.publish()
    before = pa.total_allocated_bytes()
    merge = Merge([store.source(file.path) for file in files], SCHEMA, folder / "side.parquet", INTERACTIONS)
    held = [pa.total_allocated_bytes() - before for _ in merge.steps()]
    assert merge.rows == 120_000
    assert max(held) < 120_000 * 600 / 3


def test_a_column_that_an_older_file_lacks_is_null(folder):
    older = written(folder, rows_of(("a", 1)).drop_columns(["input"]))
    _, table, _ = merged(folder, [*older, *written(folder, rows_of(("a", 2)))])
    assert dict(zip(table["offset"].to_pylist(), table["input"].to_pylist(), strict=True)) == {1: None, 2: "x" * 9}


def test_a_file_in_no_order_loses_no_row(folder):
    paths = written(folder, rows_of(("b", 1), ("a", 2), ("c", 3)), rows_of(("a", 4), ("b", 5)), in_order=False)
    _, table, _ = merged(folder, paths)
    assert sorted(table["offset"].to_pylist()) == [1, 2, 3, 4, 5]


def test_statistics_are_of_all_rows_and_on_no_payload(folder):
    merge, _, target = merged(folder, written(folder, rows_of(("b", 5)), rows_of(("a", 9), ("c", 1))))
    assert set(merge.bounds) == set(INTERACTIONS.bounded)
    assert merge.bounds["offset"] == {"min": 1, "max": 9}
    assert merge.bounds["signature"] == {"min": "a", "max": "c"}
    group = pq.ParquetFile(target).metadata.row_group(0)
    columns = [group.column(i) for i in range(group.num_columns)]
    assert {c.path_in_schema for c in columns if c.statistics is not None} == set(INTERACTIONS.bounded)
    assert {c.compression for c in columns} == {"ZSTD"}
