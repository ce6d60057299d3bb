"""What differs between two versions: counted by key, and drift of what is known of the examples."""

import pytest

from headrace.datasets.place import located
from headrace_consumers.versions.errors import VersionsError
from headrace_consumers.versions.shelf.frames import scan
from headrace_consumers.versions.telling import diff as room
from headrace_consumers.versions.telling.diff import compared, diff
from tests.support.version_folders import example_line, write_version


def example(number, answer="a", **changes):
    return example_line({"q": f"question {number}"}, {"a": answer}, **changes)


@pytest.fixture
def frames(tmp_path):
    before = [example(n, category="billing") for n in range(300)]
    after = [example(n, category="billing") for n in range(100, 200)]
    after += [example(200, "b", category="billing", label="corrected"), example(201, quality=0.5, category=None)]
    after += [example(n, "long " * 30, category="login") for n in range(300, 450)]
    write_version(tmp_path, {"train": before[:200], "test": before[200:]})
    write_version(tmp_path, {"train": after}, number=2)
    return [scan(located(tmp_path, "S", number)) for number in (1, 2)]


def test_examples_are_matched_by_their_keys(frames):
    found = diff(*frames)
    assert (found.before, found.after, found.added, found.removed) == (300, 252, 150, 198)
    assert found.changed == {"outputs": 1, "label": 1, "quality": 1, "category": 1, "split": 2}
    assert found.changed_examples == 2


def test_drift_is_told_where_it_is(frames):
    properties = diff(*frames).properties
    drifted = {name for name, each in properties.items() if each.drift.has_drifted}
    assert drifted == {"category", "input_characters", "output_characters", "split"}
    assert properties["category"].before == {"billing": 1.0}
    assert properties["category"].after == pytest.approx({"login": 150 / 252, "billing": 101 / 252, "": 1 / 252})
    assert properties["output_characters"].before["50%"] == len('{"a":"a"}')
    assert properties["output_characters"].after["75%"] == len('{"a":"long "}') + 29 * 5
    assert properties["quality"].drift.distance is None


def test_a_version_does_not_differ_from_itself(frames):
    found = diff(frames[0], frames[0])
    assert (found.added, found.removed, found.changed) == (0, 0, {})
    assert {each.drift.distance for each in found.properties.values()} <= {0, None}


def test_the_examples_of_each_kind_are_named(frames):
    found, named = compared(*frames, 3)
    assert found == diff(*frames)
    assert {kind: len(ids) for kind, ids in named.items()} == {"added": 3, "removed": 3, "changed": 2}
    assert set(named["changed"]) == {example(200)["example_id"], example(201)["example_id"]}


def test_however_many_parts_the_keys_are_looked_at_in_the_result_is_the_same(frames, monkeypatch):
    whole = compared(*frames, 400)
    monkeypatch.setattr(room, "_AT_ONCE", 20)
    assert compared(*frames, 400) == whole
    assert {kind: ids == sorted(ids) for kind, ids in whole[1].items()} == dict.fromkeys(whole[1], True)
    assert [len(ids) for ids in compared(*frames, 7)[1].values()] == [7, 7, 2]
    assert set(whole[1]["added"]) == {example(n)["example_id"] for n in range(300, 450)}


def test_versions_without_examples_differ_too(tmp_path):
    write_version(tmp_path, {})
    write_version(tmp_path, {"train": [example(1)]}, number=2)
    found = diff(*(scan(located(tmp_path, "S", number)) for number in (1, 2)))
    assert (found.before, found.added, found.properties["label"].drift.distance) == (0, 1, None)


def test_a_changed_file_is_refused(tmp_path):
    folder = write_version(tmp_path, {"train": [example(1)]})
    (folder / "val.parquet").write_bytes(b"PAR1")
    with pytest.raises(VersionsError, match=r"val\.parquet: is not the file"):
        scan(located(tmp_path, "S", 1))
