"""A warm start is a process as any other: files, environment, folder, exit code, signals."""

import os
import signal
import subprocess
import sys

import pytest

from tests.support import warm
from tests.support.waiting import wait_until


def _cold(*arguments, env=None, cwd=None):
    command = [sys.executable, "-m", "headrace_consumers.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=env, cwd=cwd, check=False, timeout=120)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--version",),
        ("config", "show"),
        ("config", "show", "--config", "missing.json"),
        ("topics", "check"),
        ("nothing",),
    ],
)
def test_it_says_and_ends_as_a_cold_start_does(tmp_path, arguments):
    environ = {**os.environ, "HEADRACE_TELEMETRY__SAMPLING_RATE_PCT": "7"}
    cold, warmed = (start(*arguments, env=environ, cwd=tmp_path) for start in (_cold, warm.run))
    assert (warmed.returncode, warmed.stdout, warmed.stderr) == (cold.returncode, cold.stdout, cold.stderr)


LINES = """
import os, sys
from pathlib import Path
Path(sys.argv[1]).write_text(f"{__name__} {sys.argv[2:]} {os.environ['KIND']}")
"""


def test_lines_of_python_are_run_with_their_arguments_and_what_ends_them_is_told(tmp_path):
    environ = {**os.environ, "KIND": "warm"}
    assert warm.code(LINES, tmp_path / "said", 1, "two", env=environ) == 0
    assert (tmp_path / "said").read_text() == "__main__ ['1', 'two'] warm"
    assert warm.code("import os\nos.kill(os.getpid(), 9)") == -signal.SIGKILL
    assert warm.code("raise SystemExit(3)") == 3


def test_a_killed_one_is_told_and_the_next_is_another(tmp_path):
    (tmp_path / "headrace.json").write_text('{"kafka": {"bootstrap_servers": "127.0.0.1:9"}}')
    command = ["consume", "metrics", "--port", "0", "--config", str(tmp_path / "headrace.json"), "--log-format", "json"]
    with (tmp_path / "log").open("wb") as log:
        first, second = (warm.headrace(*command, stdout=log, stderr=log) for _ in range(2))
    wait_until(lambda: (tmp_path / "log").read_text().count('"serving"') == 2, "both to serve", 60)
    assert len({os.getpid(), first.pid, second.pid}) == 3
    assert first.poll() is None
    first.kill()
    assert first.wait(30) == -signal.SIGKILL
    number, second.pid = second.pid, first.pid  # the system may give it again to the next process
    assert second.poll() is None
    second.pid = number
    second.terminate()
    assert second.wait(30) == 0
