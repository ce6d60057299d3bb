"""How a version becomes one: numbers, `latest`, what dead makers leave."""

import errno
import json
import multiprocessing
import os
import random
import resource
import signal
import traceback
from pathlib import Path

import pytest

from headrace_consumers.versions.errors import VersionsError
from headrace_consumers.versions.shelf.deleting import delete
from headrace_consumers.versions.shelf.publishing import BUILDING, CutStep, workplace
from headrace_consumers.versions.shelf.rollback import rollback
from headrace_schemas import keys
from tests.support import warm
from tests.unit.versions.rows import SIGNATURE, config_of, cut_of, row

ROWS = [row(n) for n in range(60)]


def published(folder, **how):
    with workplace(folder, **how) as place:
        (place.folder / "train.jsonl").write_text("{}")
        return place.publish(lambda at, number: (at / "manifest.json").write_text(str(number)))


def names(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith(".") or BUILDING in path.name)


def test_versions_are_counted_and_the_last_is_the_latest(tmp_path):
    assert [published(tmp_path) for _ in range(3)] == [1, 2, 3]
    assert names(tmp_path) == ["latest", "v1", "v2", "v3"]
    assert (tmp_path / "latest").read_text() == "v3\n"
    assert (tmp_path / "v2" / "manifest.json").read_text() == "2"
    assert sorted(path.name for path in (tmp_path / "v2").iterdir()) == ["manifest.json", "train.jsonl"]


def test_only_cuts_of_production_become_the_latest(tmp_path):
    rows = [*ROWS, *(row(n, environment="staging") for n in range(100, 160))]
    assert cut_of(tmp_path, rows).path.name == "v1"
    staging = cut_of(tmp_path, rows, environment="staging")
    assert staging.path.name == "v2"
    assert (tmp_path / SIGNATURE / "latest").read_text() == "v1\n"
    assert "calls of staging: `latest` stays as it was" in staging.notes[0]


def test_a_first_cut_of_staging_leaves_no_latest(tmp_path):
    done = cut_of(tmp_path, [row(n, environment="staging") for n in range(60)], environment="staging")
    assert not (done.path.parent / "latest").exists()


def test_a_version_with_nothing_to_learn_from_becomes_the_latest_by_hand_only(tmp_path):
    of_test = [each for each in ROWS if keys.split_hash(each["dedup_key"]) >= int(0.85 * 2**64)]
    first = cut_of(tmp_path, of_test[:1])
    assert not (first.path.parent / "latest").exists()
    assert first.notes[-1] == (
        "train is empty: `latest` stays as it was; headrace versions rollback "
        f"-s {SIGNATURE} v1 makes this version the latest all the same"
    )
    assert "There is no train split: nothing can be learnt from it." in (first.path / "README.md").read_text()
    with pytest.raises(
        VersionsError, match=r"no version to go back to .*; there are v1; name one to take it all the same"
    ):
        rollback(tmp_path / SIGNATURE, None)
    whole = cut_of(tmp_path, ROWS)
    assert not any("train is empty" in note for note in whole.notes)
    cut_of(tmp_path, of_test[:1])
    cut_of(tmp_path, ROWS)
    folder = tmp_path / SIGNATURE
    assert rollback(folder, None)[1] == "v2"
    assert rollback(folder, 3)[1] == "v3"
    assert (folder / "latest").read_text() == "v3\n"


def test_who_wants_no_train_at_all_gets_the_latest(tmp_path):
    config = config_of(tmp_path, versions={"splits": {"train": 0.0, "val": 0.5, "test": 0.5}})
    assert cut_of(tmp_path, ROWS, config).notes == []
    assert (tmp_path / SIGNATURE / "latest").read_text() == "v1\n"


def test_what_is_not_published_leaves_nothing(tmp_path):
    def fail():
        with workplace(tmp_path) as place:
            (place.folder / "train.jsonl").write_text("{}")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert names(tmp_path) == []


def test_the_number_of_a_deleted_version_is_not_used_again(tmp_path):
    for _ in range(3):
        published(tmp_path)
    rollback(tmp_path, 1)
    delete(tmp_path, 3, who="w", why="y", timestamp_ms=1)
    (tmp_path / ".highest").unlink()
    assert published(tmp_path) == 4


def test_a_version_that_somebody_put_there_is_not_overwritten(tmp_path):
    def squat(point):
        if point == f"before:{CutStep.RENAME}" and not (tmp_path / "v1").exists():
            (tmp_path / "v1").mkdir()

    assert published(tmp_path, hook=squat) == 2
    assert list((tmp_path / "v1").iterdir()) == []
    assert (tmp_path / "v2" / "manifest.json").read_text() == "2"
    assert (tmp_path / "latest").read_text() == "v2\n"


def test_a_living_makers_folder_stays_and_a_dead_ones_goes(tmp_path):
    with workplace(tmp_path) as alive:
        dead = tmp_path / f"{BUILDING}dead"
        dead.mkdir()
        (dead / ".lock").touch()
        (tmp_path / f"{BUILDING}unlocked").mkdir()
        with workplace(tmp_path):
            assert alive.folder.exists()
            assert not dead.exists()
            assert not (tmp_path / f"{BUILDING}unlocked").exists()


def test_a_folder_that_nobody_may_write_to_is_one_line(tmp_path):
    (tmp_path / "data").write_text("a file")
    with (
        pytest.raises(VersionsError, match=r"cannot be written to \(.+\); check versions.path"),
        workplace(tmp_path / "data" / "s"),
    ):
        pass


@pytest.fixture
def small_disk():
    """A disk on which no file can be larger."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size_bytes: resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    ("text", "number", "most_bytes", "module"),
    [
        (lambda n: random.Random(n).randbytes(1500).hex(), 50, 20_000, "spill"),
        (lambda _: "short", 300, 170_000, "frame_file"),
        (lambda _: "short", 2, 8_000, "publishing"),
    ],
)
def test_a_disk_without_room_is_one_line_and_leaves_what_was_there(  # noqa: PLR0917
    tmp_path, small_disk, text, number, most_bytes, module
):
    rows = [row(n, output=json.dumps({"answer": text(n)})) for n in range(number)]
    cut_of(tmp_path, ROWS)
    small_disk(most_bytes)
    expected = r"larger than it may be \(ulimit -f\): .*about twice the size of the version is needed.*another disk"
    with pytest.raises(VersionsError, match=expected) as raised:
        cut_of(tmp_path, rows)
    assert f"{module}.py" in {
        Path(each.filename).name for each in traceback.extract_tb(raised.value.__cause__.__traceback__)
    }
    assert not list((tmp_path / SIGNATURE).glob(f"{BUILDING}*"))
    assert (tmp_path / SIGNATURE / "latest").read_text() == "v1\n"


def test_a_full_disk_is_told_with_what_was_written(tmp_path):
    def cut():
        with workplace(tmp_path) as place:
            (place.work / "file").write_bytes(bytes(2_500_000))
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(VersionsError, match=r"the disk is full: 2\.5 MB were written so far, and about twice"):
        cut()


_KILLED = """
import sys
from pathlib import Path
from headrace_consumers.dataset.steps import hook_from_environment
from headrace_consumers.versions.cutting.cut import Asked, cut
from headrace_consumers.versions.shelf.publishing import CutStep
from headrace_consumers.versions.reading.tables import Tables
from tests.support import warm
from tests.unit.versions.rows import NOW, SIGNATURE, config_of, row, table
cut(config_of(Path(sys.argv[1])), Asked(SIGNATURE), Tables(table([row(n) for n in range(60)])), now=lambda: NOW,
    hook=hook_from_environment(steps=tuple(CutStep)))
"""


@pytest.mark.parametrize("point", [f"{edge}:{step}" for step in CutStep for edge in ("before", "after")])
def test_killed_at_any_step_there_is_no_half_version_and_the_next_cut_works(tmp_path, point):
    folder = tmp_path / SIGNATURE
    first = cut_of(tmp_path, ROWS)
    environ = {**os.environ, "HEADRACE_TEST_KILL_AT": point}
    assert warm.code(_KILLED, tmp_path, env=environ) == -signal.SIGKILL
    whole = [name for name in names(folder) if name.startswith("v")]
    assert whole in (["v1"], ["v1", "v2"])
    is_published = point in (f"after:{CutStep.RENAME}", f"before:{CutStep.LATEST}", f"after:{CutStep.LATEST}")
    assert (whole == ["v1", "v2"]) == is_published
    for name in whole:
        manifest = json.loads((folder / name / "manifest.json").read_text())
        assert manifest["version"] == name
        assert (folder / name / "train.jsonl").read_bytes() == (first.path / "train.jsonl").read_bytes()
        assert not [path for path in (folder / name).iterdir() if path.name.startswith(".")]
    assert (folder / "latest").read_text() in {f"{name}\n" for name in whole}
    done = cut_of(tmp_path, ROWS)
    assert done.path.name not in whole
    assert (folder / "latest").read_text() == f"{done.path.name}\n"
    assert [name for name in names(folder) if name.startswith(".")] == []


def _cut(folder, barrier, numbers):
    barrier.wait()
    numbers.put(cut_of(Path(folder), ROWS).path.name)


def test_ten_cuts_at_once_are_ten_versions_and_the_latest_is_one_of_them(tmp_path):
    context = multiprocessing.get_context("spawn")
    barrier, numbers = context.Barrier(10), context.Queue()
    cuts = [context.Process(target=_cut, args=(str(tmp_path), barrier, numbers)) for _ in range(10)]
    for each in cuts:
        each.start()
    found = sorted(numbers.get(timeout=240) for _ in cuts)
    for each in cuts:
        each.join(60)
    assert [each.exitcode for each in cuts] == [0] * 10
    assert found == sorted(f"v{number}" for number in range(1, 11))
    folder = tmp_path / SIGNATURE
    assert (folder / "latest").read_text() == "v10\n"
    assert len({(folder / name / "train.jsonl").read_bytes() for name in found}) == 1
    assert {json.loads((folder / name / "manifest.json").read_text())["version"] for name in found} == set(found)
    assert names(folder) == sorted([*found, "latest"])
