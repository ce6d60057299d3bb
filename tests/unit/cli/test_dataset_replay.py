"""`headrace dataset replay`: where it works."""

from pathlib import Path

import pytest

from headrace.errors import UsageError
from headrace_consumers.cli.dataset_replay import _room


def test_beside_the_versions_it_leaves_nothing(tmp_path):
    with _room(tmp_path, None) as (made, work):
        assert made.parent == tmp_path
        (work / "spilled").write_bytes(b"much")
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


@pytest.mark.skipif(not Path("/sys").is_dir(), reason="needs a file system that nobody can write to")
def test_where_nobody_may_write_it_works_in_the_systems_folder(tmp_path):
    with _room(Path("/sys"), None) as (made, work):
        assert made.is_dir()
        assert work.is_dir()
        assert not made.is_relative_to("/sys")
    assert not made.exists()
    with _room(Path("/sys"), tmp_path / "kept") as (made, _):
        (made / "train.jsonl").write_bytes(b"{}")
    assert (tmp_path / "kept" / "train.jsonl").exists()


def test_a_folder_with_something_in_it_is_refused(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "mine").write_bytes(b"")
    with pytest.raises(UsageError, match="is not empty"), _room(tmp_path, tmp_path / "kept"):
        pass
