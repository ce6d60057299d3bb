"""Edge cases are asked for where they lack, must fit and be new, and a run that was stopped goes on."""

import json
from collections import Counter

import polars as pl
import pytest

from headrace.config.consumers import Dedup
from headrace.config.versions import Difficulties, GateThresholds, SplitShares
from headrace.dedup import Policies
from headrace_consumers.versions.cutting.recipe import Recipe
from headrace_consumers.versions.files.examples import split_of
from headrace_consumers.versions.sources.pool import Pool, read_pool
from headrace_consumers.versions.sources.synthesis import EDGE_CASES, cells_of
from headrace_consumers.versions.sources.waiting import key_maker
from tests.support.lm_answers import answering, asked_by
from tests.support.openai_server import MODEL, Reply, serving
from tests.unit.versions.sources import targets

TARGETS = "tests.unit.versions.sources.targets"
WORDS = ["river", "stone", "lamp", "copper", "violin", "harbour", "meadow", "thunder", "pocket", "ladder", "candle"]


@pytest.fixture
def make(command, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "none")

    def run(server, *arguments, signature=f"{TARGETS}:Route"):
        lm = () if server is None else ("--lm", MODEL, "--api-base", server.url)
        return command("dataset", "synthesize", "--signature", signature, *lm, *arguments)

    return run


@pytest.fixture
def path(tmp_path):
    return tmp_path / "training_data" / "Route" / "sources" / "synthetic.jsonl"


class Inventive:
    """Answers as many new examples as are asked for."""

    def __init__(self):
        self.made = 0
        self.asked = []

    def __call__(self, asked):
        self.asked.append(asked.inputs)
        return {"examples": [self.example(asked) for _ in range(int(asked.inputs["count"]))]}

    def example(self, asked):
        self.made += 1
        ticket = f"{self.made} " + " ".join(WORDS[self.made * step % len(WORDS)] + str(self.made) for step in range(9))
        return {
            "inputs": {"ticket": ticket},
            "outputs": {"queue": "bug"},
            "category": asked.inputs["category"] or "own",
            "difficulty": asked.inputs["difficulty"],
        }


def test_another_folder_of_versions_can_be_filled(make, path, tmp_path):
    with serving(answering(Inventive())) as server:
        ended = make(server, "--target", "1", "--root", tmp_path / "elsewhere", "--json")
    assert ended.json["added"] == 1
    assert len(read_pool(tmp_path / "elsewhere/Route/sources/synthetic.jsonl").lines) == 1
    assert not path.exists()


def test_the_target_is_made_over_categories_and_difficulties(make, path):
    with serving(answering(Inventive())) as server:
        ended = make(server, "--category", "orders", "--category", "refunds", "--json")
    assert (ended.code, ended.err) == (0, "")
    assert (ended.json["ended"], ended.json["in_pool"], ended.json["added"]) == ("target", 20, 20)
    lines = read_pool(path).lines
    assert Counter((line["category"], line["difficulty"]) for line in lines) == {
        ("orders", "easy"): 3,
        ("orders", "medium"): 5,
        ("orders", "hard"): 2,
        ("refunds", "easy"): 3,
        ("refunds", "medium"): 5,
        ("refunds", "hard"): 2,
    }
    assert {line["metadata"]["edge_case"] for line in lines} <= set(EDGE_CASES)
    assert lines[0]["metadata"]["model"] == MODEL


def test_without_categories_the_lm_finds_its_own(make, path):
    with serving(answering(Inventive())) as server:
        make(server, "--target", "3")
    assert {line["category"] for line in read_pool(path).lines} == {"own"}


def test_a_run_that_was_stopped_goes_on_where_it_was(make, path):
    inventive = Inventive()
    with serving(answering(inventive)) as server:
        first = make(server, "--max-calls", "2", "--json").json
        second = make(server, "--json").json
        third = make(server, "--json").json
    assert first["ended"] == "calls"
    assert (second["ended"], second["in_pool"]) == ("target", 20)
    assert (third["asked"], third["added"]) == (0, 0)
    counts = Counter(line["difficulty"] for line in read_pool(path).lines)
    assert counts == {"easy": 6, "medium": 10, "hard": 4}


def test_real_examples_are_shown_and_their_categories_used_but_never_those_of_test(make, tmp_path, path):
    folder = tmp_path / "training_data" / "Route"
    (folder / "v3").mkdir(parents=True)
    (folder / "latest").write_text("v3\n")
    for split in ("train", "val", "test"):
        line = {"inputs": {"ticket": f"from {split}"}, "outputs": {"queue": "bug"}, "category": f"about {split}", "difficulty": "easy"}  # fmt: skip # noqa: E501
        (folder / "v3" / f"{split}.jsonl").write_text(json.dumps(line) + "\n")
    inventive = Inventive()
    with serving(answering(inventive)) as server:
        make(server, "--target", "4")
    shown = json.dumps(inventive.asked)
    assert "from train" in shown
    assert "from test" not in shown
    assert "from val" not in shown
    assert {line["category"] for line in read_pool(path).lines} == {"about train"}


@pytest.mark.parametrize("is_cut", [False, True])
def test_what_waits_for_test_is_never_shown(make, tmp_path, path, is_cut):
    fields = "f" * 16 if is_cut else ""
    if is_cut:
        folder = tmp_path / "training_data" / "Route"
        (folder / "v1").mkdir(parents=True)
        (folder / "latest").write_text("v1\n")
        (folder / "v1" / "train.jsonl").write_text("")
        recipe = Recipe(
            signature="Route", environment="production", fields_hash=fields, category_attribute="category",
            splits=SplitShares(), difficulties=Difficulties(), difficulty_bounds=None, thresholds=GateThresholds(),
            dedup=Dedup(), baseline_versions=(), most=None,
        )  # fmt: skip
        (folder / "v1" / "manifest.json").write_text(json.dumps({"recipe": recipe.as_json()}))
    tickets = [f"waits {n:03}." for n in range(60)]
    key_of = key_maker("Route", fields, Policies(Dedup()))
    splits = split_of(pl.Series([key_of({"ticket": each}) for each in tickets]), (0.7, 0.15, 0.15))
    line = {"outputs": {"queue": "bug"}, "difficulty": "easy", "timestamp_ms": 1, "metadata": {}}
    Pool(path.with_name("import.jsonl")).append(
        [
            {"inputs": {"ticket": each}, "category": f"about {split}", **line}
            for each, split in zip(tickets, splits, strict=True)
        ]
    )
    inventive = Inventive()
    with serving(answering(inventive)) as server:
        make(server, "--target", "30")
    seen = {each for each in tickets if each in json.dumps([asked["real_examples"] for asked in inventive.asked])}
    assert len(seen) > 15
    assert seen <= {each for each, split in zip(tickets, splits, strict=True) if split == "train"}
    assert {line["category"] for line in read_pool(path).lines} == {"about train"}


def test_what_is_not_new_or_does_not_fit_is_left_out_and_counted(make, path):
    old = {"inputs": {"ticket": "My order has not arrived in three weeks"}, "outputs": {"queue": "bug"}}
    pool = Pool(path.with_name("import.jsonl"))
    pool.append([{**old, "category": None, "difficulty": None, "timestamp_ms": 1, "metadata": {}}])
    inventive = Inventive()

    def some(asked):
        made = inventive(asked)["examples"]
        if len(inventive.asked) == 1:
            return {"examples": [{**made[0], "inputs": {"ticket": "my order has NOT arrived in three weeks!"}}]}
        return {"examples": [made[0], made[0]]}

    with serving(answering(some)) as server:
        ended = make(server, "--target", "4", "--json")
    assert ended.json["in_pool"] == 4
    assert ended.json["left_out"]["not_new"] >= 2
    assert ended.json["nothing"] == {"no example is new": 1}


def test_it_ends_where_nothing_new_comes(make, path):
    same = {"inputs": {"ticket": "a"}, "outputs": {"queue": "bug"}, "category": "c", "difficulty": "easy"}
    with serving(answering(lambda _: {"examples": [same]})) as server:
        ended = make(server)
    assert ended.code == 0
    assert "examples 1 of 20: the last questions gave nothing new" in " ".join(ended.out.split())
    assert len(read_pool(path).lines) == 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ([], "no example proposed"),
        ("a text", "no_examples"),
        ([{"inputs": {"ticket": "a"}, "outputs": {"queue": "other"}}], "no example fits"),
    ],
)
def test_where_no_answer_is_of_any_use_the_code_is_1(make, path, monkeypatch, answer, reason):
    monkeypatch.setattr(targets, "garbage", lambda **_: {"examples": answer}, raising=False)
    ended = make(None, "--program", f"{TARGETS}:garbage", "--lm", MODEL)
    assert ended.code == 1
    assert f"no answer of {MODEL} was of any use ({reason} 6)" in ended.error
    assert "answers of no use 6" in " ".join(ended.out.split())
    assert not path.exists()


def test_a_program_of_ones_own_makes_them(make):
    def guesses(asked):
        return {"ticket": asked.inputs["edge_case"], "queue": "bug"}

    with serving(answering(guesses)) as server:
        ended = make(server, "--program", f"{TARGETS}:OwnEdgeCases", "--target", "2", "--json")
    assert ended.json["in_pool"] == 2
    assert "edge_case" in asked_by(server.requests[0]).inputs


def test_an_lm_that_fails_is_one_line_and_leaves_what_was_made(make, path, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)  # DSPy waits between its own attempts
    inventive, calls = Inventive(), []

    def tires(body):
        calls.append(body)
        return answering(inventive)(body) if len(calls) == 1 else Reply(status=429)

    with serving(tires) as server:
        ended = make(server)
    assert ended.code == 1
    assert "start it again once the LM answers" in ended.error
    assert len(read_pool(path).lines) == 3


def test_no_lm_and_no_fields_are_one_line_each(make):
    assert "no LM is configured" in make(None).error
    assert "no example of it yet" in make(None, signature="Route").error


def test_cells_have_the_shares_of_the_configuration():
    assert cells_of(["a", "b", "a"], {"easy": 0.5, "medium": 0.5, "hard": 0.0}) == {
        ("a", "easy"): 0.25,
        ("b", "easy"): 0.25,
        ("a", "medium"): 0.25,
        ("b", "medium"): 0.25,
    }
