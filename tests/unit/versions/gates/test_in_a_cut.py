"""The gates of a cut set aside what offends, and their thresholds stand in the manifest."""

import json

from headrace_consumers.versions.sources.pool import Pool, pool_path
from tests.unit.versions.rows import SIGNATURE, config_of, cut_of, lines, row

LONG = " ".join(f"word{n % 23} of{n}" for n in range(40))


def with_offenders(folder, gates):
    made = {"category": None, "difficulty": "easy", "timestamp_ms": 1, "metadata": {}}
    answer = {"answer": "yes"}
    Pool(pool_path(folder, SIGNATURE, "import")).append(
        [
            {"inputs": {"question": LONG}, "outputs": answer, **made},
            {"inputs": {"question": f"{LONG} indeed"}, "outputs": answer, **made},
            {"inputs": {"question": "Who is ann@example.com?"}, "outputs": answer, **made},
            {"inputs": {"question": "Which one?"}, "outputs": {"answer": ""}, **made},
            {"inputs": {"query": "Which one?"}, "outputs": answer, **made},
        ]
    )
    rows = [row(n, output=json.dumps(answer)) for n in range(10)]
    return cut_of(folder, rows, config_of(folder, versions={"gates": gates}))


def test_what_offends_is_set_aside_with_gate_and_reason(tmp_path):
    done = with_offenders(tmp_path, {})
    aside = {line["gate"]: line["reason"] for line in lines(done.path / "set_aside.jsonl")}
    assert aside.keys() == {"schema", "personal data", "quality", "near duplicates"}
    assert aside["personal data"] == "email in input question"
    assert done.metadata["examples"] == 11
    told = {each["gate"]: each for each in json.loads((done.path / "manifest.json").read_text())["gates"]}
    assert (told["near duplicates"]["threshold"], told["near duplicates"]["set_aside"]) == (0.9, 1)
    assert not told["schema"]["is_passed"]


def test_thresholds_of_one_signature(tmp_path):
    changes = {"max_likeness": 1, "min_quality": 0, "personal_data_kinds": ["secret"]}
    done = with_offenders(tmp_path, {"signatures": {SIGNATURE: changes}})
    assert dict(done.set_aside) == {"schema": 1}
