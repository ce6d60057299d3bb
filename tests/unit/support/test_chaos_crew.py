"""The crew of a chaos round ends its members, also those that a fault stops on the way."""

import subprocess
import sys

import pytest

from tests.chaos.dataset.crew import Crew, Member

_STOPS_ITSELF_WHEN_TOLD_TO_END = """
import os, signal, threading
told = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: told.set())
print("begun", flush=True)
told.wait()
os.kill(os.getpid(), signal.SIGSTOP)  # as HEADRACE_TEST_STOP_AT does at the last commit
"""


@pytest.fixture
def crew(tmp_path):
    crew = Crew(tmp_path / "headrace.json")
    yield crew
    crew.kill()


def test_a_member_that_stops_itself_after_sigterm_is_woken(crew):
    command = [sys.executable, "-c", _STOPS_ITSELF_WHEN_TOLD_TO_END]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with process.stdout:
        assert process.stdout.readline() == "begun\n"
        crew.all.append(Member(process))
        crew.end(timeout_s=60)
    assert process.returncode == 0
