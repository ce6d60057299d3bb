"""The worker of a cycle, as a process: it optimizes within its budget, and what is wrong is one line."""

import json
import os
import sys
from pathlib import Path

import dspy
import pytest

from headrace.config import load
from headrace.datasets.fields import hashes_of
from headrace.errors import UsageError
from headrace.programs import program_of
from headrace_consumers.cycle.errors import CycleError
from headrace_consumers.cycle.job import Job
from headrace_consumers.cycle.supervision import worked
from headrace_schemas.programs import Program
from tests.support.openai_server import MODEL, Reply, serving
from tests.support.triage import ClassifyTicket, RenamedTicket, Triage
from tests.support.triage_lm import RULE, TICKETS, right_queue, triage_lm
from tests.support.version_folders import example_line, write_version

ROOT = Path(__file__).parents[2]
SIGNATURE = "ClassifyTicket"
FIELDS = {"inputs": ["ticket"], "outputs": ["queue"]}


class Bench:
    """A dataset version, an LM, and jobs over both."""

    def __init__(self, folder, url, fields_hash):
        self.folder = folder
        self.url = url
        self.told = []
        lines = [example_line({"ticket": each}, {"queue": right_queue(each)}, label="given") for each in TICKETS[:60]]
        splits = {"train": lines[:20], "val": lines[20:40], "test": lines[40:]}
        write_version(folder / "training_data", splits, signature=SIGNATURE, fields_hash=fields_hash)
        self.ids = [line["example_id"] for line in splits["test"]]

    def work(self, task, name, *, signature=None, url=None, served=None, reserved_calls=0, **optimization):
        values = {
            "versions": {"path": str(self.folder / "training_data")},
            "optimization": {
                "signatures": {
                    SIGNATURE: {"program": "tests.support.triage:Triage", "module": "triage", **(signature or {})}
                },
                "lm": MODEL,
                "lm_api_base": url or self.url,
                "optimizer_options": {"num_candidates": 2, "max_bootstrapped_demos": 1, "max_labeled_demos": 1},
                "git_target": 0,
                "synthetic_target": 0,
                "trials": 3,
                **optimization,
            },
        }
        (self.folder / name).mkdir(exist_ok=True)
        job = Job(
            task=task,
            config=load(overrides=values, environ={}).model_dump(mode="json"),
            signature=SIGNATURE,
            folder=str(self.folder / name),
            version="v1",
            fields=FIELDS,
            number=1,
            served=served,
            reserved_calls=reserved_calls,
        )
        self.told = []
        with (self.folder / "lock").open("w") as lock:
            return worked(job, self.told.append, lock.fileno())


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch, serving(triage_lm()) as server:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *sys.path]))
        patch.setenv("OPENAI_API_KEY", "none")
        yield Bench(tmp_path_factory.mktemp("worker"), server.url, hashes_of(ClassifyTicket)[0])


def test_a_budget_is_not_passed_and_what_was_found_until_then_is_tested(bench):
    found = bench.work("optimize", "budget", trials=20, max_lm_calls=75)
    assert found["stopped"] == "lm_calls"
    # From the first evaluation on as much is set aside as the test takes.
    search = [each["lm_calls"] for each in bench.told if each["what"] == "trials"]
    assert max(search) <= 75 - len(bench.ids) < found["lm_calls"] <= 75
    assert set(found["scores"]) == set(bench.ids)
    assert Program.decoded(json.dumps(found["program"]).encode()).version == "optimized_v1"
    spent = (bench.folder / "budget" / "spent.jsonl").read_text().splitlines()
    assert len(spent) == found["lm_calls"]
    assert found["cost_usd"] == pytest.approx(sum(json.loads(line)["cost_usd"] for line in spent))


def test_a_budget_that_is_too_small_for_anything_finds_nothing(bench):
    found = bench.work("optimize", "nothing", max_lm_calls=3)
    assert (found["program"], found["trials"], found["stopped"], found["lm_calls"]) == (None, [], "lm_calls", 3)


def test_a_budget_that_leaves_a_search_nothing_is_one_line(bench):
    with pytest.raises(CycleError) as refused:
        bench.work("optimize", "nothing-left", max_lm_calls=50, reserved_calls=50)
    assert str(refused.value) == (
        "ClassifyTicket, optimize: optimization.max_lm_calls is 50: 0 of it are spent, and the test of a candidate "
        "takes 50 as the baseline's did, so that nothing is left for a search; raise it and start the run again"
    )
    assert (bench.folder / "nothing-left" / "spent.jsonl").read_bytes() == b""


def test_a_test_that_asks_more_than_was_set_aside_ends_at_the_budget_and_goes_on_with_a_larger_one(bench):
    well = triage_lm()

    def rambling(body):  # what does not fit the form is asked for once more
        is_of_test = any(ticket in json.dumps(body["messages"][-1]) for ticket in TICKETS[40:60])
        return Reply("I would not know.") if is_of_test else well(body)

    with serving(rambling) as server:
        line = "optimization.max_lm_calls is reached before the candidate was tested to its end; raise it and start"
        with pytest.raises(CycleError, match=line):
            bench.work("optimize", "tight", url=server.url, trials=20, max_lm_calls=75)
        spent = bench.folder / "tight" / "spent.jsonl"
        assert len(spent.read_text().splitlines()) == 75
        found = bench.work("optimize", "tight", url=server.url, trials=20, max_lm_calls=150)
    assert (found["failed"], found["stopped"], set(found["scores"])) == (20, "lm_calls", set(bench.ids))
    assert "trials" not in {each["what"] for each in bench.told}, "what was found is not looked for again"
    assert found["lm_calls"] <= 75 - len(bench.ids) + 2 * len(bench.ids) + 4


def test_gepa_is_a_second_choice(bench):
    found = bench.work("optimize", "gepa", optimizer="GEPA", optimizer_options={}, trials=2)
    assert (found["stopped"], set(found["scores"])) == (None, set(bench.ids))
    assert found["trials"]


def test_the_judge_scores_without_reading_a_label(bench):
    found = bench.work("baseline", "judge", metric="judge")
    assert (found["reads_labels"], found["score"], found["failed"]) == (False, 0.5, 0)
    assert found["model"] == MODEL
    assert found["signature_hashes"].keys() == {"classify"}


@pytest.mark.parametrize(
    ("changes", "error", "line"),
    [
        (
            {"signature": {"metric": "tests.support.triage:broken_metric"}},
            CycleError,
            "ClassifyTicket, baseline: the metric tests.support.triage:broken_metric raised KeyError at triage.py:",
        ),
        (
            {"signature": {"program": "tests.support.triage:RenamedTicket"}},
            CycleError,
            "has other fields than the class",
        ),
        ({"optimizer": "Unheard"}, UsageError, "optimization.optimizer Unheard: DSPy has no such optimizer"),
    ],
    ids=["metric", "signature", "optimizer"],
)
def test_what_is_wrong_is_one_line(bench, changes, error, line):
    task = "collect" if "optimizer" in changes else "baseline"
    with pytest.raises(error) as raised:
        bench.work(task, "wrong", **changes)
    assert line in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "where is my" not in str(raised.value)


def test_an_lm_that_refuses_is_one_line(bench):
    with (
        serving(lambda _: Reply(status=401)) as refusing,
        pytest.raises(
            CycleError, match=r"the LM did not answer a test example: .* start the run again once it answers"
        ),
    ):
        bench.work("baseline", "refused", url=refusing.url)
    assert (bench.folder / "refused" / "spent.jsonl").read_text() == ""


def program_saying(instructions, signature=ClassifyTicket):
    program = Triage()
    program.classify.signature = signature.with_instructions(instructions)
    program.classify.demos = [dspy.Example(ticket="where is my parcel?", queue="shipping")]
    return program_of(program, module="triage", version="optimized_v7")


def test_what_is_served_is_measured_and_the_search_begins_from_it(bench):
    served = program_saying(RULE)
    found = bench.work("baseline", "served", served=served.encoded().decode())
    assert (found["score"], found["misfit"]) == (1.0, None)
    assert bench.work("baseline", "deployed")["score"] < 1
    found = bench.work("optimize", "served", served=served.encoded().decode(), trials=1)
    told = Program.decoded(json.dumps(found["program"]).encode()).predictors["classify"]
    assert found["scores"] == dict.fromkeys(bench.ids, 1.0)
    assert found["is_changed"] == (told != served.predictors["classify"])


def test_a_version_of_other_fields_is_not_what_services_answer_with(bench):
    served = program_saying(RULE, RenamedTicket)
    found = bench.work("baseline", "misfit", served=served.encoded().decode())
    assert "predictor 'classify' has other fields than the one that it was made for" in found["misfit"]
    assert found["score"] < 1


def test_the_budget_bounds_the_baseline_and_a_larger_one_goes_on(bench):
    with pytest.raises(CycleError, match=r"optimization.max_lm_calls is reached before the baseline was measured"):
        bench.work("baseline", "small", max_lm_calls=5)
    spent = bench.folder / "small" / "spent.jsonl"
    assert len(spent.read_text().splitlines()) == 5
    assert bench.work("baseline", "small", max_lm_calls=100)["failed"] == 0
    assert len(spent.read_text().splitlines()) <= len(bench.ids) + 4  # what was under way is asked again


@pytest.mark.parametrize(
    ("budget", "key"), [({"max_lm_calls": 2}, "max_lm_calls"), ({"max_cost_usd": 1e-9}, "max_cost_usd")]
)
def test_the_budget_bounds_what_is_made_up_and_its_calls_count(bench, budget, key):
    found = bench.work("collect", key, synthetic_target=50, **budget)["synthetic"]
    spent = (bench.folder / key / "spent.jsonl").read_text().splitlines()
    assert 1 <= found["lm_calls"] == len(spent) <= 2
    assert found["ended"] == f"optimization.{key} is reached"
    if key == "max_lm_calls":
        with pytest.raises(CycleError, match="max_lm_calls is reached before the baseline"):
            bench.work("baseline", key, **budget)
