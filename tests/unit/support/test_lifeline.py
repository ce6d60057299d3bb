import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.support.lifeline import LOG, Lifeline
from tests.support.waiting import wait_until

_ROOT = Path(__file__).parents[3]
_CHILD = "import os, signal; print(os.getpid(), flush=True); signal.pause()"
_RUN = f"""
import signal, sys
from tests.support.lifeline import Lifeline
Lifeline("process", sys.argv[1], sys.executable, "-c", {_CHILD!r})
signal.pause()
"""


def _pid_in(folder: Path) -> int:
    log = folder / LOG
    return int(wait_until(lambda: log.exists() and log.read_text().strip(), "the child's process id"))


def _gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_what_a_killed_run_started_ends_and_its_folder_goes(tmp_path: Path, ending: signal.Signals) -> None:
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    with subprocess.Popen([sys.executable, "-c", _RUN, str(folder)], cwd=_ROOT) as run:
        pid = _pid_in(folder)
        run.send_signal(ending)
        assert run.wait(60) == -ending
    wait_until(lambda: _gone(pid), "the end of the child")
    wait_until(lambda: not folder.exists(), "the removal of its folder")


def test_cutting_ends_it_and_may_be_done_twice(tmp_path: Path) -> None:
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    lifeline = Lifeline("process", str(folder), sys.executable, "-c", _CHILD)
    pid = _pid_in(folder)
    assert lifeline.holds()
    lifeline.cut()
    lifeline.cut()
    assert (lifeline.holds(), _gone(pid), folder.exists()) == (False, True, False)


def test_what_ends_by_itself_leaves_its_log(tmp_path: Path) -> None:
    lifeline = Lifeline("process", str(tmp_path), sys.executable, "-c", "raise SystemExit('last words')")
    wait_until(lambda: not lifeline.holds(), "the end of the child")
    assert (tmp_path / LOG).read_text() == "last words\n"
    lifeline.cut()
