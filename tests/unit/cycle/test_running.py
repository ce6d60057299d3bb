"""A run from its first step to its last: what is done, what is not, and why; without LMs."""

import json

import pytest

from headrace.errors import DatasetError
from headrace_consumers.cycle.artefacts import Baseline, CutMade, CycleStep, Decided, Gated, Optimized, RolledOut
from headrace_consumers.cycle.errors import CycleError, RunBusyError
from headrace_consumers.cycle.failures import Failure, failure_of, keep_failure
from headrace_consumers.cycle.report import report
from headrace_consumers.cycle.run_folder import RunFolder, runs_in
from headrace_consumers.cycle.run_lock import held
from headrace_schemas.programs import Program
from tests.support.cycles import SIGNATURE, Shipper, Worker, config_of, cycle, noted, waiting


@pytest.fixture
def config(tmp_path):
    waiting(tmp_path)
    return config_of(tmp_path)


def folder_of(tmp_path):
    return RunFolder(tmp_path / "run").of(SIGNATURE)


def test_a_better_program_is_found_registered_and_rolled_out(tmp_path, config):
    said = []
    (ran,) = cycle(tmp_path, config, say=said.append)
    assert (ran.failure, ran.is_complete, ran.was_done) == (None, True, False)
    folder = folder_of(tmp_path)
    made, optimized, out = (folder.need(kind) for kind in (CutMade, Optimized, RolledOut))
    program = Program.decoded((folder.path / optimized.file).read_bytes())
    assert optimized.file == "ClassifyTicket_optimized_v1.json"
    assert (program.module, program.version) == ("triage", "optimized_v1")
    assert program.dataset == {"signature": SIGNATURE, "version": made.version}
    found = optimized.comparison
    assert program.scores["baseline"] == found.baseline
    assert (program.scores["optimized"], program.scores["interval"]) == (1.0, [found.low, found.high])
    assert program.predictors["classify"].signature_hash == "0" * 16
    assert out.registered == program.digest
    assert noted(tmp_path / "started") == [f"triage {program.digest}"]
    assert folder.need(Decided).reason.startswith(f"shipped: {found.baseline:.3f} -> 1.000 on {found.examples} test")
    told = "was started; headrace rollout status tells how it goes"
    assert said[-1] == f"{SIGNATURE}: rollout {out.rollout_id} {told}"


def test_what_is_done_is_not_done_again(tmp_path, config):
    cycle(tmp_path, config)
    before = {path: path.read_bytes() for path in (tmp_path / "run" / SIGNATURE).glob("*.json")}
    (ran,) = cycle(tmp_path, config)
    assert ran.was_done
    assert {path: path.read_bytes() for path in (tmp_path / "run" / SIGNATURE).glob("*.json")} == before
    assert noted(tmp_path / "jobs") == ["collect", "baseline", "optimize"]


def test_a_run_goes_as_far_as_it_is_asked_and_later_on_from_there(tmp_path, config):
    for step in CycleStep:
        (ran,) = cycle(tmp_path, config, until=step)
        assert (ran.failure, ran.last.step) == (None, step)
    assert noted(tmp_path / "jobs") == ["collect", "baseline", "optimize"]
    assert sorted(path.name for path in (tmp_path / "training_data" / SIGNATURE).glob("v*")) == ["v1"]


def test_a_step_that_fails_is_done_when_the_run_is_started_again(tmp_path, config):
    def failing(*_):
        raise CycleError("no LM")

    (ran,) = cycle(tmp_path, config, work=failing)
    assert (str(ran.failure), ran.last) == ("no LM", None)
    assert [path.name for path in (tmp_path / "run" / SIGNATURE).glob("*.json")] == ["failure.json"]
    assert cycle(tmp_path, config)[0].is_complete


def test_why_a_step_failed_is_kept_and_reported_until_it_is_done(tmp_path, config):
    def fail(line):
        def work(job, on_progress):
            if job.task == "optimize":
                raise CycleError(line)
            return Worker(tmp_path)(job, on_progress)

        cycle(tmp_path, config, work=work)
        return failure_of(folder_of(tmp_path))

    report = tmp_path / "run" / "report.html"
    assert fail("no key <b>").line() == "optimize failed at 2026-11-27T02:00:00Z: no key <b>"
    assert "</span> optimize failed at 2026-11-27T02:00:00Z: no key &lt;b&gt;</p>" in report.read_text()
    assert fail("no quota").reason == "no quota"
    cycle(tmp_path, config, until=CycleStep.BASELINE)
    assert failure_of(folder_of(tmp_path)).reason == "no quota"
    cycle(tmp_path, config)
    assert not (folder_of(tmp_path).path / "failure.json").exists()
    assert "failed at" not in report.read_text()


def test_a_failure_whose_step_is_done_by_now_is_none(tmp_path, config):
    cycle(tmp_path, config, until=CycleStep.GATE)
    folder = folder_of(tmp_path)
    for step, reason in ((CycleStep.COLLECT, None), (CycleStep.CUT, "killed before it was forgotten")):
        keep_failure(folder, Failure(step=step, failed_at="2026-11-27T02:00:00Z", reason=str(reason)))
        assert getattr(failure_of(folder), "reason", None) == reason
    (folder.path / "failure.json").write_text("{")
    assert failure_of(folder) is None


@pytest.mark.parametrize(
    ("optimization", "worker", "outcome", "told"),
    [
        ({}, {"gain": 0.0}, "no_improvement", "nothing is shipped: 0."),
        ({"min_improvement_pct": 150}, {}, "no_improvement", "at least 150% is asked for"),
        (
            {},
            {"changes": {"optimize": {"is_changed": False}}},
            "no_improvement",
            "found nothing better than the program",
        ),
        (
            {},
            {"changes": {"optimize": {"program": None, "scores": {}, "stopped": "lm_calls"}}},
            "stopped",
            "the budget of LM calls was spent (100) before any candidate was evaluated",
        ),
        ({"min_test_examples": 99}, {}, "too_few", "at least 99 are wanted"),
        (
            {},
            {"changes": {"baseline": {"unverified_share": 0.8}}},
            "unverified",
            "80% of the test's outputs are the program's own answers that nobody looked at, and the metric auto reads",
        ),
    ],
)
def test_nothing_is_shipped_and_it_is_said_why(tmp_path, optimization, worker, outcome, told):
    waiting(tmp_path)
    (ran,) = cycle(tmp_path, config_of(tmp_path, **optimization), work=Worker(tmp_path, **worker))
    assert (ran.failure, ran.is_complete) == (None, True)
    decided = folder_of(tmp_path).need(Decided)
    assert decided.outcome == outcome
    assert told in decided.reason
    assert noted(tmp_path / "registered") == []


def test_what_could_not_be_shipped_is_not_looked_for(tmp_path, config):
    worker = Worker(tmp_path, changes={"baseline": {"unverified_share": 0.8}})
    cycle(tmp_path, config, work=worker)
    assert noted(tmp_path / "jobs") == ["collect", "baseline"]
    reason = folder_of(tmp_path).need(Decided).reason
    assert "headrace.feedback" in reason
    assert "headrace dataset relabel" in reason
    assert "judge" in reason


def test_a_metric_that_reads_no_labels_needs_none_that_are_verified(tmp_path, config):
    worker = Worker(tmp_path, changes={"baseline": {"unverified_share": 1.0, "reads_labels": False}})
    cycle(tmp_path, config, work=worker)
    assert folder_of(tmp_path).need(Decided).outcome == "ship"


def test_an_allowed_share_of_unverified_labels_is_allowed(tmp_path):
    waiting(tmp_path)
    worker = Worker(tmp_path, changes={"baseline": {"unverified_share": 0.8}})
    cycle(tmp_path, config_of(tmp_path, max_unverified_share=0.9), work=worker)
    assert folder_of(tmp_path).need(Decided).outcome == "ship"


def test_gates_that_fail_stop_the_run_unless_they_are_told_not_to(tmp_path):
    waiting(tmp_path, 12)
    gates = {"gates": {"default": {"min_examples": 50}}}
    (ran,) = cycle(tmp_path, config_of(tmp_path, gates))
    assert "gates are not passed: minimum size (12 examples, at least 50 are wanted" in str(ran.failure)
    assert "optimization.strict_gates" in str(ran.failure)
    assert noted(tmp_path / "jobs") == ["collect"]
    assert not list((tmp_path / "training_data" / SIGNATURE).glob("v*"))
    cycle(tmp_path, config_of(tmp_path, gates, strict_gates=False), until=CycleStep.GATE)
    verdicts = {each.gate: each for each in folder_of(tmp_path).need(Gated).verdicts}
    assert not verdicts["minimum size"].is_passed
    assert verdicts["minimum size"].judges == "whole"
    assert (verdicts["source balance"].is_passed, verdicts["source balance"].is_judged) == (True, False)
    page = report(RunFolder(tmp_path / "run"))
    assert '<tr><td>minimum size</td><td><span class="bad">not passed</span></td><td>12 examples, ' in page
    assert '<tr><td>schema</td><td><span class="good">passed</span></td>' in page
    assert "<tr><td>source balance</td><td>not judged</td><td>all examples are of " in page
    assert page.count("<td>not judged</td>") == sum(not each.is_judged for each in verdicts.values())


def test_each_target_has_its_effect(tmp_path):
    waiting(tmp_path)
    said = []
    targets = {"telemetry_target": 7, "git_target": 5, "synthetic_target": 3}
    cycle(tmp_path, config_of(tmp_path, **targets), say=said.append, until=CycleStep.GATE)
    for line in ("telemetry: 0 of 7", "git: 0 of 5", "synthetic: 0 of 3"):
        assert any(line in each for each in said)
    (ran,) = cycle(
        tmp_path, config_of(tmp_path, **targets, require_targets=True), output_dir=tmp_path / "other", say=said.append
    )
    assert "targets are not reached: telemetry 0 of 7, git 0 of 5, synthetic 0 of 3; sample more" in str(ran.failure)


def test_the_number_goes_on_from_the_registry_and_other_runs(tmp_path, config):
    cycle(tmp_path, config, shipping=Shipper(tmp_path, known={"optimized_v4": "0" * 64, "by_hand": "1" * 64}))
    assert folder_of(tmp_path).need(Optimized).number == 5
    cycle(tmp_path, config, output_dir=tmp_path / "later")
    assert RunFolder(tmp_path / "later").of(SIGNATURE).need(Optimized).number == 6


def test_without_a_registry_a_rollout_or_somebody_to_start_it_the_run_says_what_is_left_to_do(tmp_path, config):
    def out(folder, **more):
        cycle(tmp_path, more.pop("config", config), output_dir=tmp_path / folder, **more)
        return RunFolder(tmp_path / folder).of(SIGNATURE).need(RolledOut)

    none = out("a", shipping=Shipper(tmp_path, has_registry=False))
    assert (none.registered, none.command) == (None, None)
    assert "registry.path is not set" in none.notes[0]
    command = "headrace rollout start triage optimized_v"
    for folder, more in (
        ("b", {"starts_rollouts": False}),
        ("c", {"config": config_of(tmp_path, rollout=False)}),
        ("d", {"shipping": Shipper(tmp_path, starts=False)}),
    ):
        found = out(folder, **more)
        assert found.registered is not None
        assert found.rollout_id is None
        assert found.command.startswith(command)
    assert noted(tmp_path / "started") == []


def test_the_version_is_in_use_until_the_run_is_over(tmp_path, config):
    used_by = tmp_path / "training_data" / SIGNATURE / "used_by"
    cycle(tmp_path, config, until=CycleStep.CUT)
    (marker,) = used_by.glob("*.json")
    assert json.loads(marker.read_bytes())["version"] == "v1"
    cycle(tmp_path, config)
    assert list(used_by.glob("*.json")) == []


def test_a_file_that_somebody_changed_is_noticed(tmp_path, config):
    cycle(tmp_path, config, until=CycleStep.DECIDE)
    folder = folder_of(tmp_path)
    program = folder.path / folder.need(Optimized).file
    before = program.read_bytes()
    program.write_bytes(before.replace(b"Better.", b"Worse."))
    (ran,) = cycle(tmp_path, config)
    assert "is not the file that was tested" in str(ran.failure)
    program.write_bytes(before)
    baseline = folder.file_of(CycleStep.BASELINE)
    baseline.write_bytes(baseline.read_bytes() + b"\n")
    (ran,) = cycle(tmp_path, config)
    assert "optimize.json: was made from another artefact of the step before than is there" in str(ran.failure)
    baseline.write_bytes(b"{}")
    (ran,) = cycle(tmp_path, config)
    assert "is no artefact of this release" in str(ran.failure)


def test_a_changed_example_is_noticed_before_anything_is_spent(tmp_path, config):
    cycle(tmp_path, config, until=CycleStep.CUT)
    version = tmp_path / "training_data" / SIGNATURE / "v1"
    (tmp_path / "run" / SIGNATURE / "cut.json").unlink()
    (version / "provenance.jsonl").write_bytes(
        (version / "provenance.jsonl").read_bytes().replace(b"import", b"telemetry")
    )
    (ran,) = cycle(tmp_path, config)
    assert isinstance(ran.failure, DatasetError)
    assert "is not the file that the manifest names" in str(ran.failure)


def test_a_changed_configuration_is_told_and_changes_only_what_is_not_done(tmp_path, config):
    cycle(tmp_path, config, until=CycleStep.BASELINE)
    said = []
    cycle(tmp_path, config_of(tmp_path, trials=7, min_improvement_pct=200), say=said.append)
    assert "changed since the run began: optimization.min_improvement_pct, optimization.trials" in said[0]
    assert folder_of(tmp_path).need(Decided).outcome == "no_improvement"


def test_two_runs_at_once_are_refused(tmp_path, config):
    (tmp_path / "run").mkdir()
    with held(tmp_path / "run"), pytest.raises(RunBusyError, match="another process works on this run"):
        cycle(tmp_path, config)
    assert cycle(tmp_path, config)[0].is_complete


def test_a_signature_that_fails_does_not_stop_the_others(tmp_path):
    waiting(tmp_path)
    other = {
        "Another": {"program": "a:B", "module": "another"},
        SIGNATURE: {"program": "triage:Triage", "module": "triage"},
    }
    first, second = cycle(tmp_path, config_of(tmp_path, signatures=other))
    assert "no example of Another" in str(first.failure)
    assert second.is_complete


def test_runs_are_found_wherever_they_are(tmp_path, config):
    cycle(tmp_path, config, until=CycleStep.COLLECT)
    cycle(tmp_path, config, until=CycleStep.COLLECT, output_dir=tmp_path / "elsewhere")
    cycle(tmp_path, config, until=CycleStep.GATE)
    assert {each.path.name for each in runs_in(tmp_path / "optimization")} == {"run", "elsewhere"}
    (tmp_path / "elsewhere" / "run.json").unlink()
    assert [each.path.name for each in runs_in(tmp_path / "optimization")] == ["run"]


def test_a_disk_that_refuses_is_one_line(tmp_path, config):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / SIGNATURE).write_text("no folder")
    (ran,) = cycle(tmp_path, config)
    assert str(ran.failure).endswith("collect.json: cannot be read (Not a directory)")


def test_what_a_signature_changes_holds_for_it_alone(tmp_path):
    waiting(tmp_path)
    signatures = {SIGNATURE: {"program": "t:T", "module": "triage", "min_improvement_pct": 500}}
    cycle(tmp_path, config_of(tmp_path, signatures=signatures))
    assert folder_of(tmp_path).need(Decided).required_pct == 500
    assert folder_of(tmp_path).need(Baseline).program == "t:T"
