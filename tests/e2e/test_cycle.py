"""`headrace cycle run` from a real table to a better program, killed on the way; a fake LM behind a real dspy.LM."""

import json
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from headrace.datasets.fields import hashes_of
from headrace_schemas import canonical, keys
from headrace_schemas.programs import Program
from tests.support.committing import CommitPath
from tests.support.interactions import interaction, message_of
from tests.support.openai_server import MODEL, serving
from tests.support.triage import ClassifyTicket
from tests.support.triage_lm import RULE, TICKETS, right_queue, served_queue, triage_lm
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
SIGNATURE = "ClassifyTicket"
ROWS = 210
CORRECTED = 200


class Bench:
    """A table of calls, an LM, a configuration, and the command."""

    def __init__(self, folder, server):
        self.folder = folder
        self.server = server
        self.environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")},
            "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
            "OPENAI_API_KEY": "none",
        }
        values = {
            "dataset": {"path": "table"},
            "registry": {"path": "programs"},
            "versions": {"gates": {"default": {"max_difficulty_deviation": 1.0, "max_share_per_source": 1.0}}},
            "optimization": {
                "signatures": {SIGNATURE: {"program": "tests.support.triage:Triage", "module": "triage"}},
                "git_target": 0,
                "synthetic_target": 0,
                "telemetry_target": 20,
                "trials": 4,
                "lm": MODEL,
                "lm_api_base": self.server.url,
                "optimizer_options": {"num_candidates": 3, "max_bootstrapped_demos": 1, "max_labeled_demos": 1},
            },
        }
        (self.folder / "headrace.json").write_text(json.dumps(values))

    def start(self, *arguments):
        command = [sys.executable, "-m", "headrace_consumers.cli", *map(str, arguments), "--config", "headrace.json"]
        return subprocess.Popen(
            command, cwd=self.folder, env=self.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def run(self, *arguments):
        process = self.start(*arguments)
        out, err = process.communicate(timeout=240)
        return process.returncode, out, err

    def steps(self, run):
        code, out, err = self.run("cycle", "show", run, "--json")
        assert code == 0, err
        return json.loads(out)["steps"][SIGNATURE]


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cycle")
    commit(folder)
    with serving(triage_lm()) as server:
        yield Bench(folder, server)


def commit(folder):
    """Calls that the program has answered as it is."""
    fields_hash = hashes_of(ClassifyTicket)[0]
    records = []
    for number, ticket in enumerate(TICKETS[:ROWS]):
        inputs = canonical.dumps({"ticket": ticket}).decode()
        records.append(
            interaction(
                signature=SIGNATURE,
                fields_hash=fields_hash,
                module_name="triage",
                module_version="baseline",
                request_id=f"r-{number}",
                input=inputs,
                output=json.dumps({"queue": served_queue(ticket)}),
                dedup_key=keys.dedup_key(SIGNATURE, fields_hash, inputs.encode()),
            )
        )
    with closing(CommitPath(folder)) as path:
        path.commit([message_of(record, offset) for offset, record in enumerate(records)])


def test_where_nobody_has_looked_at_the_answers_nothing_is_optimized_or_shipped(bench):
    code, out, err = bench.run("cycle", "run", "--output-dir", "unverified")
    assert (code, err) == (0, "")
    assert "100% of the test's outputs are the program's own answers that nobody looked at" in out
    steps = bench.steps("unverified")
    assert "optimize" not in steps
    assert (steps["cut"]["sources"], steps["cut"]["telemetry_share"]) == ({"telemetry": ROWS}, 1.0)
    assert steps["baseline"]["score"] == 1.0  # it repeats itself
    assert steps["decide"]["outcome"] == "unverified"


def test_killed_while_it_optimizes_and_started_again_it_finds_and_ships_a_better_program(bench):
    bench.folder.joinpath("right.json").write_text(
        json.dumps([{"ticket": ticket, "queue": right_queue(ticket)} for ticket in TICKETS[:CORRECTED]])
    )
    code, _, err = bench.run("dataset", "import-examples", "right.json", "-s", "tests.support.triage:ClassifyTicket")
    assert (code, err) == (0, "")

    killed = bench.start("cycle", "run", "--output-dir", "better", "--log-file", "better.log")
    log = bench.folder / "better.log"
    wait_until(lambda: log.exists() and "trial 2 of" in log.read_text(), "the second trial", 240)
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=60)
    before = len(bench.server.requests)

    code, out, err = bench.run("cycle", "run", "--output-dir", "better", "--log-file", "better.log")
    assert (code, err) == (0, "")
    steps = bench.steps("better")
    optimized, cut = steps["optimize"], steps["cut"]
    assert cut["sources"] == {"import": CORRECTED, "telemetry": ROWS - CORRECTED}
    assert cut["telemetry_share"] == pytest.approx((ROWS - CORRECTED) / ROWS)
    assert optimized["comparison"]["candidate"] > optimized["comparison"]["baseline"]
    assert optimized["comparison"]["low"] > 0
    assert steps["decide"]["outcome"] == "ship"
    assert "shipped: " in out

    folder = bench.folder / "better" / SIGNATURE
    program = Program.decoded((folder / optimized["file"]).read_bytes())
    told = program.predictors["classify"]
    assert RULE in told.instructions or any("parcel" in demo["ticket"] for demo in told.demos)
    assert program.dataset == {"signature": SIGNATURE, "version": cut["version"]}
    assert not (folder / "lm_cache").exists()
    registered = steps["roll-out"]["registered"]
    assert registered == program.digest
    assert (bench.folder / "programs" / "programs" / f"{registered}.json").is_file()
    assert "headrace rollout start --module triage --candidate optimized_v1" in out

    asked = [json.dumps(each, sort_keys=True) for each in bench.server.requests]
    again = set(asked[before:]) & set(asked[:before])
    assert len(again) <= 8, "only what was under way when it was killed is asked again"
    report = (bench.folder / "better" / "report.html").read_text()
    assert "shipped" in report
    assert "<script" not in report
    assert "where is my" not in report
