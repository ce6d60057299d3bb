"""A person's examples out of versions: exactly these, in every file, whole or not at all, whatever kills it."""

import hashlib
import json
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace import load_dataset
from headrace.datasets.place import located
from headrace_consumers.versions.erasing.erasing import Whose, erase, look, reports, under_way
from headrace_consumers.versions.errors import VersionsError
from headrace_consumers.versions.hand import edits
from headrace_consumers.versions.shelf import exchange
from headrace_consumers.versions.shelf.listing import changed_files
from headrace_consumers.versions.telling.card import card
from headrace_schemas import canonical
from tests.support import warm
from tests.support.version_folders import example_line, provenance_line, write_version

PEOPLE = ["ann", "bob", None]
JUST_ANN = Whose(frozenset({"sha256:ann"}))


def example(number, **changes):
    return example_line({"q": f'question {number} "example_id":"'}, {"a": number}, **changes)


def write(root, people, *, number=1, signature="S"):
    """A version whose examples are of these people, in all splits."""
    lines = [example(n, quality=n / 10) for n, _ in enumerate(people)]
    told = [
        provenance_line(line, subject_id=who and f"sha256:{who}", request_id_hash=f"hash {n}")
        for n, (line, who) in enumerate(zip(lines, people, strict=True))
    ]
    splits = {"train": lines[::3], "val": lines[1::3], "test": lines[2::3]}
    return write_version(root, splits, number=number, provenance=told, signature=signature)


def erased(root, whose=JUST_ANN, **options):
    erase(root, whose, erasure_id="e1", at="2026-11-28T00:00:00Z", **options)


def mentions(root, text):
    """The files that hold a text, Parquet unpacked."""
    found = []
    for path in sorted(root.rglob("*")):
        if path.is_file():
            content = str(pq.read_table(path).to_pylist()).encode() if path.suffix == ".parquet" else path.read_bytes()
            if text.encode() in content:
                found.append(path)
    return found


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(PEOPLE), max_size=12), st.sets(st.sampled_from(["ann", "bob"])))
def test_exactly_their_examples_go_from_every_file(tmp_path_factory, people, gone):
    root = tmp_path_factory.mktemp("v")
    folder = write(root, people)
    before = {split: (folder / f"{split}.jsonl").read_bytes() for split in ("train", "val", "test")}
    whose = Whose(frozenset(f"sha256:{who}" for who in gone))
    ids = {example(n)["example_id"] for n, who in enumerate(people) if who in gone}
    found = look(root, whose)
    assert {id_ for each in found for id_ in each.example_ids} == ids
    erased(root, whose)
    for split, content in before.items():
        kept = [line for line in content.splitlines(keepends=True) if canonical.loads(line)["example_id"] not in ids]
        assert (folder / f"{split}.jsonl").read_bytes() == b"".join(kept)
        rows = pq.read_table(folder / f"{split}.parquet").to_pylist()
        assert [row["example_id"] for row in rows] == [canonical.loads(line)["example_id"] for line in kept]
    assert not [path for id_ in ids for path in mentions(root, id_)]
    metadata = json.loads((folder / "metadata.json").read_text())
    assert metadata["examples"] == len(people) - len(ids) == len(load_dataset("S", root=root, split="all"))
    assert changed_files(located(root, "S", 1)) == []
    assert look(root, whose) == []


def test_the_manifest_keeps_the_hash_of_the_one_before_and_the_erasures_id(tmp_path):
    folder = write(tmp_path, ["ann", "bob"])
    before = (folder / "manifest.json").read_bytes()
    erased(tmp_path)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["erased"] == [
        {
            "erasure_id": "e1",
            "at": "2026-11-28T00:00:00Z",
            "examples": 1,
            "previous_manifest_sha256": hashlib.sha256(before).hexdigest(),
        }
    ]
    assert manifest["offsets"] == json.loads(before)["offsets"]
    assert "Erased since: 1 examples" in (folder / "README.md").read_text()
    assert (folder / "README.md").read_text() == card(json.loads((folder / "metadata.json").read_text()), manifest)
    (report,) = reports(tmp_path, "e1")
    assert (report.examples, report.previous_manifest_sha256) == (1, [hashlib.sha256(before).hexdigest()])
    assert report.manifest_sha256 == hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    assert reports(tmp_path, "other") == []


def test_a_request_goes_and_what_was_set_aside_of_the_keys_goes(tmp_path):
    folder = write(tmp_path, [None, None])
    aside = [
        {"example_id": key * 32, "gate": "g", "key": key * 64, "reason": "r", "source": "telemetry"} for key in "ab"
    ]
    (folder / "set_aside.jsonl").write_bytes(b"".join(canonical.dumps(line) + b"\n" for line in aside))
    manifest = json.loads((folder / "manifest.json").read_text())
    content = (folder / "set_aside.jsonl").read_bytes()
    manifest["files"]["set_aside.jsonl"]["sha256"] = hashlib.sha256(content).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    whose = Whose(frozenset(), frozenset({"hash 1"}), frozenset({"a" * 64}))
    (found,) = look(tmp_path, whose)
    assert (found.example_ids, found.lines) == ({example(1)["example_id"]}, 1)
    erased(tmp_path, whose)
    assert mentions(tmp_path, "a" * 32) == []
    assert mentions(tmp_path, "b" * 64) == [folder / "set_aside.jsonl"]


@pytest.mark.parametrize(
    "whose", [JUST_ANN, Whose(frozenset(), frozenset({"hash of ann"}))], ids=["her pseudonym", "her request"]
)
def test_words_with_which_they_corrected_somebody_elses_example_go_with_it(tmp_path, whose):
    lines = [example(n, label="corrected") for n in range(3)]
    corrections = [
        {"corrected_by": "f", "corrected_subject_id": who, "corrected_request_id_hash": request}
        for who, request in (("sha256:ann", "hash of ann"), ("sha256:eve", "hash of eve"))
    ]
    told = [
        provenance_line(lines[0], subject_id="sha256:bob", request_id_hash="h0", feedback=corrections[0]),
        provenance_line(lines[1], subject_id="sha256:bob", request_id_hash="h1", feedback=corrections[1]),
        provenance_line(lines[2], subject_id="sha256:bob", request_id_hash="h2"),
    ]
    write_version(tmp_path, {"train": lines}, provenance=told)
    erased(tmp_path, whose)
    left = (tmp_path / "S" / "v1" / "train.jsonl").read_text().splitlines()
    assert {json.loads(line)["inputs"]["q"] for line in left} == {lines[n]["inputs"]["q"] for n in (1, 2)}


def test_versions_of_nobody_of_them_stay_as_they_are(tmp_path):
    one, other = write(tmp_path, ["ann"]), write(tmp_path, ["bob"], number=2)
    third = write(tmp_path, ["bob", "ann"], signature="T/U")
    before = {path: path.read_bytes() for path in other.iterdir()}
    inode = other.stat().st_ino
    erased(tmp_path)
    assert {path: path.read_bytes() for path in other.iterdir()} == before
    assert other.stat().st_ino == inode
    assert [mentions(each, "ann") for each in (one, third)] == [[], []]
    assert load_dataset("T/U", root=tmp_path, split="all")[0].a == 0


def test_edits_of_what_goes_are_dropped_and_others_stay(tmp_path):
    folder = write(tmp_path, ["ann", "bob"]).parent
    said = {"kind": "relabel", "who": "w", "why": "y", "timestamp_ms": 1, "quality": None}
    edits.append(folder, [{**said, "key": example(n)["key"], "outputs": {"a": f"words {n}"}} for n in range(2)])
    erased(tmp_path)
    assert set(edits.read(folder).by_key) == {example(1)["key"]}
    assert mentions(tmp_path, "words 0") == []


def test_a_file_that_is_not_known_is_left_out_for_it_may_quote_examples(tmp_path):
    folder = write(tmp_path, ["ann", "bob"])
    (folder / "report.html").write_text("question 0")
    (folder / "notes.txt").write_text("question 0")
    erased(tmp_path)
    assert "question 0" not in (folder / "report.html").read_text()
    assert not (folder / "notes.txt").exists()


@pytest.mark.parametrize("point", ["after:edits", "after:version-rewrite", "after:version-exchange"])
def test_killed_no_edit_of_what_goes_is_left(tmp_path, point):
    folder = write(tmp_path, ["ann", "bob"]).parent
    said = {"kind": "relabel", "who": "w", "why": "y", "timestamp_ms": 1, "quality": None}
    edits.append(folder, [{**said, "key": example(n)["key"], "outputs": {"a": f"words {n}"}} for n in range(2)])
    assert warm.code(KILLED, tmp_path, point, "at once") == -signal.SIGKILL
    assert mentions(tmp_path, "words 0") == []
    erased(tmp_path)
    assert set(edits.read(folder).by_key) == {example(1)["key"]}
    assert mentions(tmp_path, "ann") == []


DELETING = """
import os, signal, sys
from pathlib import Path
from headrace_consumers.versions.shelf.deleting import delete
def strike(point):
    if point == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)
delete(Path(sys.argv[1]), 1, who="ada", why="w", timestamp_ms=5, hook=strike)
"""


@pytest.mark.parametrize("point", ["after:tombstone", "after:rename"])
def test_a_version_whose_deletion_was_killed_goes_whole(tmp_path, point):
    folder = write(tmp_path, ["ann", "bob"]).parent
    write(tmp_path, ["bob"], number=2)
    assert warm.code(DELETING, folder, point) == -signal.SIGKILL
    assert mentions(tmp_path, "ann")
    erased(tmp_path)
    assert mentions(tmp_path, "ann") == []
    assert not [path for path in folder.iterdir() if path.name == "v1" or path.name.startswith(".deleting")]


def test_scores_of_a_judge_go_where_there_was_something_of_them(tmp_path):
    folders = [write(tmp_path, ["ann"]).parent, write(tmp_path, ["bob"], signature="T").parent]
    for folder in folders:
        (folder / "sources").mkdir()
        (folder / "sources" / "judge.scores.jsonl").write_text("{}")
    erased(tmp_path)
    assert [(folder / "sources" / "judge.scores.jsonl").exists() for folder in folders] == [False, True]


def test_a_changed_file_stops_its_version_and_no_other(tmp_path):
    folder, other = write(tmp_path, ["ann", "bob"]), write(tmp_path, ["ann", "bob"], number=2)
    third = write(tmp_path, ["ann"], signature="T")
    (folder / "train.jsonl").write_text("")
    with pytest.raises(VersionsError, match=r"v1: train\.jsonl: is not the file"):
        erased(tmp_path)
    assert [bool(mentions(each, "ann")) for each in (folder, other, third)] == [True, False, False]


def test_a_changed_file_stops_it_before_anything_is_written(tmp_path):
    folder = write(tmp_path, ["ann", "bob"])
    (folder / "train.jsonl").write_text("")
    with pytest.raises(VersionsError, match=r"train\.jsonl: is not the file .* and run it again"):
        erased(tmp_path)
    assert mentions(folder, "ann")
    assert not [path for path in folder.parent.iterdir() if path.name.startswith(".e")]


def test_a_cut_under_way_is_told(tmp_path):
    write(tmp_path, ["ann"])
    (tmp_path / "S" / ".building-7").mkdir()
    assert under_way(tmp_path) == [str(tmp_path / "S" / ".building-7")]


@pytest.mark.parametrize("at_once", [True, False])
def test_folders_change_places_with_and_without_the_systems_help(tmp_path, monkeypatch, at_once):
    if not at_once:
        monkeypatch.setattr(exchange, "_at_once", lambda *_: False)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"was {name}").touch()
    exchange.exchange(tmp_path / "a", tmp_path / "b", tmp_path / "c")
    assert [sorted(each.name for each in (tmp_path / name).iterdir()) for name in "ab"] == [["was b"], ["was a"]]
    assert not (tmp_path / "c").exists()


KILLED = """
import os, signal, sys
from pathlib import Path
from headrace_consumers.versions.erasing import erasing
from headrace_consumers.versions.shelf import exchange
if sys.argv[3] == "slowly":
    exchange._at_once = lambda *_: False
    real = Path.rename
    left = [int(sys.argv[2])]
    def rename(self, target):
        real(self, target)
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    Path.rename = rename
def strike(point):
    if point == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)
whose = erasing.Whose(frozenset({"sha256:ann"}))
erasing.erase(Path(sys.argv[1]), whose, erasure_id="e1", at="2026-11-28T00:00:00Z", hook=strike)
"""
POINTS = ["before:version-rewrite", "after:version-rewrite", "after:version-exchange", "after:version-tidy"]


@pytest.mark.parametrize(("point", "how"), [*((point, "at once") for point in POINTS), *((n, "slowly") for n in "123")])
def test_killed_anywhere_a_version_is_whole_and_the_next_run_does_the_rest(tmp_path, point, how):
    folders = [write(tmp_path, ["ann", "bob", "ann", None], number=number) for number in (1, 2)]
    assert warm.code(KILLED, tmp_path, point, how) == -signal.SIGKILL
    if (point, how) != ("1", "slowly"):  # between two renames it has no folder, which the next run finds
        assert len(load_dataset("S", 1, root=tmp_path, split="all")) in (2, 4)
    assert len(load_dataset("S", 2, root=tmp_path, split="all")) == 4
    erased(tmp_path)
    for number, folder in enumerate(folders, 1):
        assert changed_files(located(tmp_path, "S", number)) == []
        assert len(load_dataset("S", number, root=tmp_path, split="all")) == 2
        assert mentions(folder, "ann") == []
    assert mentions(tmp_path, "ann") == []
    assert sorted(path.name for path in (tmp_path / "S").iterdir()) == [".lock", "latest", "v1", "v2"]
    assert [report.examples for report in reports(tmp_path, "e1")] == [2, 2]


READER = """
import sys, time, headrace
def count():
    return len(headrace.load_dataset("S", root=sys.argv[1]))
before = after = count()
print(before, flush=True)
began = time.monotonic()
while after == before and time.monotonic() < began + 60:
    after = count()
print(after)
"""


def test_readers_meanwhile_see_the_one_or_the_other(tmp_path):
    write(tmp_path, ["ann", "bob"] * 300)
    reader = subprocess.Popen([sys.executable, "-c", READER, tmp_path], stdout=subprocess.PIPE, text=True)
    with reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "200\n"
        erased(tmp_path)
        assert reader.stdout.readline() == "100\n"
    assert reader.returncode == 0


def test_a_folder_that_is_not_there_holds_nobody(tmp_path):
    erased(tmp_path / "none")
    assert look(Path("none"), JUST_ANN) == []
