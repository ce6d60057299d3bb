"""A person's words out of what no call gave: pools, edits, versions; killed, the same command does the rest."""

import json
import re
import signal

import pytest

from headrace_consumers.versions.erasing.words import Sought, apply, look
from headrace_consumers.versions.errors import VersionsError
from headrace_consumers.versions.hand import edits
from headrace_consumers.versions.reading.tables import Tables
from headrace_consumers.versions.shelf.listing import changed_files, shelf
from headrace_consumers.versions.sources.pool import Pool, pool_path
from tests.support import warm
from tests.unit.versions.rows import SIGNATURE, cut_of, lines, row

MADE = {"category": None, "difficulty": None, "timestamp_ms": 1, "metadata": {}}
ANN = Sought(texts=('Ann "Q" Lee',))
DOING = {"erasure_id": "e" * 32, "at": "2026-11-27T12:00:00Z"}


def written(question, answer="yes"):
    return {"inputs": {"question": question}, "outputs": {"answer": answer}, **MADE}


@pytest.fixture
def folder(tmp_path):
    """Two versions with her words in an import, in two answers of one question, and in a call that was relabelled."""
    Pool(pool_path(tmp_path, SIGNATURE, "import")).append([written('of ANN "Q" LEE'), written("of Bob")])
    Pool(pool_path(tmp_path, SIGNATURE, "hand")).append([written("who?", 'Ann "Q" Lee'), written("who?", "Bob")])
    own = {"kind": "relabel", "who": "ada", "why": "wrong", "timestamp_ms": 7, "quality": None}
    edits.append(
        tmp_path / SIGNATURE,
        [
            {**own, "key": row(3)["dedup_key"], "outputs": {"answer": 'ask Ann "Q" Lee'}},
            {**own, "key": row(4)["dedup_key"], "outputs": {"answer": "ask Bob"}},
        ],
    )
    for _ in range(2):
        cut_of(tmp_path, [row(n) for n in range(30)])
    return tmp_path / SIGNATURE


def held(folder):
    """All that the signature's folder holds as text."""
    files = [
        path for path in folder.rglob("*") if path.is_file() and path.suffix in (".jsonl", ".json", ".md", ".html")
    ]
    return " ".join(path.read_text() for path in files).casefold()


def questions(version):
    return {
        line["inputs"]["question"] for name in ("train", "val", "test") for line in lines(version / f"{name}.jsonl")
    }


def test_her_words_go_from_sources_edits_and_versions_and_the_rest_stays(folder):
    before = questions(folder / "v1")
    found = look(folder, ANN)
    assert {path.name: numbers for path, numbers in found.lines.items()} == {"hand.jsonl": [1, 2], "import.jsonl": [1]}
    assert (found.edits, [len(each.example_ids) for each in found.versions]) == ([1], [3, 3])
    assert questions(folder / "v1") == before
    apply(folder, ANN, **DOING)
    assert look(folder, ANN).is_empty
    assert 'ann \\"q\\" lee' not in held(folder)
    for name in ("v1", "v2"):
        assert before - questions(folder / name) == {'of ANN "Q" LEE', "who?", "question 3"}
        (erased,) = json.loads((folder / name / "manifest.json").read_text())["erased"]
        assert (erased["erasure_id"], erased["examples"]) == ("e" * 32, 3)
    assert [changed_files(each.version) for each in shelf(folder)] == [[], []]
    assert [line["key"] for line in lines(folder / "sources" / "edits.jsonl")] == [row(4)["dedup_key"]]


def test_the_next_cut_has_the_call_again_as_it_was_and_not_the_words(folder, tmp_path):
    apply(folder, ANN, **DOING)
    after = cut_of(tmp_path, [row(n) for n in range(30)])
    assert "question 3" in questions(after.path)
    assert 'ann \\"q\\" lee' not in held(folder)


def test_an_id_takes_that_example_out_everywhere(folder):
    (example,) = [
        line
        for name in ("train", "val", "test")
        for line in lines(folder / "v1" / f"{name}.jsonl")
        if line["inputs"]["question"] == "of Bob"
    ]
    apply(folder, Sought(ids=(example["example_id"][:12],)), **DOING)
    assert "of Bob" not in questions(folder / "v1") | questions(folder / "v2")
    assert [line["inputs"]["question"] for line in lines(folder / "sources" / "import.jsonl")] == ['of ANN "Q" LEE']


def test_a_call_that_says_so_itself_stays(folder, tmp_path):
    cut_of(tmp_path, [row(n, output='{"answer":"Carl"}') for n in range(30)])
    assert look(folder, Sought(texts=("carl",))).is_empty


WRITTEN = [
    {"inputs": {"question": "about A0NN"}},
    {"inputs": {"question": ["a", {"A1nn": 1}]}},
    {"outputs": {"answer": {"who": ["A2nn"]}}},
    {"category": "of A3nn"},
    {"metadata": {"who": "ada", "why": "A4nn asked for it", "when_ms": 1}},
    {"metadata": {"paths": ["src/a5nn.py"]}},
]
"""Of each line another part holds it: a text, a member's name, something deep in it, category, reason, path."""


def test_it_is_found_wherever_somebody_wrote_it_and_nowhere_else(tmp_path):
    own = {"commit": "abcdef" * 6, "committed_at_ms": 1760000, "model": "gpt-tim", "asked_difficulty": "hard"}
    Pool(pool_path(tmp_path, SIGNATURE, "synthetic")).append(
        [
            *({**written(f"new {n}"), **line} for n, line in enumerate(WRITTEN)),
            {**written("of nobody"), "metadata": own},
        ]
    )
    cut_of(tmp_path, Tables(None))
    folder = tmp_path / SIGNATURE
    for what in (
        "tim",
        "stamp",
        "difficulty",
        "answer",
        "synthetic",
        "null",
        "abcdef",
        "1760000",
        "hard",
        "provenance",
    ):
        assert look(folder, Sought(texts=(what,))).is_empty, what
    sought = [Sought(texts=(f"a{n}nn",)) for n in range(len(WRITTEN))]
    found = [look(folder, each) for each in sought]
    assert [list(each.lines.values()) for each in found] == [[[n]] for n in range(1, len(WRITTEN) + 1)]
    assert [[len(of.example_ids) for of in each.versions] for each in found] == [[1]] * len(WRITTEN)
    # Killed behind the pools the next run has nothing but the versions to find it by.
    (folder / "sources" / "synthetic.jsonl").unlink()
    assert [look(folder, each).versions for each in sought] == [each.versions for each in found]


def test_a_reason_that_holds_it_is_emptied_everywhere_and_what_was_excluded_stays_so(folder, tmp_path):
    (of_bob,) = [
        line
        for name in ("train", "val", "test")
        for line in lines(folder / "v1" / f"{name}.jsonl")
        if line["inputs"]["question"] == "of Bob"
    ]
    said = {"who": "ada", "timestamp_ms": 8, "outputs": None, "quality": None}
    edits.append(
        folder,
        [
            {**said, "kind": "exclude", "key": row(5)["dedup_key"], "why": 'it names Ann "Q" Lee'},
            {**said, "kind": "exclude", "key": row(3)["dedup_key"], "why": "no"},
            {**said, "kind": "relabel", "key": row(6)["dedup_key"], "why": 'ANN "Q" Lee said so', "quality": 0.5},
            {**said, "kind": "exclude", "key": row(7)["dedup_key"], "why": "a duplicate"},
            {**said, "kind": "relabel", "key": of_bob["key"], "why": 'Ann "Q" Lee was sure', "quality": 0.5},
        ],
    )
    cut_of(tmp_path, [row(n) for n in range(30)])
    assert r"ann \\\"q\\\" lee" in held(folder)
    apply(folder, ANN, **DOING)
    assert look(folder, ANN).is_empty
    assert not re.search(r"ann \\+(&quot;|\")?q", held(folder))
    assert r"a duplicate" in (folder / "v3" / "set_aside.jsonl").read_text()
    told = {line["key"]: (line["kind"], line["why"]) for line in lines(folder / "sources" / "edits.jsonl")}
    assert told == {
        row(3)["dedup_key"]: ("exclude", ""),
        row(4)["dedup_key"]: ("relabel", "wrong"),
        row(5)["dedup_key"]: ("exclude", ""),
        row(6)["dedup_key"]: ("relabel", ""),
        row(7)["dedup_key"]: ("exclude", "a duplicate"),
        of_bob["key"]: ("relabel", ""),
    }
    after = questions(cut_of(tmp_path, [row(n) for n in range(30)]).path)
    assert after.isdisjoint({f"question {n}" for n in (3, 5, 7)})
    assert {"question 4", "question 6", "of Bob"} <= after
    assert [changed_files(each.version) for each in shelf(folder)] == [[]] * 4


def test_a_version_whose_deletion_was_killed_goes_and_so_do_a_judges_scores(folder):
    (folder / "deleted").mkdir()
    (folder / "deleted" / "v1.json").write_text("{}")
    (folder / ".deleting-1").mkdir()
    (folder / ".deleting-1" / "train.jsonl").write_text('Ann \\"Q\\" Lee')
    (folder / "sources" / "judge.scores.jsonl").write_text("{}")
    apply(folder, ANN, **DOING)
    assert sorted(path.name for path in folder.iterdir() if not path.name.startswith(".h")) == [
        ".lock", "deleted", "latest", "sources", "v2",
    ]  # fmt: skip
    assert not (folder / "sources" / "judge.scores.jsonl").exists()


def test_a_version_that_somebody_changed_is_one_line_and_it_can_be_run_again(folder):
    path = folder / "v1" / "provenance.jsonl"
    content = path.read_bytes()
    path.write_bytes(content + b"\n")
    with pytest.raises(VersionsError, match=r"v1: provenance\.jsonl: is not the file"):
        apply(folder, ANN, **DOING)
    path.write_bytes(content)
    apply(folder, ANN, **DOING)
    assert look(folder, ANN).is_empty


def test_what_a_killed_cut_had_read_goes_too(folder):
    (folder / ".building-dead").mkdir()
    (folder / ".building-dead" / "train.jsonl").write_text("hers")
    apply(folder, ANN, **DOING)
    assert not (folder / ".building-dead").exists()


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.unit.versions.erasing.test_words import ANN, DOING
from headrace_consumers.versions.erasing.words import apply
def strike(point):
    if point == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)
apply(Path(sys.argv[1]), ANN, **DOING, hook=strike)
"""


@pytest.mark.parametrize("point", ["after:pools", "after:version-exchange", "after:edits"])
def test_killed_anywhere_the_same_command_does_the_rest(folder, point):
    assert warm.code(KILLED, folder, point) == -signal.SIGKILL
    apply(folder, ANN, **DOING)
    assert look(folder, ANN).is_empty
    assert 'ann \\"q\\" lee' not in held(folder)
    assert [changed_files(each.version) for each in shelf(folder)] == [[], []]
