"""What people changed by hand: the last word holds, restore takes all of it back, damaged lines are told."""

from hypothesis import given
from hypothesis import strategies as st

from headrace_consumers.versions.files import appended
from headrace_consumers.versions.hand import edits

KEYS = ("a" * 64, "b" * 64)


def edit(kind, key=KEYS[0], *, at=1, outputs=None, quality=None, why="seen"):
    return edits.EditLine(
        kind=kind, key=key, who="ada", why=why, timestamp_ms=at, outputs=outputs, quality=quality
    )  # fmt: skip


def test_the_last_relabelling_holds_and_each_stands_in_the_history(tmp_path):
    edits.append(tmp_path, [edit("relabel", outputs={"x": 1}), edit("relabel", at=2, outputs={"x": 2}, quality=0.5)])
    edits.append(tmp_path, [edit("relabel", at=3, quality=1.0), edit("exclude", KEYS[1], why="a duplicate")])
    found = edits.read(tmp_path).by_key
    assert (found[KEYS[0]].outputs, found[KEYS[0]].quality, found[KEYS[0]].is_excluded) == ({"x": 2}, 1.0, False)
    assert [told["timestamp_ms"] for told in found[KEYS[0]].history] == [1, 2, 3]
    assert found[KEYS[1]].is_excluded
    assert found[KEYS[1]].history[0] == {"kind": "exclude", "who": "ada", "why": "a duplicate", "timestamp_ms": 1}


def test_of_two_relabellings_that_name_different_outputs_both_hold(tmp_path):
    first = {**edit("relabel", outputs={"x": 1, "y": 0, "z": 0}), "fields": ["x"]}
    second = {**edit("relabel", at=2, outputs={"x": 0, "y": 2, "z": 0}), "fields": ["y"]}
    edits.append(tmp_path, [first, second])
    (found,) = edits.read(tmp_path).by_key.values()
    assert found.over({"x": 9, "y": 9, "z": 9}) == {"x": 1, "y": 2, "z": 9}
    assert (found.is_whole({"x": 9, "y": 9, "z": 9}), found.is_whole({"x": 9, "y": 9})) == (False, True)
    assert [told["fields"] for told in found.history] == [["x"], ["y"]]


def test_a_beginning_tells_what_held_then(tmp_path):
    edits.append(tmp_path, [edit("exclude")])
    before = edits.read(tmp_path)
    edits.append(tmp_path, [edit("restore", at=2)])
    assert edits.read(tmp_path).by_key == {}
    asked = {"size_bytes": before.size_bytes, "sha256": before.sha256}
    assert edits.read(tmp_path, asked) == before
    assert edits.read(tmp_path, {**asked, "sha256": "0" * 64}).is_other


def test_an_edit_holds_in_its_environment_and_one_of_none_in_all(tmp_path):
    of_staging = {"environment": "staging"}
    edits.append(tmp_path, [edit("exclude"), {**edit("relabel", KEYS[1], quality=0.2), **of_staging}])
    assert set(edits.read(tmp_path, environment="staging").by_key) == set(KEYS)
    assert set(edits.read(tmp_path).by_key) == {KEYS[0]}
    edits.append(tmp_path, [{**edit("restore", at=2), **of_staging}])
    assert set(edits.read(tmp_path, environment="staging").by_key) == {KEYS[1]}
    assert set(edits.read(tmp_path).by_key) == {KEYS[0]}


def test_lines_that_are_no_edits_are_told_and_left_out(tmp_path):
    good = edit("exclude")
    bad = [
        {**good, "kind": "delete"},
        {**good, "why": None},
        {**good, "timestamp_ms": "now"},
        {**good, "quality": 2},
        {**good, "fields": "x"},
        {**good, "environment": None},
    ]
    appended.append(edits.edits_path(tmp_path), [good, *bad])
    found = edits.read(tmp_path)
    assert found.torn == [2, 3, 4, 5, 6, 7]
    assert set(found.by_key) == {KEYS[0]}


@given(st.lists(st.builds(edit, st.sampled_from(["relabel", "exclude", "restore"]), st.sampled_from(KEYS))))
def test_an_example_is_excluded_if_it_was_after_the_last_restoring(lines):
    holding = edits.effective(lines)
    for key in KEYS:
        kinds = [line["kind"] for line in lines if line["key"] == key]
        since = kinds[len(kinds) - kinds[::-1].index("restore") :] if "restore" in kinds else kinds
        assert (key in holding) == bool(since)
        assert (key in holding and holding[key].is_excluded) == ("exclude" in since)
