"""The second cycle: compared with what the first one has brought; and runs that work beside each other."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from headrace_consumers.cycle.artefacts import Baseline, CutMade, CycleStep, Optimized, RolledOut
from headrace_consumers.cycle.report import report
from headrace_consumers.cycle.rolling_out import Served
from headrace_consumers.cycle.run_folder import RunFolder
from headrace_consumers.cycle.run_lock import held_signature
from headrace_consumers.versions.cutting.asked import RolloutVersions
from headrace_schemas.programs import Program
from tests.support.cycles import SIGNATURE, Shipper, Worker, config_of, cycle, noted, waiting


@pytest.fixture
def config(tmp_path):
    waiting(tmp_path)
    return config_of(tmp_path)


@pytest.fixture
def shipper(tmp_path):
    return Shipper(tmp_path, now=Served("baseline", None))


def folder_of(tmp_path, name="run"):
    return RunFolder(tmp_path / name).of(SIGNATURE)


def promoted(tmp_path, config, shipper):
    """Do the first month, and promote what it has found."""
    (ran,) = cycle(tmp_path, config, shipping=shipper)
    assert ran.is_complete
    digest = folder_of(tmp_path).need(RolledOut).registered
    shipper.now = Served("optimized_v1", digest)
    return digest


def test_the_second_month_is_compared_with_what_the_first_has_promoted(tmp_path, config, shipper):
    said = []
    cycle(tmp_path, config, shipping=shipper, until=CycleStep.BASELINE, say=said.append)
    assert any(", of the code as it is deployed, which is served; " in line for line in said)
    digest = promoted(tmp_path, config, shipper)
    first = folder_of(tmp_path).need(Baseline)
    assert (first.served.version, first.served.digest, first.notes) == ("baseline", None, [])
    worker, said = Worker(tmp_path), []
    (ran,) = cycle(tmp_path, config, shipping=shipper, work=worker, output_dir=tmp_path / "next", say=said.append)
    assert (ran.failure, ran.is_complete) == (None, True)
    given = {job.task: job.served for job in worker.jobs}
    assert given["collect"] is None
    assert Program.decoded(given["baseline"].encode()).digest == digest
    assert given["optimize"] == given["baseline"]
    kept = json.loads((folder_of(tmp_path, "next").path / "baseline.json").read_bytes())["served"]
    assert kept == {"version": "optimized_v1", "digest": digest, "fits": True}
    assert any(", of optimized_v1, which is served; " in line for line in said)
    assert f"optimized_v1 ({digest[:12]}), which is served" in report(RunFolder(tmp_path / "next"))


def test_answers_of_a_promoted_version_are_the_services_own_in_the_next_cut(tmp_path, config, shipper):
    shipper.rolled_out = RolloutVersions(frozenset({"optimized_v1"}))
    cycle(tmp_path, config, shipping=shipper, until=CycleStep.CUT)
    made = folder_of(tmp_path).need(CutMade)
    manifest = json.loads((Path(made.path) / "manifest.json").read_bytes())
    assert manifest["recipe"]["baseline_versions"] == ["baseline", "optimized_v1"]


def test_where_another_version_is_served_by_the_roll_out_nothing_is_shipped(tmp_path, config, shipper):
    cycle(tmp_path, config, shipping=shipper, until=CycleStep.DECIDE)
    shipper.now = Served("by_hand", "2" * 64)
    (ran,) = cycle(tmp_path, config, shipping=shipper)
    line = str(ran.failure)
    assert "compared with the code as it is deployed, and by_hand is served by now; nothing is shipped" in line
    assert "Remove baseline.json, optimize.json, decide.json in " in line
    assert (noted(tmp_path / "registered"), noted(tmp_path / "started")) == ([], [])
    shipper.now = Served("baseline", None)  # it was rolled back
    assert cycle(tmp_path, config, shipping=shipper)[0].is_complete


def test_a_run_that_was_killed_after_its_own_rollout_began_takes_it_for_its_own(tmp_path, config, shipper):
    digest = promoted(tmp_path, config, shipper)
    (folder_of(tmp_path).path / "roll-out.json").unlink()
    (ran,) = cycle(tmp_path, config, shipping=shipper)
    assert (ran.failure, ran.last.registered) == (None, digest)


def test_where_nothing_tells_what_is_served_it_is_said(tmp_path, config):
    cycle(tmp_path, config)
    found = folder_of(tmp_path).need(Baseline)
    assert found.served is None
    (note,) = found.notes
    assert note.startswith(
        "compared with the code as it is deployed: without kafka.bootstrap_servers and registry.path"
    )


def test_a_rollout_under_way_and_a_version_that_fits_no_more_are_told(tmp_path, config, shipper):
    promoted(tmp_path, config, shipper)
    shipper.now = replace(shipper.now, under_way="triage-2")
    worker = Worker(tmp_path, changes={"baseline": {"misfit": "program triage optimized_v1: has other fields"}})
    cycle(tmp_path, config, shipping=shipper, work=worker, output_dir=tmp_path / "next")
    found = folder_of(tmp_path, "next").need(Baseline)
    assert found.served.fits is False
    assert found.notes[0].startswith("program triage optimized_v1: has other fields. Services answer with the code")
    assert found.notes[1].startswith("rollout triage-2 is under way")


def test_a_number_that_another_run_takes_first_is_left_to_it(tmp_path, config, shipper):
    shipper.taken = ["optimized_v1", "optimized_v2"]  # between the look and the put, twice
    (ran,) = cycle(tmp_path, config, shipping=shipper)
    assert ran.failure is None
    assert folder_of(tmp_path).need(Optimized).number == 1
    assert shipper.known["optimized_v3"] == ran.last.registered
    assert ran.last.notes == ["another run has taken optimized_v1 meanwhile; it is registered as optimized_v3"]
    (folder_of(tmp_path).path / "roll-out.json").unlink()  # killed after it was registered
    (again,) = cycle(tmp_path, config, shipping=shipper)
    assert again.last.registered == ran.last.registered
    assert sorted(shipper.known) == ["optimized_v1", "optimized_v2", "optimized_v3"]


def test_two_runs_do_not_work_on_a_signature_at_once(tmp_path, config):
    with held_signature(tmp_path / "training_data" / SIGNATURE):
        (ran,) = cycle(tmp_path, config, output_dir=tmp_path / "other")
    assert str(ran.failure).startswith(f"{SIGNATURE}: another run of the cycle works on it (process ")
    assert noted(tmp_path / "jobs") == []
    assert cycle(tmp_path, config, output_dir=tmp_path / "other")[0].is_complete
