"""A cut over tables in memory: what the files of a version hold."""

import json

import polars as pl
import pytest
from hypothesis import given as givens
from hypothesis import strategies as st

from headrace.errors import UsageError
from headrace_consumers.versions.cutting.asked import RolloutVersions
from headrace_consumers.versions.cutting.merging import one_a_key
from headrace_consumers.versions.hand import edits
from headrace_consumers.versions.reading.survey import Fields, baseline_versions
from headrace_consumers.versions.reading.tables import Tables
from headrace_schemas import keys
from tests.unit.versions.rows import (
    NOW,
    SIGNATURE,
    config_of,
    cut_of,
    examples,
    feedback_table,
    lines,
    row,
    sightings_table,
    table,
)

PLACES = ("production", "staging")


def test_each_row_is_an_example_of_the_split_that_its_key_decides(tmp_path):
    done = cut_of(tmp_path, [row(n) for n in range(300)])
    assert done.path == tmp_path / SIGNATURE / "v1"
    found = examples(done)
    assert len(found) == 300
    for each in found.values():
        place = keys.split_hash(each["key"]) / 2**64
        assert each["split"] == ("train" if place < 0.7 else "val" if place < 0.85 else "test")
    assert (tmp_path / SIGNATURE / "latest").read_text() == "v1\n"


def test_a_line_is_canonical_json_of_the_contract_sorted_by_key(tmp_path):
    done = cut_of(tmp_path, [row(n) for n in range(60)])
    train = lines(done.path / "train.jsonl")
    assert [line["key"] for line in train] == sorted(line["key"] for line in train)
    (line,) = [line for line in train if line["inputs"]["question"] == "question 3"]
    key = row(3)["dedup_key"]
    assert line.pop("difficulty") in {"easy", "medium", "hard"}
    assert line == {
        "example_id": key[:32],
        "key": key,
        "inputs": {"question": "question 3"},
        "outputs": {"answer": "because"},
        "source": "telemetry",
        "label": "unverified",
        "category": None,
        "quality": 1.0,
        "weight": 10.0,
        "times_seen": 1,
        "timestamp_ms": 1_760_000_000_003,
    }


def test_parquet_has_the_rows_of_the_lines(tmp_path):
    done = cut_of(tmp_path, [row(n, cost_usd=None, quality=0.1 + n / 997) for n in range(60)])
    for split in ("train", "val", "test"):
        rows = pl.read_parquet(done.path / f"{split}.parquet").to_dicts()
        for each in rows:
            each["inputs"], each["outputs"] = json.loads(each["inputs"]), json.loads(each["outputs"])
        assert rows == lines(done.path / f"{split}.jsonl")


def test_the_provenance_tells_where_each_came_from(tmp_path):
    done = cut_of(tmp_path, [row(n, model='a "model"', subject_id="hmac-sha256:1") for n in range(60)])
    found = lines(done.path / "provenance.jsonl")
    assert len(found) == 60
    (line,) = [line for line in found if line["metadata"]["offset"] == 7]
    assert (line["example_id"], line["source"]) == (row(7)["dedup_key"][:32], "telemetry")
    assert line["timestamp"] == "2025-10-09T08:53:20.007Z"
    assert line["metadata"] == {
        "original_timestamp_ms": 1_760_000_000_007,
        "latency_ms": 250.0,
        "cost_usd": 0.0018,
        "model": 'a "model"',
        "request_id_hash": keys.request_id_hash("r-7").hex(),
        "subject_id": "hmac-sha256:1",
        "topic": "interactions",
        "topic_id": "topic-id",
        "partition": 0,
        "offset": 7,
        "inclusion_probability": 0.1,
        "module_name": "reviewer",
        "module_version": "baseline",
        "program_hash": None,
        "redaction_version": "1",
        "dedup_policy": "all",
    }


def test_the_manifest_names_the_table_the_offsets_and_every_file(tmp_path):
    import hashlib

    done = cut_of(tmp_path, Tables(table([row(n) for n in range(5, 60)], version=7)))
    manifest = json.loads((done.path / "manifest.json").read_text())
    assert manifest["tables"]["interactions"] == {"id": "table-id", "version": 7}
    assert manifest["offsets"] == [
        {"topic": "interactions", "topic_id": "topic-id", "partition": 0, "first": 5, "last": 59}
    ]
    assert manifest["version"] == "v1"
    made_anew = {"manifest.json", "README.md", "report.html"}
    assert set(manifest["files"]) == {path.name for path in done.path.iterdir()} - made_anew
    for name, facts in manifest["files"].items():
        content = (done.path / name).read_bytes()
        assert facts == {"sha256": hashlib.sha256(content).hexdigest(), "size_bytes": len(content)}


def test_only_the_owner_may_read_a_version(tmp_path):
    done = cut_of(tmp_path / "data", [row(n) for n in range(60)])
    assert {path.stat().st_mode & 0o777 for path in done.path.iterdir()} == {0o600}
    assert done.path.stat().st_mode & 0o777 == 0o700


def test_other_environments_signatures_and_outcomes_stay_out(tmp_path):
    rows = [
        row(0),
        row(1, environment="staging"),
        row(2, signature="another"),
        row(3, capture_level="outcome"),
    ]
    assert set(examples(cut_of(tmp_path, rows))) == {"question 0"}
    assert set(examples(cut_of(tmp_path, rows, environment="staging"))) == {"question 1"}


def test_a_table_that_holds_a_key_twice_gives_one_example(tmp_path):
    rows = [row(0), {**row(1), "input": row(0)["input"], "dedup_key": row(0)["dedup_key"], "output": '{"answer":"2"}'}]
    (example,) = examples(cut_of(tmp_path, rows)).values()
    assert (example["outputs"], example["times_seen"]) == ({"answer": "because"}, 2)


def test_what_another_producer_laid_out_on_several_lines_is_one_line(tmp_path):
    (example,) = examples(cut_of(tmp_path, [row(0, output='{\n  "answer": "a\\nb"\n}')])).values()
    assert example["outputs"] == {"answer": "a\nb"}


def test_the_fields_of_the_newest_call_are_cut_and_the_user_is_told_of_the_others(tmp_path):
    old = [row(n) for n in range(10)]
    new = [row(n, fields_hash="fedcba9876543210") for n in range(10, 13)]
    done = cut_of(tmp_path, old + new)
    assert done.metadata["fields_hash"] == "fedcba9876543210"
    assert len(examples(done)) == 3
    (note,) = [note for note in done.notes if "fields" in note]
    assert "0123456789abcdef (10 rows)" in note
    assert len(examples(cut_of(tmp_path, old + new, fields="0123"))) == 10
    with pytest.raises(UsageError, match=r"--fields 77: no such fields; there are: fedcba9876543210 \(3 rows\)"):
        cut_of(tmp_path, old + new, fields="77")


def test_nothing_to_cut_is_one_line_and_leaves_nothing(tmp_path):
    with pytest.raises(UsageError, match="no example of extract_requirements in environment staging"):
        cut_of(tmp_path, [row(0)], environment="staging")
    assert list(tmp_path.iterdir()) == []


def test_a_copy_counts_and_its_feedback_finds_the_example(tmp_path):
    key = row(0)["dedup_key"]
    tables = Tables(
        table([row(0), row(1)]),
        sightings_table((key, "copy-1"), (key, "copy-2"), ("ff" * 32, "of-nobody")),
        feedback_table(
            {"request_id": "copy-2", "score": 0.25},
            {"request_id": "of-nobody", "score": 0.0},
        ),
    )
    found = examples(cut_of(tmp_path, tables))
    first = found["question 0"]
    assert (first["times_seen"], first["label"], first["quality"]) == (3, "judged", 0.25)
    assert (found["question 1"]["times_seen"], found["question 1"]["label"]) == (1, "unverified")


def test_feedback_on_a_copy_of_an_inner_call_counts_where_it_names_the_module(tmp_path):
    inner = row(0, parent_event_id="e")
    sightings = sightings_table((inner["dedup_key"], "copy"))
    said = {"request_id": "copy", "score": 0.25}
    (example,) = examples(cut_of(tmp_path / "1", Tables(table([inner]), sightings, feedback_table(said)))).values()
    assert (example["label"], example["times_seen"]) == ("unverified", 2)
    named = feedback_table({**said, "module_name": "reviewer"})
    (example,) = examples(cut_of(tmp_path / "2", Tables(table([inner]), sightings, named))).values()
    assert (example["label"], example["quality"]) == ("judged", 0.25)


def test_a_correction_of_a_copy_that_does_not_fit_is_of_another_call(tmp_path):
    correction = {"request_id": "copy", "correction": '{"verdict":"of the outer call"}'}
    tables = Tables(table([row(0)]), sightings_table((row(0)["dedup_key"], "copy")), feedback_table(correction))
    (example,) = examples(cut_of(tmp_path, tables)).values()
    assert (example["outputs"], example["label"]) == ({"answer": "because"}, "unverified")


def test_feedback_on_a_second_row_of_a_key_counts_where_that_row_is_outermost(tmp_path):
    same = {"input": row(0)["input"], "dedup_key": row(0)["dedup_key"]}
    rows = [row(0), row(1, **same), row(2, **same, parent_event_id="e")]
    outer, inner = {"request_id": "r-1", "score": 0.25}, {"request_id": "r-2", "score": 0.75}
    (example,) = examples(cut_of(tmp_path / "a", Tables(table(rows), None, feedback_table(outer, inner)))).values()
    assert (example["quality"], example["label"]) == (0.25, "judged")
    named = feedback_table({**inner, "module_name": "reviewer"})
    (example,) = examples(cut_of(tmp_path / "b", Tables(table(rows), None, named))).values()
    assert (example["quality"], example["label"]) == (0.75, "judged")


def test_feedback_of_another_environment_does_not_count(tmp_path):
    given = feedback_table({"request_id": "r-0", "score": 0.0, "environment": "staging"})
    (example,) = examples(cut_of(tmp_path, Tables(table([row(0)]), None, given))).values()
    assert (example["quality"], example["label"]) == (1.0, "unverified")


def test_a_field_of_any_length_is_cut_in_the_reason(tmp_path):
    given = feedback_table({"request_id": "r-0", "correction": json.dumps({"secret " * 50: "x"})})
    done = cut_of(tmp_path, Tables(table([row(0), row(1)]), None, given))
    (line,) = lines(done.path / "set_aside.jsonl")
    assert line["reason"].endswith("there is no output field " + ("secret " * 50)[:80])


def test_the_newest_correction_replaces_the_fields_that_it_names(tmp_path):
    tables = Tables(
        table([row(0, output='{"answer":"because","why":"so"}')]),
        None,
        feedback_table(
            {"request_id": "r-0", "correction": '{"answer":"newest"}', "timestamp_ms": 9, "subject_id": "sha256:bob"},
            {"request_id": "r-0", "correction": '{"answer":"older"}', "timestamp_ms": 8},
            {"request_id": "r-0", "score": 0.0, "timestamp_ms": 10},
        ),
    )
    done = cut_of(tmp_path, tables)
    (example,) = examples(done).values()
    assert example["outputs"] == {"answer": "newest", "why": "so"}
    assert (example["label"], example["quality"]) == ("corrected", 1.0)
    (line,) = lines(done.path / "provenance.jsonl")
    assert line["metadata"]["feedback"] == {
        "corrected_by": "f-0",
        "corrected_at_ms": 9,
        "corrected_redaction_version": "none",
        "corrected_request_id_hash": keys.request_id_hash("r-0").hex(),
        "corrected_subject_id": "sha256:bob",
        "scores": 1,
    }
    assert sum(shares["corrected"] for shares in done.metadata["label_shares"].values()) == 1.0


def test_several_scores_are_their_mean(tmp_path):
    given = [{"request_id": "r-0", "score": score} for score in (0.0, 0.5, 1.0, 0.5)]
    (example,) = examples(cut_of(tmp_path, Tables(table([row(0)]), None, feedback_table(*given)))).values()
    assert (example["quality"], example["label"]) == (0.5, "judged")


def test_feedback_of_another_module_or_twice_or_on_an_inner_call_does_not_count(tmp_path):
    tables = Tables(
        table([row(0), row(1, parent_event_id="e", request_id="r-0"), row(2, parent_event_id="e", request_id="r-2")]),
        None,
        feedback_table(
            {"request_id": "r-0", "score": 0.2, "feedback_id": "twice"},
            {"request_id": "r-0", "score": 0.2, "feedback_id": "twice"},
            {"request_id": "r-0", "score": 1.0, "module_name": "another"},
            {"request_id": "r-2", "score": 0.4, "module_name": "reviewer"},
        ),
    )
    found = examples(cut_of(tmp_path, tables))
    assert [found[f"question {n}"]["label"] for n in range(3)] == ["judged", "unverified", "judged"]
    assert found["question 0"]["quality"] == 0.2


@pytest.mark.parametrize(
    ("correction", "why"),
    [
        ({"correction": '{"answr":"x"}'}, "there is no output field answr"),
        ({"correction": "{"}, "it is no JSON"),
        ({"correction": "[]"}, "it names no output field"),
        ({"correction": '{"answer":"x', "truncated": True}, "it was too long and was cut"),
    ],
)
def test_an_example_whose_correction_does_not_fit_is_set_aside(tmp_path, correction, why):
    tables = Tables(table([row(0), row(1)]), None, feedback_table({"request_id": "r-0", **correction}))
    done = cut_of(tmp_path, tables)
    assert set(examples(done)) == {"question 1"}
    (line,) = lines(done.path / "set_aside.jsonl")
    assert (line["gate"], line["reason"]) == ("outputs", f"its correction does not fit: {why}")
    assert line["key"] == row(0)["dedup_key"]


def test_a_failed_call_is_no_example_until_somebody_says_what_it_should_have_said(tmp_path):
    rows = [row(0, output="{}"), row(1, output="{}")]
    tables = Tables(table(rows), None, feedback_table({"request_id": "r-0", "correction": '{"answer":"x"}'}))
    done = cut_of(tmp_path, tables)
    assert [example["outputs"] for example in examples(done).values()] == [{"answer": "x"}]
    assert done.set_aside == {"outputs": 1}


@pytest.mark.parametrize(
    ("correction", "is_test"), [({"answer": "right"}, False), ({"answer": "right", "why": "so"}, True)]
)
def test_a_candidates_output_that_was_corrected_in_part_is_no_test(tmp_path, correction, is_test):
    own = '{"answer":"wrong","why":"its own"}'
    given = feedback_table(*({"request_id": f"r-{n}", "correction": json.dumps(correction)} for n in range(40)))
    rows = [row(n, output=own, module_version="baseline" if n == 0 else "optimized_v1") for n in range(40)]
    found = examples(cut_of(tmp_path, Tables(table(rows), None, given)))
    theirs = [each for question, each in found.items() if question != "question 0"]
    assert any(each["split"] == "test" for each in theirs) == is_test
    assert {each["label"] for each in theirs} == {"corrected"}


@pytest.mark.parametrize(("fields", "is_test"), [(["answer"], False), (["answer", "why"], True), (None, True)])
def test_a_candidates_output_that_was_relabelled_in_part_is_no_test(tmp_path, fields, is_test):
    own = '{"answer":"wrong","why":"its own"}'
    rows = [row(n, output=own, module_version="baseline" if n == 0 else "optimized_v1") for n in range(40)]
    said = {"kind": "relabel", "who": "ada", "why": "w", "timestamp_ms": 1, "quality": None}
    said |= {"outputs": {"answer": "right", "why": "as it was"}} | ({} if fields is None else {"fields": fields})
    edits.append(tmp_path / SIGNATURE, [{**said, "key": each["dedup_key"]} for each in rows])
    found = examples(cut_of(tmp_path, rows))
    theirs = [each for question, each in found.items() if question != "question 0"]
    assert any(each["split"] == "test" for each in theirs) == is_test
    assert {each["outputs"]["answer"] for each in theirs} == {"right"}
    assert {each["outputs"]["why"] for each in theirs} == {"its own" if fields == ["answer"] else "as it was"}


def test_a_late_correction_of_what_a_relabelling_did_not_name_still_counts(tmp_path):
    rows = [row(n, output='{"answer":"wrong","why":"wrong"}') for n in range(3)]
    said = {"kind": "relabel", "who": "ada", "why": "w", "timestamp_ms": 1, "quality": None, "fields": ["answer"]}
    outputs = {"answer": "by hand", "why": "wrong"}
    edits.append(tmp_path / SIGNATURE, [{**said, "outputs": outputs, "key": rows[1]["dedup_key"]}])
    late = feedback_table({"request_id": "r-1", "correction": '{"answer":"late","why":"late"}'})
    found = examples(cut_of(tmp_path, Tables(table(rows), None, late)))
    assert found["question 1"]["outputs"] == {"answer": "by hand", "why": "late"}


def test_it_is_told_what_candidates_keep_out_of_test_and_which_edits_met_nothing(tmp_path):
    said = {"kind": "exclude", "who": "ada", "why": "w", "timestamp_ms": 1, "outputs": None, "quality": None}
    edits.append(tmp_path / SIGNATURE, [{**said, "key": key} for key in (row(0)["dedup_key"], "a" * 64, "b" * 64)])
    done = cut_of(tmp_path, [row(n, module_version="baseline" if n < 2 else "optimized_v1") for n in range(9)])
    (candidates,) = [note for note in done.notes if note.startswith("candidates")]
    assert "optimized_v1 (7 of 9 rows)" in candidates
    (unmet,) = [note for note in done.notes if note.startswith("edits.jsonl")]
    assert "of 2 examples that were changed by hand none was met" in unmet


def test_an_edit_of_another_environment_has_no_say_and_is_not_counted_as_unmet(tmp_path):
    said = {"kind": "relabel", "who": "ada", "why": "w", "timestamp_ms": 1, "outputs": None, "quality": 0.2}
    both = [row(n, environment=name, output=f'{{"answer":"of {name}"}}') for name in PLACES for n in range(4)]
    kinds = [(0, "staging"), (1, "production"), (2, None)]
    folder = tmp_path / SIGNATURE
    for n, name in kinds:
        edits.append(folder, [{**said, "key": both[n]["dedup_key"]} | ({"environment": name} if name else {})])
    edits.append(folder, [{**said, "kind": "exclude", "key": "a" * 64, "environment": "staging"}])
    judged, notes = {}, {}
    for name in PLACES:
        done = cut_of(tmp_path, both, environment=name)
        found = examples(done)
        assert {each["outputs"]["answer"] for each in found.values()} == {f"of {name}"}
        judged[name] = {question for question, each in found.items() if each["label"] == "judged"}
        notes[name] = [note for note in done.notes if note.startswith("edits.jsonl")]
    assert judged == {"production": {"question 1", "question 2"}, "staging": {"question 0", "question 2"}}
    assert [len(notes[name]) for name in PLACES] == [0, 1]
    assert "of 1 examples that were changed by hand none was met" in notes["staging"][0]


@givens(st.permutations(range(6)))
def test_which_of_equals_stands_does_not_depend_on_their_order(order):
    same = {"key": "k", "source": "import", "label": "given", "timestamp_ms": 1, "outputs": "{}", "weight": 1.0}
    frame = pl.DataFrame(
        [{**same, "inputs": f"{n % 2}", "provenance": f"{n}", "times_seen": 1} for n in order],
    )
    stands, contested = one_a_key(frame)
    assert stands.select("inputs", "provenance").row(0) == ("0", "0")
    assert contested.select("place", "provenance").rows() == list(enumerate(["0", "2", "4", "1", "3", "5"]))


def test_a_candidates_own_output_is_no_test_but_a_correction_of_it_is(tmp_path):
    rows = [row(n, module_version="candidate" if n % 2 else "baseline") for n in range(200)]
    of_test = [n for n in range(200) if keys.split_hash(rows[n]["dedup_key"]) >= int(0.85 * 2**64)]
    corrected = next(n for n in of_test if n % 2)
    given = feedback_table({"request_id": f"r-{corrected}", "correction": '{"answer":"right"}'})
    done = cut_of(tmp_path, Tables(table(rows), None, given))
    test = {line["inputs"]["question"] for line in lines(done.path / "test.jsonl")}
    assert test == {f"question {n}" for n in of_test if n % 2 == 0 or n == corrected}
    assert done.set_aside == {"candidate": sum(n % 2 for n in of_test) - 1}
    assert any("candidate" in note for note in done.notes)


def test_the_most_frequent_version_is_served_to_everybody_where_none_is_called_baseline(tmp_path):
    rows = [row(n, module_version="v2" if n % 3 else "v1") for n in range(200)]
    done = cut_of(tmp_path, rows)
    provenance = {
        line["example_id"]: line["metadata"]["module_version"] for line in lines(done.path / "provenance.jsonl")
    }
    assert {provenance[line["example_id"]] for line in lines(done.path / "test.jsonl")} == {"v2"}
    assert {provenance[line["example_id"]] for line in lines(done.path / "train.jsonl")} == {"v1", "v2"}


def test_what_a_rollout_has_promoted_is_served_to_everybody_beside_the_code_as_deployed(tmp_path):
    names = ("v2", "optimized_v1", "optimized_v1", "v1")  # most is of the promoted one; of the code v2 and v1 as much
    rows = [row(n, module_version=names[n % 4]) for n in range(200)]
    done = cut_of(tmp_path, rows, rollouts=RolloutVersions(frozenset({"optimized_v1"})))
    manifest = json.loads((done.path / "manifest.json").read_bytes())
    assert manifest["recipe"]["baseline_versions"] == ["optimized_v1", "v1"]
    (candidates,) = [note for note in done.notes if note.startswith("candidates")]
    assert ": v2 (50 of 200 rows)" in candidates
    named = config_of(tmp_path, versions={"baseline_versions": ["v2"]})
    done = cut_of(tmp_path, rows, named, rollouts=RolloutVersions(frozenset({"optimized_v1"})))
    manifest = json.loads((done.path / "manifest.json").read_bytes())
    assert manifest["recipe"]["baseline_versions"] == ["v2"]


def test_once_no_row_of_the_code_as_deployed_is_left_a_running_candidate_is_not_taken_for_it(tmp_path):
    rows = [row(n, module_version="v2" if n % 10 == 0 else "v1") for n in range(400)]
    rollouts = RolloutVersions(promoted=frozenset({"v1"}), candidates=frozenset({"v2"}))
    done = cut_of(tmp_path, rows, rollouts=rollouts)
    provenance = {
        line["example_id"]: line["metadata"]["module_version"] for line in lines(done.path / "provenance.jsonl")
    }
    assert {provenance[line["example_id"]] for line in lines(done.path / "test.jsonl")} == {"v1"}
    assert done.set_aside["candidate"] > 0
    assert any("v2 (40 of 400 rows)" in note for note in done.notes)


@pytest.mark.parametrize(
    ("counts", "promoted", "candidates", "expected"),
    [
        ({"baseline": 1, "v2": 9}, {"v1"}, {"v2"}, {"v1", "baseline"}),
        ({"v1": 9, "v2": 1}, {"v1"}, {"v2"}, {"v1"}),
        ({"v1": 9, "2026.11": 1, "v2": 2}, {"v1"}, {"v2"}, {"v1", "2026.11"}),
        ({"2026.11": 1, "v2": 2}, set(), {"v2"}, {"2026.11"}),
        ({"v2": 2}, set(), {"v2"}, {"v2"}),  # deployed as code since
        ({"v1": 2}, {"v1"}, set(), {"v1", "baseline"}),
        ({}, set(), set(), {"baseline"}),
    ],
)
def test_served_to_everybody_is_what_was_promoted_and_the_code_as_deployed(counts, promoted, candidates, expected):
    fields = Fields("f", sum(counts.values()), 1, counts)
    rollouts = RolloutVersions(frozenset(promoted), frozenset(candidates))
    assert baseline_versions(None, fields, rollouts) == expected
    assert baseline_versions(("v7",), fields, rollouts) == {"v7"}


def test_people_who_were_erased_stay_out_whatever_the_table_holds(tmp_path):
    rows = [row(0, subject_id="gone"), row(1, subject_id="here")]
    tables = Tables(table(rows), is_suppressed=lambda found: found["subject_id"] == "gone")
    done = cut_of(tmp_path, tables)
    assert set(examples(done)) == {"question 1"}
    assert any("erased" in note for note in done.notes)


def test_the_category_is_an_attribute_of_the_request(tmp_path):
    rows = [row(0, attributes='{"category":"bill\\"ing","team":"a"}'), row(1), row(2, attributes='{"team":"b"}')]
    found = examples(cut_of(tmp_path, rows))
    assert [found[f"question {n}"]["category"] for n in range(3)] == ['bill"ing', None, None]
    config = config_of(tmp_path, versions={"category_attribute": "team"})
    found = examples(cut_of(tmp_path, rows, config))
    assert [found[f"question {n}"]["category"] for n in range(3)] == ["a", None, "b"]


def test_metadata_tells_the_time_and_the_lines_do_not(tmp_path):
    done = cut_of(tmp_path, [row(n) for n in range(60)])
    assert json.loads((done.path / "metadata.json").read_text())["made_at"] == f"{NOW:%Y-%m-%dT%H:%M:%SZ}"
