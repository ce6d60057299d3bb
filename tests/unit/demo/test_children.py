"""Child processes: every line arrives, and none outlives its block."""

import os
import queue
import sys

import pytest

from headrace_consumers.demo.children import Child

TALKS = "import sys; print('out'); print('headrace: why', file=sys.stderr); print('last', file=sys.stderr); sys.exit(3)"
STUBBORN = (
    "import signal, sys, threading; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "print('ready', flush=True); threading.Event().wait()"
)


@pytest.fixture
def start(tmp_path):
    lines = queue.Queue()

    def start(program):
        child = Child("child", [sys.executable, "-c", program], os.environ, tmp_path / "child.log", lines)
        return child, lines

    return start


def heard(lines):
    """All lines until both streams have ended."""
    texts, ended = [], 0
    while ended < 2:
        line = lines.get(timeout=30)
        ended += line.text is None
        texts += [] if line.text is None else [(line.stream, line.text)]
    return texts


def test_all_lines_arrive_and_are_kept(start):
    child, lines = start(TALKS)
    with child:
        texts = heard(lines)
    assert sorted(texts) == [("stderr", "headrace: why"), ("stderr", "last"), ("stdout", "out")]
    assert child.exit_code == 3
    assert sorted(child.log_path.read_text().split("\n")) == ["", "headrace: why", "last", "out"]


def test_its_one_error_line_explains_best(start):
    child, lines = start(TALKS)
    with child:
        heard(lines)
    assert child.why() == "why"


def test_a_child_that_said_nothing(start):
    child, lines = start("raise SystemExit(1)")
    with child:
        heard(lines)
    assert child.why() == "it said nothing"


def test_leaving_the_block_ends_it(start):
    child, lines = start("import threading; print('ready', flush=True); threading.Event().wait()")
    with child:
        assert lines.get(timeout=30).text == "ready"
        assert child.exit_code is None
    assert child.exit_code == -15


def test_one_that_ignores_sigterm_is_killed(start):
    child, lines = start(STUBBORN)
    assert lines.get(timeout=30).text == "ready"
    child.stop(grace_s=0.2)
    assert child.exit_code == -9
