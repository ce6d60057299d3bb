"""Telemetry beside other sources, what people changed by hand, and what is drawn when a number is asked for."""

import json
from collections import Counter

import pytest

from headrace_consumers.versions.cutting import cut
from headrace_consumers.versions.hand import edits
from headrace_consumers.versions.reading.tables import Tables
from headrace_consumers.versions.replaying.replay import replay
from headrace_consumers.versions.sources.pool import Pool, pool_path
from headrace_schemas import keys
from tests.unit.versions.rows import (
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


def wait(folder, source, question, answer="waiting", **changes):
    line = {
        "inputs": {"question": question},
        "outputs": {"answer": answer},
        "category": None,
        "difficulty": None,
        "timestamp_ms": 5,
        "metadata": {"note": source},
        **changes,
    }
    Pool(pool_path(folder, SIGNATURE, source)).append([line])


def edit(folder, kind, number, *, outputs=None, quality=None):
    line = {
        "kind": kind,
        "key": row(number)["dedup_key"],
        "who": "ada",
        "why": "because",
        "timestamp_ms": 7,
        "outputs": outputs,
        "quality": quality,
    }
    edits.append(folder / SIGNATURE, [line])


def with_gates(folder):
    """A configuration with the gates as they come."""
    return config_of(folder, versions={"gates": {"default": {}}})


@pytest.mark.parametrize(
    ("source", "label"), [("git", "generated"), ("synthetic", "generated"), ("import", "given"), ("hand", "given")]
)
def test_an_example_of_another_source_joins(tmp_path, source, label):
    wait(tmp_path, source, "new", category="c", difficulty="hard")
    found = examples(cut_of(tmp_path, [row(0)]))["new"]
    assert (found["source"], found["label"], found["category"], found["difficulty"]) == (source, label, "c", "hard")
    assert (found["quality"], found["weight"], found["times_seen"]) == (None, 1.0, 1)


def test_the_same_inputs_are_one_example_whatever_the_source(tmp_path):
    wait(tmp_path, "git", "question 0")
    wait(tmp_path, "synthetic", "question 0")
    done = cut_of(tmp_path, [row(0)])
    (found,) = examples(done).values()
    assert (found["source"], found["label"]) == ("git", "generated")  # somebody's words, and not the program's own
    aside = lines(done.path / "set_aside.jsonl")
    assert [(line["source"], line["gate"]) for line in aside] == [
        ("synthetic", "duplicates"),
        ("telemetry", "duplicates"),
    ]
    assert {line["reason"] for line in aside} == {"the same inputs stand as generated of git"}


def test_a_judged_answer_goes_before_a_given_one_and_keeps_its_weight(tmp_path):
    wait(tmp_path, "import", "question 0")
    wait(tmp_path, "import", "question 1")
    key = row(1)["dedup_key"]
    tables = Tables(
        table([row(0), row(1)]),
        sightings_table((key, "copy")),
        feedback_table({"request_id": "r-0", "score": 0.9}),
    )
    found = examples(cut_of(tmp_path, tables))
    assert (found["question 0"]["source"], found["question 0"]["label"]) == ("telemetry", "judged")
    given = found["question 1"]
    assert (given["source"], given["weight"], given["times_seen"]) == ("import", 10.0, 2)  # a line of a file is no call


@pytest.mark.parametrize("source", ["import", "hand", "git"])
def test_an_answer_that_people_call_bad_does_not_cost_an_example_with_the_same_inputs(tmp_path, source):
    wait(tmp_path, source, "question 0", "gold")
    tables = Tables(table([row(0), row(1)]), None, feedback_table({"request_id": "r-0", "score": 0.1}))
    done = cut_of(tmp_path, tables, with_gates(tmp_path))
    found = examples(done)["question 0"]
    assert (found["source"], found["outputs"]) == (source, {"answer": "gold"})
    (aside,) = lines(done.path / "set_aside.jsonl")
    assert (aside["source"], aside["gate"]) == ("telemetry", "duplicates")


@pytest.mark.parametrize("answer", ["", "I'm sorry, but I can't help with that."])
def test_an_empty_import_or_a_refusal_does_not_cost_the_call_with_the_same_inputs(tmp_path, answer):
    wait(tmp_path, "import", "question 0", answer)
    wait(tmp_path, "import", "question 9", answer)
    config = config_of(tmp_path, versions={"gates": {"default": {"min_quality": 0.6}}})
    done = cut_of(tmp_path, [row(0), row(1)], config)
    assert examples(done)["question 0"]["source"] == "telemetry"
    assert done.set_aside == {"duplicates": 1, "quality": 1}
    wait(tmp_path, "git", "question 0", "of git")
    assert examples(cut_of(tmp_path, [row(0), row(1)], config))["question 0"]["source"] == "git"


def test_a_bad_answer_that_a_person_has_called_good_goes_before_a_given_one(tmp_path):
    wait(tmp_path, "import", "question 0")
    edit(tmp_path, "relabel", 0, quality=0.9)
    tables = Tables(table([row(0), row(1)]), None, feedback_table({"request_id": "r-0", "score": 0.1}))
    found = examples(cut_of(tmp_path, tables, with_gates(tmp_path)))["question 0"]
    assert (found["source"], found["quality"]) == ("telemetry", 0.9)


def of_test(rows):
    return [n for n, each in enumerate(rows) if keys.split_hash(each["dedup_key"]) >= int(0.85 * 2**64)]


def test_a_candidates_answer_does_not_cost_test_an_example_with_the_same_inputs(tmp_path):
    rows = [row(n) for n in range(60)]
    one, alone, whole, *_ = of_test(rows)
    for n in (one, alone, whole):
        rows[n] = row(n, module_version="candidate")
    for n in (one, whole):
        wait(tmp_path, "import", f"question {n}", "gold")
    edit(tmp_path, "relabel", whole, outputs={"answer": "right"})
    said = feedback_table(*({"request_id": f"r-{n}", "score": 0.9} for n in (one, alone, whole)))
    done = cut_of(tmp_path, Tables(table(rows), None, said))
    found = examples(done)
    kept = found[f"question {one}"]
    assert (kept["source"], kept["outputs"], kept["split"]) == ("import", {"answer": "gold"}, "test")
    assert found[f"question {whole}"]["outputs"] == {"answer": "right"}
    assert found[f"question {whole}"]["source"] == "telemetry"
    assert done.set_aside == {"candidate": 1, "duplicates": 2}
    assert f"question {alone}" not in found
    assert not any(note.startswith("edits.jsonl") for note in done.notes)


def test_outside_test_a_candidates_judged_answer_goes_before_a_given_one(tmp_path):
    rows = [row(n) for n in range(30)]
    one = next(n for n in range(30) if n not in of_test(rows))
    rows[one] = row(one, module_version="candidate")
    wait(tmp_path, "import", f"question {one}")
    done = cut_of(tmp_path, Tables(table(rows), None, feedback_table({"request_id": f"r-{one}", "score": 0.9})))
    assert examples(done)[f"question {one}"]["source"] == "telemetry"


def test_a_version_cut_before_what_cannot_stand_gave_way_is_made_again_as_it_was(tmp_path, monkeypatch):
    def recipe_before(*arguments):
        return recipe_of(*arguments).model_copy(update={"usable_first": False, "fitting_first": False})

    recipe_of = cut._recipe
    monkeypatch.setattr(cut, "_recipe", recipe_before)
    rows = [row(n) for n in range(30)]
    one = of_test(rows)[0]
    rows[one] = row(one, module_version="candidate")
    wait(tmp_path / "data", "import", f"question {one}")
    tables = Tables(table(rows), None, feedback_table({"request_id": f"r-{one}", "score": 0.9}))
    done = cut_of(tmp_path / "data", tables)
    assert f"question {one}" not in examples(done)
    manifest = json.loads((done.path / "manifest.json").read_bytes())
    del manifest["recipe"]["usable_first"], manifest["recipe"]["fitting_first"]  # as that release wrote it
    (done.path / "manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "again" / "work").mkdir(parents=True)
    found = replay(done.path, tables, tmp_path / "again", tmp_path / "again" / "work")
    assert found.is_same, found


MAIL = "Write to ann@example.com"


def replayed(done, tables, folder):
    (folder / "work").mkdir(parents=True)
    return replay(done.path, tables, folder, folder / "work")


@pytest.mark.parametrize(
    ("outputs", "gate", "reason"),
    [
        ({"answer": MAIL}, "personal data", "email in output answer"),
        ({"answers": "gold"}, "schema", "output answer: is missing"),
        ({"answer": ["gold"]}, "schema", "output answer: is a list, where calls have a text"),
    ],
)
def test_an_import_that_a_gate_takes_does_not_cost_the_call_with_the_same_inputs(tmp_path, outputs, gate, reason):
    wait(tmp_path / "data", "import", "question 0", outputs=outputs)
    tables = Tables(table([row(n) for n in range(25)]), sightings_table((row(0)["dedup_key"], "copy")))
    done = cut_of(tmp_path / "data", tables)
    found = examples(done)["question 0"]
    assert (found["source"], found["outputs"], found["times_seen"]) == ("telemetry", {"answer": "because"}, 2)
    assert done.set_aside == {gate: 1}
    (line,) = lines(done.path / "set_aside.jsonl")
    assert (line["source"], line["gate"], line["reason"]) == ("import", gate, reason)
    (verdict,) = [
        each for each in done.verdicts if not each.is_passed and each.gate in (gate, "duplicates across sources")
    ]
    assert verdict.all_offenders.rows() == [(found["example_id"], reason)]
    assert "1 more gave way to others with the same inputs" in verdict.what
    assert json.loads((done.path / "manifest.json").read_bytes())["recipe"]["fitting_first"] is True
    assert replayed(done, tables, tmp_path / "again").is_same


def test_of_several_with_the_same_inputs_the_best_stands_that_the_gates_pass(tmp_path):
    wait(tmp_path / "data", "hand", "question 0", MAIL)
    wait(tmp_path / "data", "import", "question 0", outputs={"other": 1})
    wait(tmp_path / "data", "git", "question 0", "of git")
    wait(tmp_path / "data", "synthetic", "question 0", MAIL)
    tables = Tables(table([row(0), row(1)]))
    done = cut_of(tmp_path / "data", tables)
    found = examples(done)["question 0"]
    assert (found["source"], found["outputs"]) == ("git", {"answer": "of git"})
    aside = {line["source"]: (line["gate"], line["reason"]) for line in lines(done.path / "set_aside.jsonl")}
    assert aside == {
        "hand": ("personal data", "email in output answer"),
        "import": ("schema", "output answer: is missing"),
        "synthetic": ("duplicates", "the same inputs stand as generated of git"),
        "telemetry": ("duplicates", "the same inputs stand as generated of git"),
    }
    assert replayed(done, tables, tmp_path / "again").is_same


def test_where_a_gate_takes_all_with_the_same_inputs_none_stands(tmp_path):
    wait(tmp_path / "data", "hand", "question 0", MAIL)
    wait(tmp_path / "data", "import", "question 0", MAIL)
    tables = Tables(table([row(1)]))
    done = cut_of(tmp_path / "data", tables)
    assert examples(done).keys() == {"question 1"}
    assert done.set_aside == {"duplicates": 1, "personal data": 1}
    assert replayed(done, tables, tmp_path / "again").is_same


def test_a_candidates_answer_does_not_come_back_into_test_for_an_import_that_a_gate_took(tmp_path):
    rows = [row(n) for n in range(30)]
    one = of_test(rows)[0]
    rows[one] = row(one, module_version="candidate")
    wait(tmp_path, "import", f"question {one}", MAIL)
    done = cut_of(tmp_path, rows)
    assert f"question {one}" not in examples(done)
    assert done.set_aside == {"duplicates": 1, "personal data": 1}


def test_an_edit_holds_of_what_comes_back(tmp_path):
    wait(tmp_path, "import", "question 0", MAIL)
    wait(tmp_path, "import", "question 1", MAIL)
    edit(tmp_path, "relabel", 0, quality=0.7)
    edit(tmp_path, "exclude", 1)
    found = examples(cut_of(tmp_path, [row(0), row(1), row(2)]))
    assert found.keys() == {"question 0", "question 2"}
    assert (found["question 0"]["source"], found["question 0"]["label"], found["question 0"]["quality"]) == (
        "telemetry",
        "judged",
        0.7,
    )


def test_a_replay_finds_what_came_back_also_where_the_import_or_the_call_is_gone(tmp_path):
    wait(tmp_path / "data", "import", "question 0", MAIL)
    wait(tmp_path / "data", "import", "question 9")
    tables = Tables(table([row(0), row(1)]))
    done = cut_of(tmp_path / "data", tables)
    retained = replayed(done, Tables(table([row(1)])), tmp_path / "retained")
    assert ([gone.offset for gone in retained.gone], retained.others, retained.more) == ([0], [], [])
    pool = pool_path(tmp_path / "data", SIGNATURE, "import")
    pool.write_bytes(b"".join(pool.read_bytes().splitlines(keepends=True)[1:]))  # as erase-examples does
    assert replayed(done, tables, tmp_path / "erased").is_same


def test_an_import_that_a_gate_takes_does_not_cost_the_call_whose_key_was_made_with_a_secret(tmp_path):
    wait(tmp_path, "import", "question 0", MAIL)
    wait(tmp_path, "import", "question 1", "gold")
    keyed = [row(n, dedup_key=f"{n}".ljust(64, "0"), input=f'{{"question":"question {n}"}}') for n in range(3)]
    done = cut_of(tmp_path, keyed)
    assert {name: each["source"] for name, each in examples(done).items()} == {
        "question 0": "telemetry",
        "question 1": "import",
        "question 2": "telemetry",
    }


def test_inputs_are_compared_as_the_producers_policy_says(tmp_path):
    wait(tmp_path, "import", "QUESTION 0")
    policy = {"ignore_case": True}
    assert len(examples(cut_of(tmp_path, [row(0)]))) == 2
    config = config_of(tmp_path, dedup={"signatures": {"*": policy}})
    assert len(examples(cut_of(tmp_path, [row(0)], config))) == 1


def test_examples_without_any_call_can_be_cut_and_the_user_is_warned(tmp_path):
    wait(tmp_path, "import", "alone")
    done = cut_of(tmp_path, Tables(None))
    assert set(examples(done)) == {"alone"}
    assert any("its fields are unknown" in note for note in done.notes)
    assert "Fields: unknown, for there was no call." in (done.path / "README.md").read_text()
    assert cut_of(tmp_path, Tables(None), fields="0123456789abcdef").metadata["fields_hash"] == "0123456789abcdef"


def test_once_the_calls_are_gone_examples_keep_the_split_that_they_had(tmp_path):
    for n in range(12):
        wait(tmp_path, "import", f"imported {n}")
    before = examples(cut_of(tmp_path, [row(0)]))
    gone = cut_of(tmp_path, [row(0, signature="Another")])
    after = examples(gone)
    assert {name: each["split"] for name, each in after.items()} == {
        name: each["split"] for name, each in before.items() if name != "question 0"
    }
    told = "its fields are taken to be those of v1, and its examples keep their split"
    assert gone.notes[0] == f"no call of {SIGNATURE} in the table: {told}"
    assert gone.metadata["fields_hash"] == row(0)["fields_hash"]


def test_a_torn_line_of_a_source_is_left_out_and_told(tmp_path):
    wait(tmp_path, "git", "whole")
    with pool_path(tmp_path, SIGNATURE, "git").open("ab") as file:
        file.write(b'{"inputs":')
    done = cut_of(tmp_path, [row(0)])
    assert set(examples(done)) == {"question 0", "whole"}
    assert "git: 1 lines are no examples and were left out" in done.notes


def test_a_relabelled_example_is_corrected_and_says_by_whom(tmp_path):
    edit(tmp_path, "relabel", 0, outputs={"answer": "by hand"})
    edit(tmp_path, "relabel", 1, quality=0.5)
    done = cut_of(tmp_path, [row(0), row(1)])
    found = examples(done)
    first, second = found["question 0"], found["question 1"]
    assert (first["outputs"], first["label"], first["quality"]) == ({"answer": "by hand"}, "corrected", 1.0)
    assert (second["outputs"], second["label"], second["quality"]) == ({"answer": "because"}, "judged", 0.5)
    provenance = {line["example_id"]: line["metadata"] for line in lines(done.path / "provenance.jsonl")}
    assert provenance[first["example_id"]]["edits"] == [
        {"kind": "relabel", "who": "ada", "why": "because", "timestamp_ms": 7}
    ]


def test_a_candidates_output_that_a_person_replaced_may_be_a_test(tmp_path):
    rows = [row(n, module_version="candidate" if n % 2 else "baseline") for n in range(100)]
    of_test = [n for n in range(1, 100, 2) if keys.split_hash(rows[n]["dedup_key"]) >= int(0.85 * 2**64)]
    edit(tmp_path, "relabel", of_test[0], outputs={"answer": "right"})
    edit(tmp_path, "relabel", of_test[1], quality=0.9)
    done = cut_of(tmp_path, rows)
    found = {each["inputs"]["question"] for each in lines(done.path / "test.jsonl")}
    assert f"question {of_test[0]}" in found
    assert f"question {of_test[1]}" not in found  # it is judged, and still a candidate's own words


def test_an_excluded_example_is_set_aside_with_who_and_why(tmp_path):
    edit(tmp_path, "exclude", 0)
    done = cut_of(tmp_path, [row(0), row(1)])
    assert set(examples(done)) == {"question 1"}
    (line,) = lines(done.path / "set_aside.jsonl")
    assert (line["gate"], line["reason"]) == ("excluded", 'excluded by ada: "because"')


def test_without_a_number_all_stay_and_with_one_the_difficulties_have_their_shares(tmp_path):
    rows = [row(n, latency_ms=200.0 + n * n) for n in range(300)]
    assert cut_of(tmp_path, rows).metadata["examples"] == 300
    done = cut_of(tmp_path, rows, most=100)
    counts = {}
    for split in done.metadata["splits"].values():
        for difficulty, count in split["difficulties"].items():
            counts[difficulty] = counts.get(difficulty, 0) + count
    assert counts == {"easy": 30, "medium": 50, "hard": 20}
    again = cut_of(tmp_path, rows[::-1], most=100)
    assert (again.path / "train.jsonl").read_bytes() == (done.path / "train.jsonl").read_bytes()


def test_drawing_keeps_rare_categories_and_the_sources_balance(tmp_path):
    rows = [row(n, attributes=json.dumps({"category": "rare" if n == 7 else "common"})) for n in range(300)]
    for n in range(40):
        wait(tmp_path, "git", f"from git {n}", category="of git")
    done = cut_of(tmp_path, rows, most=100)
    sources, categories = {}, {}
    for split in done.metadata["splits"].values():
        for found, told in ((sources, split["sources"]), (categories, split["categories"])):
            for name, count in told.items():
                found[name] = found.get(name, 0) + count
    assert sources["telemetry"] <= 80
    assert sum(sources.values()) == 100
    assert categories["rare"] == 1


def test_strict_makes_nothing_where_a_gate_is_not_passed(tmp_path):
    rows = [row(n, latency_ms=200.0 + n * n) for n in range(60)]
    made = {"category": None, "difficulty": None, "timestamp_ms": 1, "metadata": {}}
    line = {"inputs": {"question": "question 1"}, "outputs": {"answer": "of the import"}, **made}
    Pool(pool_path(tmp_path, SIGNATURE, "import")).append([line])
    done = cut_of(tmp_path, rows, is_strict=True)
    assert done.path is None
    failed = {verdict.gate: verdict for verdict in done.verdicts if not verdict.is_passed}
    assert failed.keys() == {"source balance", "duplicates across sources"}
    assert failed["duplicates across sources"].all_offenders.rows() == [
        (row(1)["dedup_key"][:32], "the same inputs stand as given of import")
    ]
    assert not (tmp_path / SIGNATURE / "v1").exists()
    gates = {"default": {"max_share_per_source": 1.0, "max_difficulty_deviation": 1.0, "max_duplicate_share": 0.1}}
    config = config_of(tmp_path, versions={"gates": gates})
    assert cut_of(tmp_path, rows, config, is_strict=True).path is not None


def test_telemetry_alone_is_not_judged_by_its_balance_and_passes(tmp_path):
    rows = [row(n, latency_ms=200.0 + n * n) for n in range(60)]
    done = cut_of(tmp_path, rows, is_strict=True)
    assert done.path is not None
    told = {each["gate"]: each for each in json.loads((done.path / "manifest.json").read_text())["gates"]}
    assert (told["source balance"]["is_passed"], told["source balance"]["is_judged"]) == (True, False)
    assert "| source balance | not judged |" in (done.path / "README.md").read_text()


def test_thresholds_can_differ_for_a_signature(tmp_path):
    gates = {"signatures": {SIGNATURE: {"min_examples": 61}}}
    done = cut_of(tmp_path, [row(n) for n in range(60)], config_of(tmp_path, versions={"gates": gates}))
    (verdict,) = [verdict for verdict in done.verdicts if verdict.gate == "minimum size"]
    assert (verdict.threshold, verdict.figure, verdict.is_passed) == (61, 60, False)


def test_inputs_that_differ_in_their_keys_only_stay_in_one_split(tmp_path):
    rows = [row(n, input='{"question":"one"}') for n in range(30)]
    done = cut_of(tmp_path, rows)
    splits = {name for name, split in done.metadata["splits"].items() if split["examples"]}
    assert len(splits) == 1
    assert done.set_aside["leakage"] == 30 - done.metadata["examples"]


def test_short_telemetry_is_told_with_what_to_change(tmp_path):
    key = row(0)["dedup_key"]
    tables = Tables(table([row(0)]), sightings_table(*((key, f"copy-{n}") for n in range(4))))
    config = config_of(tmp_path, optimization={"telemetry_target": 50})
    (target,) = [target for target in cut_of(tmp_path, tables, config).targets if target.source == "telemetry"]
    assert (target.wanted, target.found) == (50, 1)
    words = "\n".join(target.to_do)
    for word in ("were sampled at 10%;", "retention_days", "min_quality_score 0.7", "each input came 5.0 times"):
        assert word in words


def test_what_the_rows_say_decides_what_short_telemetry_is_told(tmp_path):
    said = {"inclusion_probability": 0.5, "module_name": "support", "dedup_policy": "fields:question"}
    rows = [row(n, **said) for n in range(3)]
    tables = Tables(
        table(rows), sightings_table(*((each["dedup_key"], f"copy-{n}") for each in rows for n in range(4)))
    )
    rates = {"sampling_rate_pct": 3, "modules": {"support": {"sampling_rate_pct": 100}}}
    config = config_of(tmp_path, telemetry=rates, optimization={"telemetry_target": 50})
    (telemetry, *_) = cut_of(tmp_path, tables, config).targets
    assert telemetry.to_do[0] == (
        "sample more: these calls were sampled at 50%; raise the service's telemetry.modules.support.sampling_rate_pct"
    )
    assert "5.0 times: the key of 3 of 3 rows leaves something out (fields:question): count" in telemetry.to_do[-1]


def harder(example):
    return 1.0 if example["inputs"]["question"].endswith("7") else 0.0


def failing(example):
    raise ValueError(example["inputs"]["question"])


def test_the_users_own_scorer_decides_how_hard_an_example_is(tmp_path):
    versions = {"difficulty_scorer": f"{__name__}:harder", "difficulty_bounds": [0.3, 0.6]}
    found = examples(cut_of(tmp_path, [row(n) for n in range(20)], config_of(tmp_path, versions=versions)))
    assert {question for question, each in found.items() if each["difficulty"] == "hard"} == {
        "question 7",
        "question 17",
    }


def test_a_scorer_that_fails_is_one_line_without_the_payload(tmp_path):
    from headrace_consumers.versions.errors import VersionsError

    config = config_of(tmp_path, versions={"difficulty_scorer": f"{__name__}:failing"})
    with pytest.raises(VersionsError) as caught:
        cut_of(tmp_path, [row(0)], config)
    assert str(caught.value).endswith(":failing: raised ValueError")
    assert list((tmp_path / SIGNATURE).glob(".building*")) == []


def test_no_source_has_more_than_its_share_of_a_version_and_replay_says_the_same(tmp_path):
    rows = [row(n, latency_ms=200.0 + n * n) for n in range(200)]
    for n in range(15):
        wait(tmp_path, "git", f"from git {n}")
    done = cut_of(tmp_path, rows)
    sources = Counter()
    for split in done.metadata["splits"].values():
        sources.update(split["sources"])
    assert sources == {"telemetry": 60, "git": 15}
    assert done.set_aside == {"source balance": 140}
    (line, *_) = [json.loads(each) for each in (done.path / "set_aside.jsonl").read_text().splitlines()]
    assert (line["gate"], line["reason"]) == ("source balance", "more than 80% would be of telemetry")
    for folder in ("again", "again/work"):
        (tmp_path / folder).mkdir()
    again = replay(done.path, Tables(table(rows)), tmp_path / "again", tmp_path / "again" / "work")
    assert (again.is_same, again.examples) == (True, 75)


@pytest.mark.parametrize(("wanted", "gave_way"), [(100, True), (120, True), (121, False)])
def test_where_the_balance_took_what_the_target_lacks_other_sources_are_what_helps(tmp_path, wanted, gave_way):
    for n in range(10):
        wait(tmp_path, "git", f"from git {n}")
    done = cut_of(
        tmp_path, [row(n) for n in range(120)], config_of(tmp_path, optimization={"telemetry_target": wanted})
    )
    (telemetry, *_) = done.targets
    assert (telemetry.source, telemetry.found, done.set_aside["source balance"]) == ("telemetry", 40, 80)
    line = "80 gave way to the source balance: more of other sources let more of them stay"
    assert (telemetry.to_do == (line,)) is gave_way
    if not gave_way:
        assert telemetry.to_do[0] == (
            "sample more: these calls were sampled at 10%; raise the service's telemetry.sampling_rate_pct"
        )
        assert telemetry.to_do[-1] == "80 were set aside; set_aside.jsonl says why"


def test_a_call_whose_inputs_others_have_is_one_call_of_those_that_tell_the_usual_kinds(tmp_path):
    """Twenty calls tell that an answer is a text; twelve whose inputs commits have are not twenty-four."""
    judged = feedback_table(*({"request_id": f"r-{n}", "score": 0.9} for n in range(12)))
    for n in range(12):
        wait(tmp_path, "git", f"question {n}", "from a commit")
    wait(tmp_path, "import", "question 12", outputs={"answer": ["a list"]})
    done = cut_of(tmp_path, Tables(table([row(n) for n in range(13)]), None, judged))
    assert examples(done)["question 12"]["source"] == "import"


def test_a_call_with_what_only_looks_like_a_tag_is_a_call(tmp_path):
    rows = [row(n) for n in range(5)]
    rows[2] = row(2, input='{"question":{"$hr:zzz":"1"}}')
    assert sum(each["examples"] for each in cut_of(tmp_path, rows).metadata["splits"].values()) == 5
