"""Examples that somebody has come in from files of several shapes, once; what does not fit is kept aside."""

import gzip
import json
from pathlib import Path

import pytest

from headrace_consumers.versions.sources.pool import read_pool

OLDER_TOOL = Path(__file__).parents[2] / "data" / "older_tool"
"""Files in its shapes, with content of ours."""

TARGETS = "tests.unit.versions.sources.targets"
OLD_TOOL = [
    {
        "inputs": {"ticket": f"My invoice {n} is wrong"},
        "outputs": {"queue": "billing"},
        "metadata": {"source": "real_session", "difficulty": "hard", "category": "invoices", "notes": "of 2025"},
    }
    for n in range(3)
]


@pytest.fixture
def file(tmp_path):
    def write(name, content):
        path = tmp_path / name
        text = content if isinstance(content, str | bytes) else json.dumps(content)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write


@pytest.fixture
def bring(command):
    def run(*arguments, signature=f"{TARGETS}:Route"):
        return command("dataset", "import-examples", *arguments, "--signature", signature)

    return run


@pytest.fixture
def pool(tmp_path):
    return lambda name="Route": read_pool(tmp_path / "training_data" / name / "sources" / "import.jsonl").lines


def test_the_older_tools_file_keeps_category_difficulty_and_where_it_came_from(bring, file, pool):
    ended = bring(file("old.json", OLD_TOOL), "--json")
    assert (ended.code, ended.err) == (0, "")
    assert (ended.json["read"], ended.json["added"], ended.json["known"]) == (3, 3, 0)
    second = pool()[1]
    assert (second["inputs"], second["outputs"]) == ({"ticket": "My invoice 1 is wrong"}, {"queue": "billing"})
    assert (second["category"], second["difficulty"]) == ("invoices", "hard")
    assert second["metadata"] == {
        "file": "old.json",
        "entry": 2,
        "imported_source": "real_session",
        "imported_notes": "of 2025",
    }


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("extract_requirements", ("outputs", "priorities"), [9, 6]),
        ("validate_completeness", ("outputs", "is_complete"), False),
        ("validate_correctness", ("outputs", "issues"), ["Divides by zero where there is no mark"]),
        ("discover_skills", ("inputs", "max_skills"), "2"),
    ],
)
def test_files_of_the_older_tool_come_in_whole_with_values_as_they_are(bring, pool, name, field, value):
    path = OLDER_TOOL / f"{name}.json"
    ended = bring(path, "--json", signature=name)
    assert (ended.code, ended.err) == (0, "")
    given = json.loads(path.read_text())
    assert (ended.json["added"], ended.json["bad_entries"]) == (len(given), {})
    side, member = field
    lines = pool(name)
    assert lines[0][side][member] == value
    assert [(line["inputs"], line["outputs"]) for line in lines] == [
        (each["inputs"], each["outputs"]) for each in given
    ]
    told = [(each["metadata"]["category"], each["metadata"]["difficulty"]) for each in given]
    assert [(line["category"], line["difficulty"]) for line in lines] == told


def test_what_came_of_the_older_tool_is_typed_by_a_class_of_its_fields(bring, pool):
    ended = bring(OLDER_TOOL / "validate_completeness.json", signature=f"{TARGETS}:ValidateCompleteness")
    assert ended.code == 0
    assert [line["outputs"]["is_complete"] for line in pool("ValidateCompleteness")] == [False, True]
    ended = bring(OLDER_TOOL / "discover_skills.json", "--json", signature=f"{TARGETS}:ValidateCompleteness")
    assert ended.json["added"] == 0


def test_importing_twice_adds_nothing(bring, file, pool):
    path = file("old.json", OLD_TOOL)
    bring(path)
    ended = bring(path)
    assert ended.code == 0
    assert "there already  3" in ended.out
    assert len(pool()) == 3


def test_examples_can_be_brought_where_a_cut_of_another_folder_takes_them(bring, command, file, pool, tmp_path):
    path = file("a.jsonl", '{"ticket": "a", "queue": "bug"}\n')
    root = ("--root", tmp_path / "elsewhere")
    assert bring(path, *root, "--json").json["path"] == str(tmp_path / "elsewhere/Route/sources/import.jsonl")
    assert pool() == []
    cut = command("dataset", "cut", "--signature", "Route", *root, "--json")
    assert (cut.code, cut.json["examples"]) == (0, 1)


def test_fields_and_types_come_from_the_file_where_there_is_no_class(bring, file, pool):
    odd = [*OLD_TOOL, {"inputs": {"ticket": 7}, "outputs": {"queue": "x", "note": None}}, {"inputs": {}, "outputs": {}}]
    ended = bring(file("old.json", odd), "--json", signature="triage.route")
    assert ended.json["added"] == 4
    assert ended.json["bad_entries"] == {"missing_field": 1}
    assert len(pool("triage.route")) == 4


def test_json_lines_with_fields_side_by_side(bring, file, pool):
    lines = '{"ticket": "a", "queue": "bug", "category": "ui", "extra": 1}\n\n{"ticket": "b", "queue": "bug"}\n'
    assert bring(file("x.jsonl", lines)).code == 0
    assert [(each["inputs"]["ticket"], each["category"]) for each in pool()] == [("a", "ui"), ("b", None)]


def test_csv_with_a_mapping_and_typed_cells(bring, file, pool):
    rows = (
        "\ufeffbody;what to look at;result;prio;topic;level\n"
        '"first; with\na line";"[""speed""]";"[{""line"": 3, ""text"": ""slow""}]";high;perf;easy\n'
        "third;[];[];low;;\n"
    )
    mapping = ("input.change=body", "input.focus=what to look at", "output.findings=result", "output.urgency=prio")
    options = [part for each in (*mapping, "category=topic", "difficulty=level") for part in ("--map", each)]
    ended = bring(file("x.csv", rows), *options, signature=f"{TARGETS}:ReviewChange")
    assert ended.code == 0
    first, second = pool("ReviewChange")
    assert first["inputs"] == {"change": "first; with\na line", "focus": ["speed"]}
    assert first["outputs"] == {"findings": [{"line": 3, "text": "slow"}], "urgency": "high"}
    assert (first["category"], first["difficulty"]) == ("perf", "easy")
    assert (second["category"], second["difficulty"], second["metadata"]["entry"]) == (None, None, 4)


def test_a_field_that_is_mapped_comes_from_nowhere_else_and_what_no_entry_has_is_told(bring, file, pool):
    content = "ticket,body,queue\n17,It crashes,bug\n18,It is slow,bug\n"
    options = ("--map", "input.ticket=text", "--map", "output.queue=queue", "--map", "category=kind")
    ended = bring(file("tickets.csv", content), *options)
    assert ended.code == 1
    shown = " ".join(ended.out.split())
    assert "added 0" in shown
    assert "mapped to nothing no entry has it: --map category=kind" in shown
    assert "mapped to nothing no entry has it: --map input.ticket=text" in shown
    assert "queue=queue" not in shown
    assert pool() == []
    lines = '{"body": "It crashes", "ticket": 17, "queue": "bug"}\n{"ticket": 18, "queue": "bug"}\n'
    told = bring(file("tickets.jsonl", lines), "--map", "input.ticket=body", "--json").json
    assert (told["added"], told["bad_entries"], told["mapped_to_nothing"]) == (1, {"missing_field": 1}, [])
    assert [line["inputs"] for line in pool()] == [{"ticket": "It crashes"}]


def test_nested_members_are_mapped_by_a_path(bring, file, pool):
    entry = {"message": {"text": "It crashes"}, "label": {"queue": "bug"}}
    bring(file("x.json", [entry]), "--map", "input.ticket=message.text", "--map", "output.queue=label.queue")
    assert pool()[0]["inputs"] == {"ticket": "It crashes"}


def test_bad_entries_go_to_a_side_file_with_number_and_reason(bring, file, pool, tmp_path):
    good = {"ticket": "a", "queue": "bug"}
    bad = [{"ticket": "b", "queue": "sales"}, {"ticket": "c"}, {**good, "difficulty": "brutal"}, {**good, "ticket": 3}]
    lines = "\n".join([json.dumps(good), "{broken", "[1]", *map(json.dumps, bad)])
    ended = bring(file("x.jsonl", lines))
    assert ended.code == 0
    assert "bad entries" in ended.out
    assert "wrong_type 2" in ended.out
    kept = [json.loads(line) for line in (tmp_path / "import-examples.bad-entries.jsonl").read_text().splitlines()]
    assert [(each["line"], each["reason"]) for each in kept] == [
        (2, "unreadable"),
        (3, "unreadable"),
        (4, "wrong_type"),
        (5, "missing_field"),
        (6, "bad_difficulty"),
        (7, "wrong_type"),
    ]
    assert kept[2]["detail"] == "output queue: literal_error"
    assert json.loads(kept[2]["text"]) == bad[0]
    assert len(pool()) == 1


def test_a_row_with_too_many_cells_is_a_bad_entry(bring, file):
    ended = bring(file("x.csv", "ticket,queue\na,bug\nb,bug,more\n"), "--json")
    assert (ended.json["added"], ended.json["bad_entries"]) == (1, {"unreadable": 1})


def test_nothing_but_bad_entries_is_a_failure(bring, file):
    assert bring(file("x.jsonl", '{"a": 1}\n')).code == 1


def test_personal_data_and_secrets_are_hidden(bring, file, pool):
    entry = {"ticket": "I am ann@example.com, password: hunter2!x", "queue": "bug", "category": "of bob@example.org"}
    ended = bring(file("x.json", [entry]), "--json")
    assert ended.json["redactions"] == {"email": 2, "secret": 1}
    assert pool()[0]["inputs"]["ticket"] == "I am [EMAIL], password: [SECRET]"
    assert pool()[0]["category"] == "of [EMAIL]"


@pytest.mark.parametrize("name", ["x.jsonl.gz", "x.data", "x"])
def test_formats_are_told_by_name_or_content_and_gzip_by_content(bring, file, pool, name):
    content = b'{"ticket": "a", "queue": "bug"}\n{"ticket": "b", "queue": "bug"}\n'
    bring(file(name, gzip.compress(content) if name != "x.data" else content))
    assert len(pool()) == 2


@pytest.mark.parametrize(
    ("content", "form"),
    [
        ('[\n{"ticket": "a", "queue": "bug"}\n]', "json"),
        ('{"examples": [{"ticket": "a", "queue": "bug"}]}', "json"),
        ('{\n"ticket": "a",\n"queue": "bug"}', "json"),
        ("ticket\tqueue\na\tbug\n", "csv"),
    ],
)
def test_a_format_can_be_said(bring, file, pool, content, form):
    bring(file("x", content), "--format", form)
    assert len(pool()) == 1


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("x.json", "{broken", "no JSON"),
        ("x.json", "7", "expected a list of examples, found int"),
        ("x.csv", "a,a\n1,2\n", "expected a first line with the columns' names"),
        ("x.csv", b"ticket,queue\n\xff\xfe,bug\n", "x.csv: is no UTF-8 text; save it as that (iconv"),
        ("x.jsonl", gzip.compress(b'{"ticket": "a", "queue": "bug"}\n', mtime=0)[:-9], "gzip data are damaged"),
    ],
)
def test_a_file_that_is_none_is_one_line(bring, file, name, content, line):
    ended = bring(file(name, content))
    assert ended.code == 1
    assert line in ended.error


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--map", "ticket=body"], "expected input.FIELD=MEMBER"),
        (["--map", "input.ticket=a", "--map", "input.ticket=b"], "given twice"),
        (["--map", "input.tikcet=body"], "Route has no such input; it has ticket"),
        (["missing.json"], "missing.json: cannot read it"),
        (["--bad-entries", "x.json"], "is one of the files to read"),
    ],
)
def test_mistakes_in_the_options_are_told_before_anything_is_done(bring, file, tmp_path, options, line):
    ended = bring(file("x.json", OLD_TOOL), *options)
    assert ended.code == 2
    assert line in ended.error
    assert not (tmp_path / "training_data").exists()


def test_no_class_and_no_roles_is_one_line(bring, file):
    ended = bring(file("x.json", [{"question": "a", "answer": "b"}]), signature="Answer")
    assert ended.code == 2
    assert "give --signature-class" in ended.error
    mapped = bring("x.json", "--map", "input.question=question", "--map", "output.answer=answer", signature="Answer")
    assert mapped.code == 0


def test_what_came_before_the_damage_of_a_file_is_kept(bring, file, pool):
    rows = "ticket,queue\n" + "".join(f"{n},bug\n" for n in range(5)) + '"broken" x,bug\n'
    ended = bring(file("x.csv", rows))
    assert ended.code == 1
    assert "line 7: no CSV" in ended.error
    assert len(pool()) == 5


def test_ten_thousand_entries_are_imported_in_batches(bring, file):
    lines = "".join(json.dumps({"ticket": f"ticket {n}", "queue": "bug"}) + "\n" for n in range(10_000))
    assert bring(file("x.jsonl", lines), "--json").json["added"] == 10_000
    assert bring("x.jsonl", "--json").json["known"] == 10_000
