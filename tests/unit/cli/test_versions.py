"""`headrace versions`: what its user sees, and one clear line for whatever is wrong."""

import json

import pytest

from tests.support.version_folders import example_line, write_version


@pytest.fixture
def root(tmp_path):
    """Three versions in the folder that the commands look at by default."""
    place = tmp_path / "training_data"
    for number in (1, 2, 3):
        lines = [example_line({"q": n}, {"a": n}, label="corrected" if n else "unverified") for n in range(number + 1)]
        write_version(place, {"train": lines[1:], "test": lines[:1]}, number=number, signature="my.triage")
    return place


@pytest.mark.usefixtures("root")
def test_ls_shows_sizes_labels_verdicts_and_the_latest(command):
    lines = command("versions", "ls").out.splitlines()
    assert lines[0] == "my.triage"
    assert lines[1].split() == ["train", "val", "test", "labels", "size", "cut"]
    assert lines[4].split("  ")[1] == "v3 latest"
    assert "corrected 3, unverified 1  gates passed" in lines[4]
    assert "2026-11-27T00:00:00Z" in lines[2]
    (told,) = command("versions", "ls", "-s", "my.triage", "--json").json
    assert (told["latest"], [each["examples"] for each in told["versions"]]) == ("v3", [2, 3, 4])


def test_ls_tells_a_failed_gate_damage_and_a_dangling_latest(command, root):
    folder = root / "my.triage"
    manifest = json.loads((folder / "v1" / "manifest.json").read_text())
    manifest["gates"][0]["is_passed"] = False
    (folder / "v1" / "manifest.json").write_text(json.dumps(manifest))
    (folder / "v2" / "manifest.json").unlink()
    (folder / "latest").write_text("v7\n")
    said = command("versions", "ls").out
    assert "failed: minimum-size" in said
    assert "DAMAGED: " in said
    assert "latest names v7, which is not there: headrace versions rollback -s my.triage repairs it" in said
    repaired = command("versions", "rollback", "-s", "my.triage").out
    assert repaired == "my.triage: v3 is the latest; it was v7, which is not there\n"


def test_a_version_of_another_environment_says_so_and_is_not_gone_back_to(command, root):
    lines = [example_line({"q": 1}, {"a": 1})]
    for number, environment in ((4, "staging"), (5, "production")):
        write_version(root, {"train": lines}, number=number, signature="my.triage", environment=environment)
    rows = command("versions", "ls").out.splitlines()
    assert "of staging; gates passed" in rows[5]
    assert all("of production" not in line for line in rows)
    (told,) = command("versions", "ls", "--json").json
    assert [each["environment"] for each in told["versions"]] == [*["production"] * 3, "staging", "production"]
    assert " of staging," in command("versions", "show", "-s", "my.triage", "v4").out
    assert command("versions", "rollback", "-s", "my.triage").out == "my.triage: v3 is the latest; it was v5\n"


def test_an_empty_shelf_says_what_makes_a_version(command, tmp_path):
    assert "no versions here yet; headrace dataset cut" in command("versions", "ls").out
    failed = command("versions", "show", "-s", "S", "--root", tmp_path)
    assert failed.code == 1
    assert "no versions of S here" in failed.error


def test_show_is_the_card_and_checks_every_file(command, root):
    said = command("versions", "show", "-s", "my.triage", "2")
    assert said.code == 0
    assert said.out.startswith("# my.triage, v2\n")
    assert "every file is the one that the manifest names" in said.out
    (root / "my.triage" / "v2" / "test.parquet").write_bytes(b"")
    wrong = command("versions", "show", "-s", "my.triage", "v2")
    assert wrong.code == 1
    assert "WRONG: test.parquet: is not the file" in wrong.out
    assert command("versions", "show", "-s", "my.triage", "--json").json["metadata"]["examples"] == 4


@pytest.mark.usefixtures("root")
def test_diff_counts_and_names_examples(command):
    said = command("versions", "diff", "-s", "my.triage", "1", "v3", "--examples", "1")
    assert said.out.splitlines()[:2] == ["my.triage: v1 -> v3: 2 -> 4 examples", "added 2, removed 0, changed 0"]
    assert said.out.splitlines()[-1].startswith("added: ")
    told = command("versions", "diff", "-s", "my.triage", "v1", "latest", "--json").json
    assert told["versions"][0] == "v1"
    assert (told["added"], told["properties"]["label"]["drift"]["has_drifted"]) == (2, False)


def test_rollback_and_delete(command, root):
    assert command("versions", "delete", "-s", "my.triage", "v3", "--why", "x").error.endswith(
        "make another one the latest first: headrace versions rollback --signature my.triage"
    )
    assert command("versions", "rollback", "-s", "my.triage").out == "my.triage: v2 is the latest; it was v3\n"
    said = command("versions", "delete", "-s", "my.triage", "v3", "--why", "worse", "--who", "ada")
    assert said.out == "my.triage: v3 is deleted, 4 examples; its number is not used again\n"
    told = json.loads((root / "my.triage" / "deleted" / "v3.json").read_text())
    assert (told["who"], told["why"]) == ("ada", "worse")


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["delete", "-s", "my.triage", "v1", "--why", " "], "--why: is empty"),
        (["delete", "-s", "my.triage", "v1", "--why", "x", "--who", ""], "--who: is empty"),
        (["delete", "-s", "my.triage", "newest", "--why", "x"], "newest: no version; expected one like v3 or 3"),
        (["delete", "-s", "my.triage", "v1"], "Missing option '--why'"),
        (["rollback", "-s", "my.triage", "v0"], "v0: no version"),
    ],
)
def test_bad_arguments_are_one_line(command, arguments, told):
    failed = command("versions", *arguments)
    assert failed.code == 2
    assert told in failed.error


@pytest.mark.usefixtures("root")
def test_a_near_name_is_offered(command):
    assert "did you mean my.triage?" in command("versions", "diff", "-s", "my.triag", "1", "2").error
    assert "did you mean my.triage?" in command("versions", "rollback", "-s", "my.triag").error


@pytest.mark.usefixtures("root")
def test_export_writes_a_folder(command, tmp_path):
    said = command("versions", "export", "-s", "my.triage", "v2", "--format", "hf", "--to", "out")
    assert said.out.splitlines()[0] == "out/data/train.parquet: 2 examples"
    assert (tmp_path / "out" / "README.md").read_text().startswith("---\nconfigs:")
    told = command("versions", "export", "-s", "my.triage", "--format", "openai-chat", "--to", "chat", "--json").json
    assert told["examples"] == {"train.jsonl": 3, "val.jsonl": 0, "test.jsonl": 1}


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--format", "csv", "--to", "training_data"], "training_data: is there already"),
        (["--format", "xml", "--to", "o"], "'xml' is not one of"),
        (["--format", "csv", "--to", "o", "--signature-class", "a:B"], "only openai-chat has a use for it"),
        (
            ["--format", "openai-chat", "--to", "o", "--signature-class", "json:dumps"],
            "expected a dspy.Signature class",
        ),
        (["--format", "openai-chat", "--to", "o", "--signature-class", "none:X"], "cannot be imported"),
    ],
)
def test_an_export_that_cannot_be_is_one_line(command, tmp_path, arguments, told):
    ended = command("versions", "export", "-s", "my.triage", *arguments)
    assert ended.code in (1, 2)
    assert told in ended.error
    assert not (tmp_path / "o").exists()
