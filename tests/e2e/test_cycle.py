"""`headrace cycle run` for two months on a real Kafka, killed on the way; a fake LM behind a real dspy.LM."""

import datetime as dt
import json
import os
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from headrace.datasets.fields import hashes_of
from headrace_consumers.cli import cycle_run, main
from headrace_schemas import canonical, keys
from headrace_schemas.programs import Program
from tests.support.committing import CommitPath
from tests.support.interactions import interaction, message_of
from tests.support.openai_server import MODEL, serving
from tests.support.rollout_consumer import Ground, RolloutConsumer
from tests.support.rollouts import Service
from tests.support.triage import ClassifyTicket
from tests.support.triage_lm import KEY_RULE, KEYS, RULE, TICKETS, right_queue, served_queue, triage_lm
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
SIGNATURE = "ClassifyTicket"
ROWS = 210
CORRECTED = 200
FIRST_MONTH = dt.datetime.now(dt.UTC)
SECOND_MONTH = FIRST_MONTH + dt.timedelta(days=31)


class Bench:
    """A table of calls, an LM, a Kafka, a configuration, and the command."""

    def __init__(self, folder, server, rules, ground):
        self.folder = folder
        self.server = server
        self.rules = rules
        self.ground = ground
        self.values = {
            **ground.values,
            "dataset": {"path": "table"},
            "versions": {"gates": {"default": {"max_difficulty_deviation": 1.0, "max_share_per_source": 1.0}}},
            "optimization": {
                "signatures": {SIGNATURE: {"program": "tests.support.triage:Triage", "module": "triage"}},
                "git_target": 0,
                "synthetic_target": 0,
                "telemetry_target": 20,
                "trials": 4,
                "lm": MODEL,
                "lm_api_base": server.url,
                "optimizer_options": {"num_candidates": 3, "max_bootstrapped_demos": 1, "max_labeled_demos": 1},
            },
        }
        (folder / "headrace.json").write_text(json.dumps(self.values))

    def commit(self, tickets, module_version, begin=0):
        """Put calls into the table that the program has answered as it is."""
        fields_hash = hashes_of(ClassifyTicket)[0]
        records = []
        for number, ticket in enumerate(tickets, begin):
            inputs = canonical.dumps({"ticket": ticket}).decode()
            records.append(
                interaction(
                    signature=SIGNATURE,
                    fields_hash=fields_hash,
                    module_name="triage",
                    module_version=module_version,
                    request_id=f"r-{number}",
                    input=inputs,
                    output=json.dumps({"queue": served_queue(ticket)}),
                    dedup_key=keys.dedup_key(SIGNATURE, fields_hash, inputs.encode()),
                )
            )
        with closing(CommitPath(self.folder, position=begin or None)) as path:
            path.commit([message_of(record, offset) for offset, record in enumerate(records, begin)])

    def promote(self):
        """Let the controller see calls by which it promotes the candidate."""
        controller = RolloutConsumer(self.ground)
        try:
            controller.start()
            began_ms = time.time_ns() // 1_000_000 - 20_000
            controller.serve(Service("host", began_ms, "triage", candidate=0.03), "triage", 100)
            wait_until(lambda: self.ground.experiment("triage").state == "promoted", "the controller promotes it")
        finally:
            controller.kill()


@pytest.fixture
def bench(tmp_path, kafka):
    """A bench of the test's own: what a month has done is not done again, not by a second try either."""
    rules = [RULE]
    with serving(triage_lm(rules)) as server:
        made = Bench(tmp_path, server, rules, Ground(kafka, tmp_path))
        made.commit(TICKETS[:ROWS], "baseline")
        yield made


@pytest.fixture
def headrace(bench, monkeypatch, capsys):
    """Run the command in this process, in some month; return what it says."""
    for name in [name for name in os.environ if name.startswith("HEADRACE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *sys.path]))
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    monkeypatch.chdir(bench.folder)

    def run(*arguments, month=FIRST_MONTH):
        monkeypatch.setattr(cycle_run, "_now", lambda: month)
        code = main([*map(str, arguments), "--config", "headrace.json"])
        out, err = capsys.readouterr()
        assert (code, err) == (0, "")
        return out

    return run


@pytest.fixture
def corrected(bench, headrace):
    """Let people say what the answers should have been."""

    def say(tickets):
        told = [{"ticket": ticket, "queue": right_queue(ticket)} for ticket in tickets]
        (bench.folder / "right.json").write_text(json.dumps(told))
        headrace("dataset", "import-examples", "right.json", "-s", "tests.support.triage:ClassifyTicket")

    return say


def steps(headrace, run):
    return json.loads(headrace("cycle", "show", run, "--json"))["steps"][SIGNATURE]


def test_where_nobody_has_looked_at_the_answers_nothing_is_optimized_or_shipped(headrace):
    out = headrace("cycle", "run", "--output-dir", "unverified")
    assert "100% of the test's outputs are the program's own answers that nobody looked at" in out
    done = steps(headrace, "unverified")
    assert "optimize" not in done
    assert (done["cut"]["sources"], done["cut"]["telemetry_share"]) == ({"telemetry": ROWS}, 1.0)
    assert done["baseline"]["score"] == 1.0  # it repeats itself
    assert done["decide"]["outcome"] == "unverified"


def test_a_better_program_is_found_each_month_and_one_is_found_though_the_run_was_killed(bench, headrace, corrected):
    corrected(TICKETS[:CORRECTED])
    first_month_killed_while_it_optimizes(bench, headrace)
    bench.promote()
    bench.commit(KEYS, "optimized_v1", begin=ROWS)
    corrected(KEYS[:80])
    bench.rules.append(KEY_RULE)
    second_month_goes_on_from_what_was_promoted(bench, headrace)


def first_month_killed_while_it_optimizes(bench, headrace):
    command = [sys.executable, "-m", "headrace_consumers.cli", "cycle", "run", "--config", "headrace.json"]
    killed = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    log = bench.folder / "logs" / f"optimization_{FIRST_MONTH:%Y%m}.log"
    try:
        wait_until(lambda: log.exists() and "trial 2 of" in log.read_text(), "the second trial", 600)
    finally:
        killed.kill()
        killed.wait()
    before = len(bench.server.requests)

    out = headrace("cycle", "run")
    done = steps(headrace, f"{FIRST_MONTH:%Y%m}")
    optimized, cut = done["optimize"], done["cut"]
    assert cut["sources"] == {"import": CORRECTED, "telemetry": ROWS - CORRECTED}
    assert cut["telemetry_share"] == pytest.approx((ROWS - CORRECTED) / ROWS)
    assert optimized["comparison"]["candidate"] > optimized["comparison"]["baseline"]
    assert optimized["comparison"]["low"] > 0
    assert done["decide"]["outcome"] == "ship"
    assert "shipped: " in out

    run = bench.folder / "optimization" / f"optimization_{FIRST_MONTH:%Y%m}"
    program = Program.decoded((run / SIGNATURE / optimized["file"]).read_bytes())
    told = program.predictors["classify"]
    assert RULE in told.instructions or any("parcel" in demo["ticket"] for demo in told.demos)
    assert program.dataset == {"signature": SIGNATURE, "version": cut["version"]}
    assert sorted(path.name for path in (run / SIGNATURE).iterdir() if path.suffix != ".json") == ["spent.jsonl"]
    registered = done["roll-out"]["registered"]
    assert registered == program.digest
    assert (bench.folder / "registry" / "programs" / f"{registered}.json").is_file()
    assert done["roll-out"]["rollout_id"].startswith("triage-optimized_v1-")
    (order,) = bench.ground.orders("triage")
    assert (order.state, order.candidate_share, order.candidate.digest) == ("running", 0.1, registered)

    asked = [json.dumps(each, sort_keys=True) for each in bench.server.requests]
    again = set(asked[before:]) & set(asked[:before])
    assert len(again) <= 8, "only what was under way when it was killed is asked again"
    report = (run / "report.html").read_text()
    assert "shipped" in report
    assert "<script" not in report
    assert "where is my" not in report

    assert "the next is the next month's" in headrace("cycle", "run")
    assert len(bench.server.requests) == len(asked)
    assert len(bench.ground.orders("triage")) == 1


def second_month_goes_on_from_what_was_promoted(bench, headrace):
    headrace("cycle", "run", month=SECOND_MONTH)
    first, second = (steps(headrace, f"{month:%Y%m}") for month in (FIRST_MONTH, SECOND_MONTH))
    cut, baseline, optimized = (second[name] for name in ("cut", "baseline", "optimize"))
    assert cut["sources"] == {"import": CORRECTED + 80, "telemetry": ROWS - CORRECTED + 10}
    manifest = json.loads((bench.folder / cut["path"] / "manifest.json").read_bytes())
    assert manifest["recipe"]["baseline_versions"] == ["baseline", "optimized_v1"]
    assert int(cut["version"][1:]) == int(first["cut"]["version"][1:]) + 1
    promoted = first["roll-out"]["registered"]
    assert baseline["served"] == {"version": "optimized_v1", "digest": promoted, "fits": True}
    assert 0.5 < baseline["score"] < 1
    assert optimized["comparison"]["low"] > 0
    assert optimized["file"] == f"{SIGNATURE}_optimized_v2.json"
    assert second["roll-out"]["details"]["baseline"] == "optimized_v1"
    entries = [(entry.what, entry.candidate.version, entry.share) for entry in bench.ground.entries("triage")]
    v1, v2 = "optimized_v1", "optimized_v2"
    assert entries == [("start", v1, 0.1), ("promote", v1, 0.5), ("promote", v1, 1.0), ("start", v2, 0.1)]
    listed = headrace("cycle", "ls")
    assert [line.split()[0] for line in listed.splitlines()[-2:]] == [f"{m:%Y%m}" for m in (FIRST_MONTH, SECOND_MONTH)]
