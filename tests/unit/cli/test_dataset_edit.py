"""`headrace dataset add|relabel|exclude|restore|card`: who, when and why is kept, and the next cut goes by it."""

import io
import json
import sys

import pytest

from headrace_consumers.versions.files import appended
from headrace_consumers.versions.hand import edits
from headrace_consumers.versions.sources.pool import read_pool
from tests.support.version_folders import example_line, write_version

S = ("-s", "S")
WHY = ("--why", "it was wrong", "--who", "ada")


@pytest.fixture
def folder(tmp_path):
    lines = [example_line({"q": n}, {"a": n, "b": "x"}) for n in range(3)]
    return write_version(tmp_path / "training_data", {"train": lines}).parent


def id_of(number):
    return example_line({"q": number}, {})["example_id"]


def pool(folder):
    return read_pool(folder / "sources" / "hand.jsonl").lines


def test_an_example_is_added_with_who_and_why(command, folder, tmp_path):
    (tmp_path / "new.json").write_text(json.dumps({"inputs": {"q": 9}, "outputs": {"a": 1, "b": ""}, "category": "c"}))
    said = command("dataset", "add", "new.json", *S, *WHY)
    assert said.out == "S: 1 examples added by ada; the next cut takes them\n"
    (line,) = pool(folder)
    assert (line["inputs"], line["category"], line["difficulty"]) == ({"q": 9}, "c", None)
    assert line["metadata"] == {"who": "ada", "why": "it was wrong", "when_ms": line["timestamp_ms"]}
    again = command("dataset", "add", "new.json", *S, *WHY, "--json").json
    assert (again["added"], again["known"]) == (0, 1)


@pytest.mark.parametrize("form", ["array", "lines"])
def test_several_are_added_from_stdin(command, folder, monkeypatch, form):
    values = [{"inputs": {"q": n}, "outputs": {"a": 1, "b": ""}} for n in (7, 8)]
    text = json.dumps(values) if form == "array" else "\n".join(map(json.dumps, values))
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    assert command("dataset", "add", "-", *S, *WHY).code == 0
    assert [line["inputs"]["q"] for line in pool(folder)] == [7, 8]


def routed(number, queue):
    return example_line({"ticket": number}, {"queue": queue, "text": f"answer {number}"})


@pytest.fixture
def queues(tmp_path):
    lines = [routed(n, ("billing", "bug")[n % 2]) for n in range(40)]
    return write_version(tmp_path / "training_data", {"train": lines}).parent


def test_where_a_field_has_few_values_another_one_has_to_be_meant(command, queues):
    relabel = ("dataset", "relabel", routed(1, "")["example_id"], *S, *WHY)
    ended = command(*relabel, "--outputs", '{"queue": "biling"}')
    assert ended.code == 2
    said = "output queue: 'biling' is none of the values that 40 examples of v1 have there: 'billing', 'bug'"
    assert ended.error == f"{routed(1, '')['example_id']}: {said} (--any-kind takes it all the same)"
    assert not edits.edits_path(queues).exists()
    for outputs in ('{"queue": "billing"}', '{"text": "any words"}', '{"queue": null}'):
        assert command(*relabel, "--outputs", outputs).code == 0
    assert command(*relabel, "--outputs", '{"queue": "sales"}', "--any-kind").code == 0


def test_an_example_that_is_added_is_looked_at_likewise(command, queues, tmp_path, config_file):
    def add(queue, *options):
        value = {"inputs": {"ticket": queue}, "outputs": {"queue": queue, "text": "any words"}}
        (tmp_path / "new.json").write_text(json.dumps(value))
        return command("dataset", "add", "new.json", *S, *WHY, *options)

    assert add("biling").error.startswith(
        "example 1: output queue: 'biling' is none of the values that 40 examples of v1"
    )
    assert pool(queues) == []
    assert (add("bug").code, add("sales", "--any-kind").code) == (0, 0)
    gates = {"signatures": {"S": {"signature_class": "tests.unit.versions.sources.targets:Route"}}}
    config = config_file({"versions": {"gates": gates, "path": "training_data"}})
    assert "example 1: output queue: Input should be 'billing' or 'bug'" in add("other", "--config", config).error
    assert add("billing", "--config", config).code == 0
    assert [line["outputs"]["queue"] for line in pool(queues)] == ["bug", "sales", "billing"]


def test_of_few_examples_nothing_is_concluded_and_a_free_text_may_be_any(command, tmp_path):
    write_version(tmp_path / "training_data", {"train": [routed(n, "bug") for n in range(19)]})
    relabel = ("dataset", "relabel", routed(1, "")["example_id"], *S, *WHY)
    assert command(*relabel, "--outputs", '{"queue": "sales", "text": "x"}').code == 0


@pytest.mark.usefixtures("queues")
def test_with_the_signatures_class_relabelled_outputs_must_be_of_its_types(command, config_file):
    path = "tests.unit.versions.sources.targets:Route"
    gates = {"signatures": {"S": {"signature_class": path}}}
    config = config_file({"versions": {"gates": gates, "path": "training_data"}})
    relabel = ("dataset", "relabel", routed(1, "")["example_id"], *S, *WHY, "--config", config)
    ended = command(*relabel, "--outputs", '{"queue": "sales"}')
    assert (ended.code, f"by {path} (--any-kind takes it all the same)" in ended.error) == (2, True)
    assert "output queue: Input should be 'billing' or 'bug'" in ended.error
    assert command(*relabel, "--outputs", '{"queue": "billing"}').code == 0


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ([], "0 examples added"),
        ("{", "line 1: no JSON"),
        ({"inputs": {}}, 'example 1: expected an object like {"inputs"'),
        ([{"inputs": {"q": 1}, "outputs": {"a": 1}}], "its outputs are a; those of v1 are a, b"),
        ({"inputs": {"q": 1}, "outputs": {"a": 1, "b": 2}, "label": "x"}, "has label; expected inputs"),
        ({"inputs": {"q": 1}, "outputs": {"a": 1, "b": 2}, "category": 5}, "category is no text"),
        ({"inputs": {"q": 1}, "outputs": {"a": 1, "b": 2}, "difficulty": "very"}, "difficulty is none of easy"),
    ],
)
def test_what_is_no_example_adds_nothing(command, folder, tmp_path, value, told):
    (tmp_path / "new.json").write_text(value if isinstance(value, str) else json.dumps(value))
    ended = command("dataset", "add", "new.json", *S, *WHY)
    assert told in (ended.out if ended.code == 0 else ended.error)
    assert pool(folder) == []


def test_the_first_examples_of_a_signature_may_have_any_fields(command, tmp_path):
    (tmp_path / "new.json").write_text(json.dumps({"inputs": {"z": 1}, "outputs": {}}))
    assert command("dataset", "add", "new.json", "-s", "New", *WHY).code == 0
    assert (
        command("dataset", "add", "none.json", *S, *WHY).error
        == "none.json: cannot be read (No such file or directory)"
    )


def test_relabelling_keeps_the_outputs_that_are_not_named(command, folder):
    said = command("dataset", "relabel", id_of(1)[:8], *S, "--outputs", '{"a": 5}', *WHY)
    assert said.out == f"S: {id_of(1)} is relabelled by ada from the next cut of production on\n"
    (edit,) = edits.read(folder).by_key.values()
    assert (edit.outputs, edit.quality, edit.history[0]["who"]) == ({"a": 5, "b": "x"}, None, "ada")
    command("dataset", "relabel", id_of(1), *S, "--quality", "0.25", *WHY)
    assert edits.read(folder).by_key[example_line({"q": 1}, {})["key"]].quality == 0.25


def test_relabelling_with_another_kind_of_value_has_to_be_meant(command, folder):
    text = ("dataset", "relabel", id_of(1)[:8], *S, "--outputs", '{"a": "five"}', *WHY)
    ended = command(*text)
    assert ended.code == 2
    assert ended.error == f"{id_of(1)}: output a is a number, and not a text (--any-kind takes it all the same)"
    assert edits.read(folder).by_key == {}
    assert command("dataset", "relabel", id_of(1)[:8], *S, "--outputs", '{"a": null}', *WHY).code == 0
    assert command(*text, "--any-kind").code == 0
    (edit,) = edits.read(folder).by_key.values()
    assert edit.outputs == {"a": "five", "b": "x"}


def test_excluding_and_restoring(command, folder):
    assert command("dataset", "exclude", id_of(0), id_of(2), *S, *WHY, "--json").json == {
        "exclude": [id_of(0), id_of(2)],
        "environment": "production",
    }
    restored = command("dataset", "restore", id_of(2), *S, *WHY).out
    assert restored == f"S: {id_of(2)} is as its source has it from the next cut of production on\n"
    assert [key[:32] for key in edits.read(folder).by_key] == [id_of(0)]


@pytest.fixture
def staging(folder):
    """v2, the newest: of staging, with another answer to a question of production, and a question of its own."""
    lines = [example_line({"q": n}, {"a": "of staging", "b": "x"}) for n in (1, 7)]
    return write_version(folder.parent, {"train": lines}, number=2, environment="staging", latest=False).parent


def environments(folder):
    return [line.get("environment") for _, line in appended.read(edits.edits_path(folder)).lines]


def test_without_more_the_example_of_production_is_meant_though_a_newer_version_of_staging_has_one(command, staging):
    relabel = ("dataset", "relabel", id_of(1), *S, *WHY, "--outputs", '{"b": "y"}', "--json")
    told = command(*relabel).json
    assert (told["environment"], told["was"]) == ("production", {"a": 1, "b": "x"})
    (edit,) = edits.read(staging).by_key.values()
    assert edit.outputs == {"a": 1, "b": "y"}
    assert edits.read(staging, environment="staging").by_key == {}


@pytest.mark.parametrize("where", [("--environment", "staging"), ("--version", "v2"), ("--version", "2")])
@pytest.mark.parametrize("kind", ["relabel", "exclude", "restore"])
def test_an_edit_is_of_the_environment_that_is_named_or_whose_version_is(command, staging, where, kind):
    quality = ("--quality", "0.2") if kind == "relabel" else ()
    ended = command("dataset", kind, id_of(1), *S, *WHY, *quality, *where)
    assert ended.out.endswith(" from the next cut of staging on\n")
    assert environments(staging) == ["staging"]
    assert edits.read(staging).by_key == {}


def test_what_only_another_environment_has_is_refused_with_the_option_that_finds_it(command, staging):
    exclude = ("dataset", "exclude", *S, *WHY)
    ended = command(*exclude, id_of(1), id_of(7))
    assert ended.code == 2
    assert ended.error == (
        f"{id_of(7)}: no version of production has it; it is in v2 of staging: --environment staging"
    )
    ended = command(*exclude, id_of(0), "--environment", "staging")
    assert ended.error == (
        f"{id_of(0)}: no version of staging has it; it is in v1 of production: --environment production"
    )
    ended = command(*exclude, id_of(1), "--version", "v2", "--environment", "production")
    assert ended.error == "training_data/S/v2: was cut of the calls of staging, not of production"
    assert environments(staging) == []
    assert command(*exclude, id_of(7), "--version", "v2", "--environment", "staging").code == 0


def test_the_few_values_of_a_field_are_those_of_the_environment(command, queues):
    lines = [routed(n, ("sales", "legal")[n % 2]) for n in range(40)]
    write_version(queues.parent, {"train": lines}, number=2, environment="staging", latest=False)
    relabel = ("dataset", "relabel", routed(1, "")["example_id"], *S, *WHY, "--outputs", '{"queue": "billing"}')
    assert command(*relabel).code == 0
    assert "40 examples of v2 have there: 'legal', 'sales'" in command(*relabel, "--environment", "staging").error


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["relabel", "{id}"], "relabel: what is right? Give --outputs"),
        (["relabel", "{id}", "--outputs", "[1]"], "--outputs: no JSON object"),
        (["relabel", "{id}", "--outputs", '{{"c": 1}}'], "has no output c; it has a, b"),
        (["relabel", "{id}", "--quality", "2"], "Invalid value for '--quality'"),
        (["exclude", "abc"], "no example's id; expected 8 to 64 hex digits"),
        (["exclude", "00000000"], "00000000: no such example in"),
        (["exclude", "{id}", "00000000"], "00000000: no such example in"),
        (["exclude", "{id}", "--version", "v7"], "no such version"),
        (["restore", "{id}", "--who", " "], "--who: is empty"),
        (["restore", "{id}", "--why", ""], "--why: is empty"),
    ],
)
def test_what_cannot_be_meant_is_one_line_and_changes_nothing(command, folder, arguments, told):
    given = [each.format(id=id_of(0)) for each in arguments]
    ended = command("dataset", *given, *S, *([] if "--why" in given else ["--why", "w"]))
    assert ended.code in (1, 2)
    assert told in ended.error
    assert edits.read(folder).by_key == {}


def test_the_login_name_is_who_does_it(command, folder, monkeypatch):
    monkeypatch.setenv("LOGNAME", "grace")
    command("dataset", "exclude", id_of(0), *S, "--why", "w")
    (edit,) = edits.read(folder).by_key.values()
    assert edit.history[0]["who"] == "grace"


def test_the_card_is_written_or_printed(command, folder):
    assert command("dataset", "card", *S, "--print").out.startswith("# S, v1")
    assert not (folder / "v1" / "README.md").exists()
    assert command("dataset", "card", *S).out == "training_data/S/v1/README.md\n"
    assert (folder / "v1" / "README.md").read_text().startswith("# S, v1")
    assert command("versions", "show", *S).code == 0
