"""`headrace dataset cut --judge-lm`: an LM's gate among the others."""

import json

import pytest

from headrace_consumers.versions.sources.pool import Pool, pool_path
from tests.support.lm_answers import answering
from tests.support.openai_server import MODEL, serving

TARGETS = "tests.unit.versions.sources.targets"


@pytest.fixture
def waiting(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    made = {"category": None, "difficulty": "easy", "timestamp_ms": 1, "metadata": {}}
    rows = [{"inputs": {"ticket": f"ticket {n}"}, "outputs": {"queue": "bug"}, **made} for n in range(12)]
    Pool(pool_path(tmp_path / "training_data", "Route", "git")).append(rows)  # type: ignore[arg-type]


@pytest.mark.parametrize("option", ["--judge-api-base", "--judge-criteria"])
def test_what_is_said_of_a_judge_that_is_not_named_is_one_line(command, option):
    ended = command("dataset", "cut", "-s", "Route", option, "http://127.0.0.1:1")
    assert (ended.code, ended.error) == (2, f"{option}: needs --judge-lm MODEL or --judge-program MODULE:OBJECT")


@pytest.mark.usefixtures("waiting")
def test_what_it_finds_bad_is_set_aside(command, config_file):
    config = config_file({"versions": {"gates": {"signatures": {"Route": {"signature_class": f"{TARGETS}:Route"}}}}})
    asked = []

    def make(prompt):
        asked.append(prompt.inputs)
        return {"score": 0.1 if json.loads(prompt.inputs["inputs"])["ticket"] in {"ticket 3", "ticket 4"} else 0.9}

    with serving(answering(make)) as server:
        options = ("--config", config, "--judge-lm", MODEL, "--judge-api-base", server.url, "--json")
        ended = command("dataset", "cut", "-s", "Route", *options, "--judge-criteria", "one word")
        again = command("dataset", "cut", "-s", "Route", *options, "--judge-criteria", "one word")
        assert len(server.requests) == 12
    assert (ended.code, ended.err) == (0, "")
    assert ended.json["examples"] == again.json["examples"] == 10
    assert ended.json["set_aside"] == {"judge": 2}
    assert "Route a ticket." in asked[0]["task"]
    assert asked[0]["criteria"] == "one word"


@pytest.mark.usefixtures("waiting")
def test_most_bounds_what_is_asked_and_an_lm_away_is_one_line(command, tmp_path):
    with serving(answering(lambda _: {"score": 1.0})) as server:
        options = ("--judge-lm", MODEL, "--judge-api-base", server.url)
        assert command("dataset", "cut", "-s", "Route", *options, "--judge-most", "5").code == 0
        assert len(server.requests) == 5
    ended = command("dataset", "cut", "-s", "Route", "--judge-program", "no.such:Thing")
    assert ended.code == 2
    assert "--judge-program no.such:Thing: cannot be imported" in ended.error
    assert (
        "--judge-lm: no LM is configured"
        in command("dataset", "cut", "-s", "Route", "--judge-program", f"{TARGETS}:Route").error
    )
    assert not (tmp_path / "training_data" / "Route" / "v2").exists()
