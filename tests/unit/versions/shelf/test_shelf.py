"""Rolling back and deleting: at once or not at all, never what is in use, and a number is never used again."""

import json
import signal
import subprocess
import sys

import pytest

from headrace import DatasetError, load_dataset
from headrace.datasets.place import deleted_in, located, versions_in
from headrace_consumers.versions.errors import VersionsError
from headrace_consumers.versions.shelf.deleting import delete
from headrace_consumers.versions.shelf.listing import changed_files, latest_of, shelf
from headrace_consumers.versions.shelf.lock import locked
from headrace_consumers.versions.shelf.rollback import rollback
from headrace_consumers.versions.shelf.uses import uses
from tests.support import warm
from tests.support.version_folders import example_line, write_version

SAYING = {"who": "ada", "why": "too few", "timestamp_ms": 5}


@pytest.fixture
def folder(tmp_path):
    for number in (1, 2, 3):
        write_version(tmp_path, {"train": [example_line({"q": n}, {"a": n}) for n in range(number)]}, number=number)
    return tmp_path / "S"


def loaded(folder, version="latest"):
    return len(load_dataset("S", version, root=folder.parent))


def test_the_shelf_tells_figures_and_sizes(folder):
    found = shelf(folder)
    assert [each.version.name for each in found] == ["v1", "v2", "v3"]
    assert [each.metadata["examples"] for each in found] == [1, 2, 3]
    assert found[0].size_bytes == sum(each.stat().st_size for each in (folder / "v1").iterdir())


def test_what_is_damaged_is_told_and_hides_no_other(folder):
    (folder / "v1" / "manifest.json").write_text("{")
    (folder / "v2" / "metadata.json").write_text("{}")
    assert ["no JSON" in (shelf(folder)[0].damage or ""), "changed it" in (shelf(folder)[1].damage or "")] == [
        True,
        True,
    ]
    assert shelf(folder)[2].damage is None


def test_every_file_is_checked(folder):
    (folder / "v1" / "val.parquet").unlink()
    (folder / "v1" / "test.jsonl").write_text("{}\n")
    assert changed_files(located(folder.parent, "S", 1)) == [
        "test.jsonl: is not the file that the manifest names, somebody changed it",
        "val.parquet: cannot be read (No such file or directory)",
    ]
    assert changed_files(located(folder.parent, "S", 2)) == []


def test_rolling_back_is_to_the_version_before_or_to_any(folder):
    assert rollback(folder, None)[1] == "v2"
    assert loaded(folder) == 2
    assert rollback(folder, 1)[1] == "v1"
    assert rollback(folder, 3)[0].name == "v1"
    rollback(folder, 1)
    with pytest.raises(VersionsError, match="no other version to go back to before v1; there are v1, v2, v3"):
        rollback(folder, None)
    with pytest.raises(VersionsError, match="v9: no such version; there are v1, v2, v3"):
        rollback(folder, 9)


@pytest.mark.parametrize(("names", "expected"), [("v9", "v3"), ("v2x", "v3"), ("", "v3")])
def test_a_latest_that_names_what_is_not_there_is_told_and_repaired(folder, names, expected):
    (folder / "latest").write_text(names + "\n")
    assert latest_of(folder).is_dangling
    before, now = rollback(folder, None)
    assert (before.is_dangling, now) == (True, expected)
    assert not latest_of(folder).is_dangling


def test_where_nothing_lies_before_what_is_gone_the_highest_is_taken(folder):
    rollback(folder, 2)
    delete(folder, 1, **SAYING)
    (folder / "latest").write_text("v1\n")
    assert rollback(folder, None)[1] == "v3"


def test_a_latest_that_is_missing_is_made(folder):
    (folder / "latest").unlink()
    assert rollback(folder, None)[1] == "v3"


def test_a_deleted_version_is_gone_and_who_when_and_why_stays(folder):
    assert delete(folder, 1, **SAYING)["examples"] == 1
    assert versions_in(folder) == [2, 3]
    assert not (folder / "v1").exists()
    assert json.loads((folder / "deleted" / "v1.json").read_text()).items() >= {**SAYING, "examples": 1}.items()
    with pytest.raises(VersionsError, match="was deleted already; there are v2, v3"):
        delete(folder, 1, **SAYING)
    with pytest.raises(VersionsError, match="v1: was deleted"):
        rollback(folder, 1)
    with pytest.raises(DatasetError, match="was deleted"):
        loaded(folder, 1)


def test_the_latest_is_not_deleted(folder):
    with pytest.raises(VersionsError, match="v3: is the latest; make another one the latest first"):
        delete(folder, 3, **SAYING)
    assert versions_in(folder) == [1, 2, 3]


def test_what_a_run_uses_is_not_deleted_and_an_unreadable_marker_may_be_of_any(folder):
    (folder / "used_by").mkdir()
    marker = folder / "used_by" / "run-7.json"
    marker.write_text(json.dumps({"version": "v1", "what": "optimization run 7", "since_ms": 1}))
    assert [each.version for each in uses(folder)] == ["v1"]
    with pytest.raises(VersionsError, match=r"v1: is in use by optimization run 7; end that first, or remove .*run-7"):
        delete(folder, 1, **SAYING)
    delete(folder, 2, **SAYING)
    marker.write_text("{")
    with pytest.raises(VersionsError, match=r"in use by what run-7\.json says"):
        delete(folder, 1, **SAYING)
    marker.unlink()
    delete(folder, 1, **SAYING)


def test_a_version_that_is_damaged_can_be_deleted(folder):
    (folder / "v1" / "manifest.json").unlink()
    assert delete(folder, 1, **SAYING) is None
    assert versions_in(folder) == [2, 3]


def test_a_signature_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(VersionsError, match="is not there"):
        rollback(tmp_path / "S", 1)


KILLED = """
import os, signal, sys
from pathlib import Path
from headrace_consumers.versions.shelf.deleting import delete
from headrace_consumers.versions.shelf.rollback import rollback
def strike(point):
    if point == sys.argv[3]:
        os.kill(os.getpid(), signal.SIGKILL)
folder = Path(sys.argv[1])
if sys.argv[2] == "delete":
    delete(folder, 1, who="ada", why="w", timestamp_ms=5, hook=strike)
else:
    rollback(folder, 2, hook=strike)
"""


def killed(folder, what, point):
    assert warm.code(KILLED, folder, what, point) == -signal.SIGKILL


@pytest.mark.parametrize("point", ["before:tombstone", "after:tombstone", "after:rename", "after:delete"])
def test_killed_in_the_middle_of_a_deletion_it_is_there_or_gone_and_the_next_command_does_the_rest(folder, point):
    killed(folder, "delete", point)
    is_there = point == "before:tombstone"
    assert versions_in(folder) == ([1, 2, 3] if is_there else [2, 3])
    if is_there:
        assert loaded(folder, 1) == 1
        delete(folder, 1, **SAYING)
    else:
        with pytest.raises(DatasetError, match="was deleted"):
            loaded(folder, 1)
    rollback(folder, 2)
    assert deleted_in(folder) == {1}
    assert {each.name for each in folder.iterdir() if each.name.startswith((".d", "v"))} == {"v2", "v3"}


@pytest.mark.parametrize(("point", "expected"), [("before:latest", 3), ("after:latest", 2)])
def test_killed_in_the_middle_of_a_rollback_the_latest_is_one_of_both(folder, point, expected):
    killed(folder, "rollback", point)
    assert loaded(folder) == expected
    assert rollback(folder, 1)[1] == "v1"


def test_a_second_one_waits_for_the_first(folder):
    with locked(folder):
        code = "import sys, pathlib; from headrace_consumers.versions.shelf.rollback import rollback\n"
        code += "rollback(pathlib.Path(sys.argv[1]), 1)"
        other = subprocess.Popen([sys.executable, "-c", code, folder])
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(3)
        assert loaded(folder) == 3
    assert other.wait(60) == 0
    assert loaded(folder) == 1
