"""A version made again from its manifest."""

import json

import pytest

from headrace_consumers.versions.errors import VersionsError
from headrace_consumers.versions.hand import edits
from headrace_consumers.versions.reading.tables import Tables
from headrace_consumers.versions.replaying.replay import replay
from headrace_consumers.versions.sources.pool import Pool, PoolError, pool_path
from tests.unit.versions.rows import SIGNATURE, config_of, cut_of, feedback_table, lines, row, sightings_table, table

ROWS = [row(n, latency_ms=100.0 + n, attributes=json.dumps({"category": f"c{n % 4}"})) for n in range(150)]


@pytest.fixture
def again(tmp_path):
    """Make a version again from tables."""

    def make(version, tables):
        into = tmp_path / "again"
        into.mkdir()
        (into / "work").mkdir()
        return replay(version, tables, into, into / "work")

    return make


def waiting(folder, *questions):
    Pool(pool_path(folder, SIGNATURE, "git")).append(
        {
            "inputs": {"question": question},
            "outputs": {"answer": "a"},
            "category": "of git",
            "difficulty": None,
            "timestamp_ms": 5,
            "metadata": {"commit": "c0ffee"},
        }
        for question in questions
    )


def test_a_table_that_has_grown_gives_the_same_bytes(tmp_path, again):
    key = ROWS[0]["dedup_key"]
    tables = Tables(
        table(ROWS[:100]), sightings_table((key, "copy")), feedback_table({"request_id": "copy", "score": 0.1})
    )
    waiting(tmp_path / "data", "from git", "question 3")
    done = cut_of(tmp_path / "data", tables)
    waiting(tmp_path / "data", "from git, later")
    later = Tables(
        table(ROWS[::-1], version=9),
        sightings_table((key, "copy"), (key, "copy-2")),
        feedback_table({"request_id": "copy", "score": 0.1}, {"request_id": "r-5", "correction": '{"answer":"late"}'}),
    )
    found = again(done.path, later)
    assert found.is_same, found
    assert (found.examples, found.gone, found.others, found.more) == (101, [], [], [])
    made = {path.name: path.read_bytes() for path in (tmp_path / "again").iterdir() if path.suffix == ".jsonl"}
    assert made == {name: (done.path / name).read_bytes() for name in made}


def test_rows_that_are_gone_are_named_with_their_places(tmp_path, again):
    done = cut_of(tmp_path / "data", ROWS)
    found = again(done.path, Tables(table([each for n, each in enumerate(ROWS) if n not in (3, 77)])))
    assert not found.is_same
    assert sorted((gone.example_id, gone.topic, gone.partition, gone.offset) for gone in found.gone) == sorted(
        (ROWS[n]["dedup_key"][:32], "interactions", 0, n) for n in (3, 77)
    )
    assert (found.others, found.more) == ([], [])


def test_an_example_that_was_drawn_and_is_gone_is_not_replaced_by_another(tmp_path, again):
    done = cut_of(tmp_path / "data", ROWS, most=60)
    assert done.metadata["examples"] == 60
    drawn = {line["example_id"] for line in lines(done.path / "provenance.jsonl")}
    first = next(n for n, each in enumerate(ROWS) if each["dedup_key"][:32] in drawn)
    found = again(done.path, Tables(table(ROWS[:first] + ROWS[first + 1 :])))
    assert [gone.offset for gone in found.gone] == [first]
    assert found.more == []


def test_what_was_drawn_is_drawn_again(tmp_path, again):
    done = cut_of(tmp_path / "data", ROWS, most=60)
    assert again(done.path, Tables(table(ROWS))).is_same


def test_a_copy_that_is_forgotten_shows_as_a_difference(tmp_path, again):
    key = ROWS[0]["dedup_key"]
    done = cut_of(tmp_path / "data", Tables(table(ROWS), sightings_table((key, "copy"))))
    found = again(done.path, Tables(table(ROWS), sightings_table()))
    assert (found.is_same, found.others) == (False, [key[:32]])


def test_a_changed_version_is_noticed(tmp_path, again):
    done = cut_of(tmp_path / "data", ROWS)
    path = done.path / "train.jsonl"
    first, rest = path.read_bytes().split(b"\n", 1)
    manifest = json.loads((done.path / "manifest.json").read_text())
    path.write_bytes(rest)
    manifest["files"]["train.jsonl"]["sha256"] = "0" * 64
    (done.path / "manifest.json").write_text(json.dumps(manifest))
    found = again(done.path, Tables(table(ROWS)))
    assert found.more == [json.loads(first)["example_id"]]
    assert [name for name, is_same in found.files.items() if not is_same] == ["train.jsonl"]


def test_a_truncated_file_of_the_version_is_named_though_its_examples_can_be_made_again(tmp_path, again):
    done = cut_of(tmp_path / "data", ROWS)
    path = done.path / "train.jsonl"
    path.write_bytes(path.read_bytes()[:-30])
    found = again(done.path, Tables(table(ROWS)))
    assert not found.is_same
    assert [line.split(":")[0] for line in found.changed] == ["train.jsonl"]
    assert [name for name, is_same in found.files.items() if not is_same] == ["train.jsonl"]
    assert (found.gone, found.others, found.more) == ([], [], [])


@pytest.mark.parametrize("name", ["set_aside.jsonl", "provenance.jsonl"])
def test_without_what_says_who_is_out_nothing_is_compared(tmp_path, again, name):
    done = cut_of(tmp_path / "data", [*ROWS, row(200, output="{}")])
    (done.path / name).write_bytes(b"")
    with pytest.raises(VersionsError, match=f"{name}: is not the file that the manifest names"):
        again(done.path, Tables(table(ROWS)))


def relabelled(folder, number, answer, **more):
    line = {"kind": "relabel", "key": ROWS[number]["dedup_key"], "who": "ada", "why": "wrong", "timestamp_ms": 7}
    edits.append(folder / SIGNATURE, [{**line, "outputs": {"answer": answer}, "quality": None, **more}])


def test_edits_that_an_erasure_took_a_line_of_are_told_and_the_rest_is_compared(tmp_path, again):
    data = tmp_path / "data"
    relabelled(data, 3, "theirs")
    relabelled(data, 5, "of somebody else")
    done = cut_of(data, ROWS)
    path = edits.edits_path(done.path.parent)
    path.write_bytes(path.read_bytes().split(b"\n", 1)[1])
    found = again(done.path, Tables(table(ROWS)))
    assert not found.is_same
    (line,) = found.changed
    assert line.startswith(f"{path}: the edits were changed since")
    assert found.others == [ROWS[3]["dedup_key"][:32]]


def test_edits_of_the_same_size_and_other_content_are_told(tmp_path, again):
    relabelled(tmp_path / "data", 3, "one")
    done = cut_of(tmp_path / "data", ROWS)
    path = edits.edits_path(done.path.parent)
    path.write_bytes(path.read_bytes().replace(b"one", b"two"))
    relabelled(tmp_path / "data", 5, "later")
    found = again(done.path, Tables(table(ROWS)))
    assert len(found.changed) == 1
    assert found.others == [ROWS[3]["dedup_key"][:32]]


def test_edits_made_later_have_no_say(tmp_path, again):
    relabelled(tmp_path / "data", 3, "one")
    done = cut_of(tmp_path / "data", ROWS)
    relabelled(tmp_path / "data", 5, "later")
    assert again(done.path, Tables(table(ROWS))).is_same


@pytest.mark.parametrize("environment", ["production", "staging"])
def test_a_version_is_made_again_by_the_edits_of_its_environment(tmp_path, again, environment):
    data, rows = tmp_path / "data", [{**each, "environment": environment} for each in ROWS]
    relabelled(data, 1, "of all")
    relabelled(data, 3, "of one", environment="production")
    relabelled(data, 3, "of the other", environment="staging")
    done = cut_of(data, rows, environment=environment)
    relabelled(data, 1, "later", environment=environment)
    assert again(done.path, Tables(table(rows))).is_same
    said = {
        line["outputs"]["answer"] for split in ("train", "val", "test") for line in lines(done.path / f"{split}.jsonl")
    }
    assert {"of one", "of the other"} & said == {"of one" if environment == "production" else "of the other"}
    assert "of all" in said


def test_of_a_pool_that_was_changed_the_rest_is_made_again_and_what_is_gone_is_named(tmp_path, again):
    data = tmp_path / "data"
    waiting(data, "from git", "also from git", "question 3")
    done = cut_of(data, ROWS)
    path = pool_path(data, SIGNATURE, "git")
    path.write_bytes(path.read_bytes().replace(b"also from git", b"also from got"))
    waiting(data, "later")
    found = again(done.path, Tables(table(ROWS)))
    assert not found.is_same
    (line,) = found.changed
    assert line.startswith(f"{path}: was changed since")
    assert [(gone.source, gone.topic) for gone in found.gone] == [("git", None)]
    assert (found.examples, found.others, found.more) == (done.metadata["examples"] - 1, [], [])


def test_a_pool_that_lost_a_line_that_gave_way_is_a_note(tmp_path, again):
    data = tmp_path / "data"
    waiting(data, "from git")
    line = {"inputs": {"question": "from git"}, "outputs": {"answer": "b"}, "category": None, "difficulty": None}
    Pool(pool_path(data, SIGNATURE, "synthetic")).append([{**line, "timestamp_ms": 1, "metadata": {}}])
    done = cut_of(data, ROWS)
    assert done.set_aside == {"duplicates": 1}
    path = pool_path(data, SIGNATURE, "synthetic")
    path.write_bytes(b"")
    found = again(done.path, Tables(table(ROWS)))
    assert (found.is_same, found.changed) == (True, [])
    assert found.notes == [f"{path}: was changed since, by an erasure or by hand; nothing of the version hung on that"]


def test_edits_that_made_no_difference_are_a_note(tmp_path, again):
    data = tmp_path / "data"
    relabelled(data, 3, "one")
    unknown = {"kind": "exclude", "key": "ff" * 32, "who": "ada", "why": "w", "timestamp_ms": 1}
    edits.append(data / SIGNATURE, [{**unknown, "outputs": None, "quality": None}])
    done = cut_of(data, ROWS)
    path = edits.edits_path(done.path.parent)
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    found = again(done.path, Tables(table(ROWS)))
    assert found.is_same
    assert found.notes == [
        f"{path}: the edits were changed since, by an erasure or by hand; nothing of the version hung on that"
    ]


def test_a_pool_that_cannot_be_read_is_one_line(tmp_path, again):
    waiting(tmp_path / "data", "from git")
    done = cut_of(tmp_path / "data", ROWS)
    path = pool_path(tmp_path / "data", SIGNATURE, "git")
    path.unlink()
    path.mkdir()
    with pytest.raises(PoolError, match="cannot read it"):
        again(done.path, Tables(table(ROWS)))


def test_another_configuration_has_no_say(tmp_path, again):
    config = config_of(tmp_path / "data", versions={"splits": {"train": 0.5, "val": 0.25, "test": 0.25}})
    done = cut_of(tmp_path / "data", ROWS, config)
    assert again(done.path, Tables(table(ROWS))).is_same


def test_another_table_is_told(tmp_path, again):
    done = cut_of(tmp_path / "data", ROWS)
    manifest = json.loads((done.path / "manifest.json").read_text())
    manifest["tables"]["interactions"]["id"] = "once"
    (done.path / "manifest.json").write_text(json.dumps(manifest))
    assert again(done.path, Tables(table(ROWS))).notes == [
        "the table of interactions is another one than then: table-id, not once"
    ]


@pytest.mark.parametrize(
    ("content", "line"),
    [("{", "is no JSON"), ("{}", "is no manifest of a cut, it lacks headrace"), (None, "cannot be read")],
)
def test_a_damaged_manifest_is_one_line(tmp_path, again, content, line):
    done = cut_of(tmp_path / "data", ROWS)
    path = done.path / "manifest.json"
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(VersionsError, match=line):
        again(done.path, Tables(table(ROWS)))


def test_a_recipe_of_another_release_is_one_line(tmp_path, again):
    done = cut_of(tmp_path / "data", ROWS)
    manifest = json.loads((done.path / "manifest.json").read_text())
    manifest["recipe"]["spice"] = 1
    (done.path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(VersionsError, match=r"recipe\.spice: .*made by headrace 0\."):
        again(done.path, Tables(table(ROWS)))
