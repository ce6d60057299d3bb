"""`load_dataset`: which version, what comes back, and one clear line for whatever is wrong."""

import gc
import json
import pickle
from typing import Literal

import dspy
import pytest

import headrace
from headrace import DatasetError, UsageError, load_dataset
from headrace.datasets.fields import hashes_of
from tests.support.version_folders import example_line, write_version


class Triage(dspy.Signature):
    """Sort a ticket."""

    ticket: str = dspy.InputField()
    urgent: bool = dspy.OutputField()
    team: Literal["a", "b"] = dspy.OutputField()


HASH = hashes_of(Triage)[0]


def ticket(number, team="a", **changes):
    return example_line({"ticket": f"t {number}"}, {"urgent": True, "team": team}, **changes)


@pytest.fixture
def root(tmp_path):
    splits = {"train": [ticket(n) for n in range(4)], "val": [ticket(7, label="corrected")], "test": [ticket(9, "b")]}
    write_version(tmp_path, splits, signature="Triage", fields_hash=HASH)
    return tmp_path


def error_of(*args, **options):
    with pytest.raises(DatasetError) as raised:
        load_dataset(*args, **options)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_class_gives_typed_examples_with_its_inputs_set(root):
    loaded = load_dataset(Triage, root=root)
    assert len(loaded) == 4
    assert {example.ticket for example in loaded} == {"t 0", "t 1", "t 2", "t 3"}
    assert loaded[0].inputs().keys() == ["ticket"]
    assert loaded[0].labels().keys() == ["urgent", "team"]
    assert (loaded.signature, loaded.version, loaded.split, loaded.skipped, loaded.lossy) == (
        "Triage", "v1", "train", {}, {},
    )  # fmt: skip


def test_a_version_of_another_environment_is_loaded_only_where_it_is_asked_for(root):
    splits = {"train": [ticket(5)]}
    write_version(root, splits, number=2, signature="Triage", fields_hash=HASH, environment="staging")
    said = error_of(Triage, root=root)
    assert "v2: was cut of the calls of staging, not of production; environment='staging' loads it" in said
    assert len(load_dataset(Triage, root=root, environment="staging")) == 1
    assert "of production, not of staging" in error_of(Triage, 1, root=root, environment="staging")


def test_each_split_and_all_of_them(root):
    assert [len(load_dataset(Triage, root=root, split=split)) for split in ("train", "val", "test", "all")] == [
        4,
        1,
        1,
        6,
    ]


def test_versions_are_named_by_text_or_number_and_latest_follows_the_pointer(root):
    write_version(root, {"train": [ticket(1)]}, signature="Triage", fields_hash=HASH, number=2)
    assert load_dataset("Triage", root=root).version == "v2"
    assert [load_dataset("Triage", version, root=root).version for version in ("v1", 1, 2, "latest")] == [
        "v1", "v1", "v2", "v2",
    ]  # fmt: skip


def test_facts_are_found_by_the_examples_id_after_slicing_and_pickling(tmp_path):
    lines = [ticket(n, weight=float(n + 1), label="judged", quality=0.5) for n in range(3)]
    write_version(tmp_path, {"train": lines}, signature="Triage", fields_hash=HASH)
    loaded = pickle.loads(pickle.dumps(load_dataset("Triage", root=tmp_path)))
    by_ticket = {example.ticket: weight for example, weight in zip(loaded, loaded.weights, strict=True)}
    assert by_ticket == {"t 0": 1.0, "t 1": 2.0, "t 2": 3.0}
    chosen = loaded[1:][0]
    assert loaded.facts[chosen.dspy_uuid].weight == by_ticket[chosen.ticket]
    assert loaded.labels == {"judged": 3}
    assert "weight" not in chosen.toDict()
    assert "dspy_uuid" not in repr(chosen)


def test_the_class_behind_a_name_is_found_among_instrumented_modules(tmp_path):
    predictor = headrace.instrument(dspy.Predict(Triage), "sorting")
    thinking = headrace.instrument(dspy.ChainOfThought(Triage), "thinking")
    for name in ("Triage", "thinking.predict"):  # DSPy calls what ChainOfThought extends a StringSignature
        bad = {"train": [example_line({"ticket": 5}, {"urgent": True, "team": "a"})]}
        write_version(tmp_path, bad, signature=name, fields_hash=HASH)
        assert "input ticket: Input should be a valid string" in error_of(name, root=tmp_path)
    del predictor, thinking
    gc.collect()
    assert load_dataset("Triage", root=tmp_path)[0].ticket == 5


def test_reasoning_that_chain_of_thought_wrote_stays_and_may_be_missing(tmp_path):
    with_it = example_line({"ticket": "x"}, {"urgent": False, "team": "b", "reasoning": "because"})
    write_version(tmp_path, {"train": [with_it, ticket(1)]}, signature="Triage", fields_hash=HASH)
    for types in (Triage, dspy.ChainOfThought(Triage).predict.signature):
        loaded = load_dataset("Triage", root=tmp_path, types=types)
        assert sorted(example.get("reasoning", "-") for example in loaded) == ["-", "because"]


def test_an_inline_signature_is_named_by_the_dataset(root):
    inline = dspy.Signature("ticket -> urgent: bool, team")
    with pytest.raises(UsageError, match="types="):
        load_dataset(inline, root=root)
    assert len(load_dataset("Triage", types=inline, root=root, check_fields=False)) == 4


def test_a_class_with_other_fields_is_refused_with_both_shown(root):
    other = Triage.append("score", dspy.OutputField(), float)
    said = error_of("Triage", types=other, root=root)
    assert "ticket -> team, urgent" in said
    assert "ticket: str -> urgent: bool, team: Literal['a', 'b'], score: float" in said
    assert HASH in said
    assert hashes_of(other)[0] in said
    assert "output score: is missing" in error_of("Triage", types=other, root=root, check_fields=False)


def test_what_does_not_fit_is_one_error_that_names_version_example_and_field(tmp_path):
    bad = ticket(1, "secret value")
    write_version(tmp_path, {"train": [ticket(0), bad]}, signature="Triage", fields_hash=HASH)
    said = error_of(Triage, root=tmp_path)
    assert f"Triage/v1/train.jsonl: example {bad['example_id']}, output team: Input should be 'a' or 'b'" in said
    assert "secret" not in said
    loaded = load_dataset(Triage, root=tmp_path, on_invalid="skip")
    assert [example.ticket for example in loaded] == ["t 0"]
    assert loaded.skipped == {bad["example_id"]: "output team: Input should be 'a' or 'b'"}
    assert bad["example_id"] not in loaded.facts


@pytest.mark.parametrize("lost", ["<unencodable Socket>", "<cycle>", "<too deep>"])
def test_a_value_that_capture_had_no_form_for_is_invalid(tmp_path, lost):
    line = example_line({"ticket": lost}, {"urgent": True, "team": "a"})
    write_version(tmp_path, {"train": [line]}, signature="Triage", fields_hash=HASH)
    assert f"input ticket: holds {lost}" in error_of(Triage, root=tmp_path)


def test_a_null_for_a_field_that_a_call_left_out_is_invalid(tmp_path):
    line = example_line({"ticket": "t"}, {"urgent": None, "team": "a"})
    write_version(tmp_path, {"train": [line]}, signature="Triage", fields_hash=HASH)
    assert "output urgent: Input should be a valid boolean" in error_of(Triage, root=tmp_path)


def test_a_minimum_of_trusted_labels(tmp_path):
    labels = ["corrected", "judged", "given", "generated", "unverified"]
    lines = [ticket(n, label=label) for n, label in enumerate(labels)]
    write_version(tmp_path, {"train": lines}, signature="Triage", fields_hash=HASH)
    assert len(load_dataset(Triage, root=tmp_path, min_trusted_share=0.6)) == 5
    said = error_of(Triage, root=tmp_path, min_trusted_share=0.61)
    assert "60.0% of the examples are corrected, judged or given" in said
    assert "unverified 1" in said
    assert "headrace.feedback" in said
    assert len(load_dataset(Triage, root=tmp_path, labels=["corrected", "given"], min_trusted_share=1)) == 2
    assert load_dataset(Triage, root=tmp_path, labels=[]) == []
    assert "no examples" in error_of(Triage, root=tmp_path, labels=[], min_trusted_share=0.1)


def test_a_changed_file_is_refused(root):
    path = root / "Triage" / "v1" / "train.jsonl"
    path.write_bytes(path.read_bytes().replace(b"t 1", b"t x"))
    assert "somebody changed it" in error_of(Triage, root=root)
    assert len(load_dataset(Triage, root=root, split="val")) == 1


def test_what_is_not_there_is_told_with_what_is(root):
    (root / "Other").mkdir()
    assert "did you mean Triage?" in error_of("Triag", root=root)
    assert "there are Triage" in error_of("Zzz", root=root)
    assert "no versions of S here" in error_of("S", root=root / "nowhere")
    assert "no such version; there are v1" in error_of("Triage", 7, root=root)
    assert "expected latest, or one like v3" in error_of("Triage", "newest", root=root)
    assert "cannot name a folder" in error_of("x" * 300, root=root)


def test_a_latest_that_is_gone_or_points_nowhere_is_told_with_the_way_out(root):
    (root / "Triage" / "latest").write_text("v9\n")
    assert "names 'v9', which is not there; there are v1: headrace versions rollback" in error_of("Triage", root=root)
    (root / "Triage" / "latest").unlink()
    assert "no version is the latest" in error_of("Triage", root=root)


def test_a_deleted_version_is_told_as_deleted_even_while_its_folder_is_there(root):
    write_version(root, {"train": [ticket(1)]}, signature="Triage", fields_hash=HASH, number=2)
    (root / "Triage" / "deleted").mkdir()
    (root / "Triage" / "deleted" / "v1.json").write_text("{}")
    assert "was deleted" in error_of("Triage", 1, root=root)


@pytest.mark.parametrize(
    ("text", "told"),
    [("{", "no JSON"), ("[]", "no JSON object"), ('{"format": 2}', "format 2"), ('{"format": 1}', "without signature")],
)
def test_a_manifest_that_is_none_is_told(root, text, told):
    (root / "Triage" / "v1" / "manifest.json").write_text(text)
    assert told in error_of(Triage, root=root)


def test_a_file_that_is_missing_or_not_named_is_told(root):
    folder = root / "Triage" / "v1"
    (folder / "val.jsonl").unlink()
    assert "val.jsonl: cannot be read (No such file" in error_of(Triage, root=root, split="val")
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["files"]["test.jsonl"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert "names no test.jsonl" in error_of(Triage, root=root, split="test")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"split": "dev"}, "split: found 'dev'"),
        ({"labels": "corrected"}, "labels: found 'corrected'"),
        ({"labels": ["right"]}, "expected some of corrected"),
        ({"min_trusted_share": 50}, "a share from 0 to 1"),
        ({"min_trusted_share": float("nan")}, "a share from 0 to 1"),
        ({"on_invalid": "ignore"}, "expected raise or skip"),
        ({"types": "Triage"}, "types: found str"),
        ({"signature": 5}, "signature: found int"),
        ({"signature": ""}, "signature: found str"),
    ],
)
def test_arguments_that_cannot_be_used_are_refused(root, options, told):
    with pytest.raises(UsageError, match=told):
        load_dataset(**{"signature": "Triage", "root": root, **options})


def test_without_a_root_it_is_the_configurations(root, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert "training_data: no versions" in error_of("Triage")
    monkeypatch.setenv("HEADRACE_VERSIONS__PATH", str(root))
    assert load_dataset("Triage").version == "v1"


def test_a_version_without_captured_calls_has_no_fields_to_compare(tmp_path):
    write_version(tmp_path, {"train": [ticket(1, source="git")]}, signature="Triage", fields_hash="")
    assert load_dataset(Triage, root=tmp_path)[0].ticket == "t 1"
