"""A place is a local folder or an address in a store that can be reached; all else is one line."""

from pathlib import Path

import pytest

from headrace_consumers.dataset.delta.store_at import store_at
from headrace_consumers.dataset.errors import TableError


@pytest.mark.parametrize("place", ["data", "/data/table", Path("data"), "C", "a b/c"])
def test_a_folder_is_local(place):
    assert not store_at(place).is_remote


@pytest.mark.parametrize("scheme", ["s3", "s3a", "az", "abfs", "abfss", "gs"])
def test_a_store_is_told_by_its_scheme(scheme):
    store = store_at(f"{scheme}://bucket/prefix/", {"user_agent": "headrace"})
    assert (store.is_remote, store.place) == (True, f"{scheme}://bucket/prefix")
    assert store.options["user_agent"] == "headrace"
    assert store.keeps_deleted() is None  # until it was asked


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("hdfs://host/table", "hdfs is not supported; give a local folder, s3://bucket/prefix"),
        ("file:///data/table", "file is not supported"),
        (Path("s3://bucket/table"), "works on a local table only"),
        ("gs:/bucket/table", "works on a local table only"),
    ],
)
def test_all_else_is_one_line(place, line):
    with pytest.raises(TableError, match=line) as refused:
        store_at(place)
    assert "\n" not in str(refused.value)
