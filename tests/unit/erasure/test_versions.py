"""`headrace erase` reaches the dataset versions: first said, then done, told by the certificate, of all runs."""

import datetime as dt
import fcntl
import json
import os
import shutil

import pytest

from headrace import load_dataset
from headrace_consumers.dataset.delta.table import InteractionTable
from headrace_consumers.dataset.steps import no_hook
from headrace_consumers.erasure.choices import Wanted
from headrace_consumers.erasure.run import Erasure
from headrace_schemas import keys
from tests.support.erasing import append, config_of, of_person, person, rows_of
from tests.support.version_folders import example_line, provenance_line, write_version


class Killed(BaseException):
    """What SIGKILL is to a test in one process."""


@pytest.fixture
def places(tmp_path):
    """A table and two folders of versions, with examples of two people and of a request of nobody's."""
    table = InteractionTable(tmp_path / "t")
    append(table, [of_person(1, "a"), of_person(2, "b"), of_person(None, "c")])
    table.close()
    lines = [example_line({"q": n}, {"a": n}) for n in range(3)]
    told = [
        provenance_line(lines[0], subject_id=person(1), request_id_hash="x"),
        provenance_line(lines[1], subject_id=person(2), request_id_hash="y"),
        provenance_line(lines[2], subject_id=None, request_id_hash=keys.request_id_hash("r None c").hex()),
    ]
    for name in ("one", "two"):
        write_version(tmp_path / name, {"train": lines}, provenance=told)
    return tmp_path


def erasure(places, *numbers, requests=(), hook=no_hook):
    wanted = Wanted(frozenset(map(person, numbers)), frozenset(requests))
    roots = [places / "one", places / "two"]
    config = config_of(places / "t")
    return Erasure(config, wanted, versions=roots, now=lambda: dt.datetime.now(dt.UTC), sleep=lambda _: None, hook=hook)


def questions(places, name):
    return sorted(example.q for example in load_dataset("S", root=places / name))


def test_it_says_which_versions_and_changes_none(places):
    planned = erasure(places, 1).look().versions
    assert [(each.version.path.parent.parent.name, len(each.example_ids)) for each in planned] == [
        ("one", 1),
        ("two", 1),
    ]
    assert questions(places, "one") == [0, 1, 2]


def test_done_the_certificate_tells_each_version(places):
    made = erasure(places, 1).run(places / "c.json")
    assert [(report.examples, report.version) for report in made.versions] == [(1, "v1"), (1, "v1")]
    assert json.loads((places / "c.json").read_text())["versions"] == made.as_dict()["versions"]
    assert [questions(places, name) for name in ("one", "two")] == [[1, 2], [1, 2]]


def test_a_request_goes_too(places):
    erasure(places, requests=["r None c"]).run(places / "c.json")
    assert questions(places, "two") == [0, 1]


@pytest.mark.parametrize("point", ["after:suppress", "after:version-exchange", "after:versions", "after:take-out"])
def test_killed_the_next_run_does_the_rest_and_tells_all(places, point):
    def strike(met):
        if met == point:
            raise Killed

    with pytest.raises(Killed):
        erasure(places, 1, hook=strike).run(places / "c.json")
    made = erasure(places, 1).run(places / "c.json")
    assert [report.examples for report in made.versions] == [1, 1]
    assert [questions(places, name) for name in ("one", "two")] == [[1, 2], [1, 2]]
    assert rows_of(places / "t")["subject_id"].to_list() == [person(2), None]


def test_a_version_that_a_cut_published_meanwhile_is_rewritten_too(places):
    def publish(point):
        if point == "after:versions":
            line = example_line({"q": 9}, {"a": 9})
            told = [provenance_line(line, subject_id=person(1), request_id_hash="x")]
            write_version(places / "one", {"train": [line]}, provenance=told, number=2)

    made = erasure(places, 1, hook=publish).run(places / "c.json")
    assert [report.version for report in made.versions] == ["v1", "v2", "v1"]
    assert questions(places, "one") == []


def test_a_cut_that_publishes_behind_the_last_pass_is_rewritten_too(places):
    line = example_line({"q": 9}, {"a": 9})
    told = [provenance_line(line, subject_id=person(1), request_id_hash="x")]
    building = places / "one" / "S" / ".building-1"
    building.mkdir()
    lock = os.open(building / ".lock", os.O_CREAT | os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)  # its maker lives
    met = []

    def publish(point):
        met.append(point)
        if point == "after:versions":
            write_version(places / "two", {"train": [line]}, provenance=told, number=2)
        if point == "after:version-exchange" and "after:versions" in met and building.exists():
            write_version(places / "one", {"train": [line]}, provenance=told, number=2)
            shutil.rmtree(building)

    made = erasure(places, 1, hook=publish).run(places / "c.json")
    os.close(lock)
    assert not building.exists()
    assert [report.version for report in made.versions] == ["v1", "v2", "v1", "v2"]
    assert questions(places, "one") == []
    assert not any("under way" in line for line in made.not_touched)


def test_what_a_killed_cut_has_left_goes_too(places):
    building = places / "one" / "S" / ".building-1"
    building.mkdir()
    (building / "train.jsonl").write_text("theirs")
    made = erasure(places, 1).run(places / "c.json")
    assert not building.exists()
    assert not any("under way" in line for line in made.not_touched)


def test_words_in_pools_are_left_to_a_command_of_their_own(places):
    made = erasure(places, 1).run(places / "c.json")
    [line] = [line for line in made.not_touched if "sources/" in line]
    assert "{hand,import,git,synthetic}.jsonl" in line
    assert "headrace dataset erase-examples" in line
