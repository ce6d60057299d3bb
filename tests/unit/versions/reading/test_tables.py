"""A table of files is read a row group at a time: all of it once, and less where a condition or places say so."""

import polars as pl
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from headrace_consumers.versions.errors import VersionsError
from headrace_consumers.versions.reading.tables import Table


@pytest.fixture
def folder(tmp_path):
    for file in range(3):
        numbers = range(file * 100, file * 100 + 100)
        rows = pl.DataFrame(
            {
                "n": numbers,
                "name": [f"n{n}" for n in numbers],
                "topic_id": ["t"] * 100,
                "partition": [file] * 100,
                "offset": range(100),
            }
        )
        pq.write_table(rows.to_arrow(), tmp_path / f"{file}.parquet", row_group_size=30)
    return tmp_path


def read(folder, *args):
    found = [batch["n"].to_list() for batch in Table(ds.dataset(folder), "table", "id", 1).batches(["n"], *args)]
    return sorted(n for batch in found for n in batch)


def test_every_row_comes_once_and_only_those_that_are_wanted(folder):
    assert read(folder) == list(range(300))
    assert read(folder, pc.field("n") >= 250) == list(range(250, 300))
    places = [{"topic": "t", "topic_id": "t", "partition": 1, "first": 10, "last": 12}]
    assert read(folder, None, places) == [110, 111, 112]
    assert read(folder, pc.field("name") == "none") == []


def test_a_file_that_is_gone_meanwhile_is_one_line(folder):
    table = Table(ds.dataset(folder), "table", "id", 1)
    (folder / "2.parquet").unlink()
    with pytest.raises(VersionsError, match=r"table: cannot read the table \(.*; headrace dataset verify"):
        list(table.batches(["n"]))
