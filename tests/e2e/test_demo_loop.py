"""`headrace demo --loop`: from a weak program's calls to a better one that serves all of them, offline."""

import json
import os
import subprocess
import sys

import pytest


@pytest.mark.timeout(900)  # a busy machine is slow, and the demo waits as long as it gets on
def test_the_loop_is_closed_and_the_program_is_better_by_far(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "headrace_consumers.cli", "demo", "--loop", "--dir", "loop", "--json"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=840,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["before"] < 0.5
    assert told["after"] > told["before"] + 0.2
    assert told["failed"] == 0
    assert told["rollout_id"].startswith("ticket-router-optimized_v1-")
    page = (tmp_path / "loop" / "cycle" / "report.html").read_text()
    assert told["rollout_id"] in page
