"""A run that is killed at each of its steps, and started again, does each of them once."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from headrace_consumers.cycle.artefacts import CycleStep, Decided, Optimized, RolledOut
from headrace_consumers.cycle.run_folder import RunFolder
from tests.support.cycles import SIGNATURE, config_of, cycle, noted, waiting

ROOT = Path(__file__).parents[3]
POINTS = [f"{edge}:{step}" for step in CycleStep for edge in ("before", "after")]
"""With all artefacts of the steps before; and with the work of a step done, and its artefact not there yet."""


def ends_of_runs(folder, points):
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(ROOT)])}
    command = [sys.executable, "-m", "tests.support.cycles", str(folder), *points]
    done = subprocess.run(command, cwd=ROOT, env=environ, timeout=240, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_killed_at_each_step_and_started_again_each_step_is_done_once(tmp_path):
    waiting(tmp_path)
    assert ends_of_runs(tmp_path, [*POINTS, "", ""]) == [-signal.SIGKILL] * len(POINTS) + [0, 0]
    assert list((tmp_path / "run").rglob(".*.json.*")) == []

    # A step that was killed between its work and its artefact asks the worker once more: its LM's answers are kept.
    assert noted(tmp_path / "jobs") == ["collect"] * 2 + ["baseline"] * 2 + ["optimize"] * 2
    assert [path.name for path in (tmp_path / "training_data" / SIGNATURE).glob("v*")] == ["v1"]
    assert len(noted(tmp_path / "registered")) == len(noted(tmp_path / "started")) == 1

    undisturbed = tmp_path / "undisturbed"
    waiting(undisturbed)
    cycle(undisturbed, config_of(undisturbed))
    killed, whole = (RunFolder(folder / "run").of(SIGNATURE) for folder in (tmp_path, undisturbed))
    assert killed.need(Decided).reason == whole.need(Decided).reason
    assert killed.need(Optimized).file_sha256 == whole.need(Optimized).file_sha256
    assert killed.need(RolledOut).registered == whole.need(RolledOut).registered
