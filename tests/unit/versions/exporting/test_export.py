"""A version in the formats of others: what they read is what it holds, whole or not at all."""

import csv
import json

import dspy
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.datasets.place import located
from headrace_consumers.versions.errors import VersionsError
from headrace_consumers.versions.exporting.chat import adapter_messages
from headrace_consumers.versions.exporting.columns import Columns, flat
from headrace_consumers.versions.exporting.export import export
from tests.support.version_folders import example_line, write_version


@pytest.fixture
def version(tmp_path):
    lines = [
        example_line({"q": f"question {n}, “quoted”\n", "n": n}, {"a": ["x", n], "q": "same", "ok": n == 1}, weight=2.5)
        for n in range(3)
    ]
    write_version(tmp_path / "root", {"train": lines[:2], "val": lines[2:]})
    return located(tmp_path / "root", "S", 1)


def test_json_lines_hold_the_fields_and_what_is_known(version, tmp_path):
    counts = export(version, tmp_path / "out", "jsonl")
    assert counts == {"train.jsonl": 2, "val.jsonl": 1, "test.jsonl": 0}
    (row,) = map(json.loads, (tmp_path / "out" / "val.jsonl").read_text().splitlines())
    assert (row["q"], row["q_output"], row["a"], row["headrace_weight"]) == (
        "question 2, “quoted”\n",
        "same",
        ["x", 2],
        2.5,
    )
    assert row["headrace_label"] == "unverified"


def test_csv_is_a_table_whose_cells_are_texts_or_json(version, tmp_path):
    export(version, tmp_path / "out", "csv")
    with (tmp_path / "out" / "train.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["q"] for row in rows} == {"question 0, “quoted”\n", "question 1, “quoted”\n"}
    assert sorted(json.loads(row["a"])[1] for row in rows) == [0, 1]
    assert {row["ok"] for row in rows} == {"true", "false"}
    with (tmp_path / "out" / "test.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [list(rows[0])]


def test_hugging_face_finds_typed_columns_and_the_splits_that_have_rows(version, tmp_path):
    counts = export(version, tmp_path / "out", "hf")
    assert counts == {"data/train.parquet": 2, "data/validation.parquet": 1, "data/test.parquet": 0}
    table = pq.read_table(tmp_path / "out" / "data" / "train.parquet")
    types = {field.name: str(field.type) for field in table.schema}
    assert {name: types[name] for name in ("q", "n", "ok", "a", "headrace_weight")} == {
        "q": "string", "n": "int64", "ok": "bool", "a": "string", "headrace_weight": "double",
    }  # fmt: skip
    card = (tmp_path / "out" / "README.md").read_text()
    assert card.startswith("---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n")
    assert "split: validation" in card
    assert "split: test" not in card
    assert "Columns that hold JSON texts: a." in card


def test_conversations_without_a_class_are_plain_json(version, tmp_path):
    export(version, tmp_path / "out", "openai-chat")
    (line,) = (tmp_path / "out" / "val.jsonl").read_text().splitlines()
    messages = json.loads(line)["messages"]
    assert [message["role"] for message in messages] == ["system", "user", "assistant"]
    assert json.loads(messages[1]["content"])["n"] == 2
    assert json.loads(messages[2]["content"])["ok"] is False


class Ask(dspy.Signature):
    """Say it."""

    q: str = dspy.InputField()
    n: int = dspy.InputField()
    ok: bool = dspy.OutputField()


def test_conversations_of_a_class_are_what_its_adapter_sends_and_reads(version, tmp_path):
    export(version, tmp_path / "out", "openai-chat", adapter_messages(Ask))
    (line,) = (tmp_path / "out" / "val.jsonl").read_text().splitlines()
    messages = json.loads(line)["messages"]
    assert messages[:-1] == dspy.ChatAdapter().format(Ask, [], {"q": "question 2, “quoted”\n", "n": 2})
    assert dspy.ChatAdapter().parse(Ask, messages[-1]["content"]) == {"ok": False}


def test_an_example_that_does_not_fit_the_class_exports_nothing(version, tmp_path):
    class Other(dspy.Signature):
        q: int = dspy.InputField()
        ok: bool = dspy.OutputField()

    with pytest.raises(VersionsError, match="an example does not fit Other: input q"):
        export(version, tmp_path / "out", "openai-chat", adapter_messages(Other))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["root"]


def test_a_folder_that_is_there_is_left_alone(version, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(VersionsError, match="is there already"):
        export(version, tmp_path / "out", "csv")
    (version.path / "val.parquet").write_bytes(b"")
    with pytest.raises(VersionsError, match="somebody changed it"):
        export(version, tmp_path / "new", "csv")


JSON = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.lists(st.integers())


@settings(deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from("abc"), JSON, min_size=1), min_size=1, max_size=5))
def test_any_values_are_a_table(rows):
    columns = Columns()
    for row in rows:
        columns.note(row)
    table = columns.table(rows, columns.schema())
    for row, read in zip(rows, table.to_pylist(), strict=True):
        for name in columns.names:
            value = row.get(name)
            if value is None:
                assert read[name] is None
            elif name in columns.as_json:
                assert json.loads(read[name]) == value
            else:
                assert read[name] == value


def test_outputs_with_an_inputs_name_are_told_apart():
    row = example_line({"a": 1}, {"a": 2, "b": 3})
    assert [flat(row)[name] for name in ("a", "a_output", "b")] == [1, 2, 3]
