"""The parts of `headrace demo --alerts` that need no Prometheus."""

import json
import signal
import subprocess
import sys
import urllib.request
from itertools import islice
from pathlib import Path

import pytest

from headrace_consumers.demo.conversation import DemoError
from headrace_consumers.demo.inbox import Told, inbox, told
from headrace_consumers.demo.incident import alert_lines
from headrace_consumers.demo.incident_service import FAILS_EVERY, mishaps
from headrace_consumers.demo.story import Story
from headrace_consumers.demo.tickets import Mishap
from headrace_consumers.demo.watchers import LEASH, find_programs
from tests.support.waiting import wait_until

ALERT = {
    "status": "firing",
    "labels": {"alertname": "Low", "severity": "critical"},
    "annotations": {"description": "Alert: low\nCurrent: 80%", "runbook_url": "runbook#low"},
}


def test_a_call_in_five_fails_in_an_incident_and_none_outside_of_one():
    state = iter([False] * 10 + [True] * 10)
    came = list(islice(mishaps(lambda: next(state)), 20))
    assert came[:10] == [Mishap.none] * 10
    assert came[10:].count(Mishap.outage) == 10 // FAILS_EVERY


def test_what_alertmanager_tells_arrives_and_a_resolve_is_one():
    with inbox() as received:
        body = json.dumps({"version": "4", "alerts": [ALERT, {**ALERT, "status": "resolved"}]}).encode()
        with urllib.request.urlopen(urllib.request.Request(received.url, body, method="POST")) as answer:
            assert answer.status == 200
        came = [received.messages.get(timeout=10) for _ in range(2)]
    assert came == [
        Told("Low", "critical", False, "Alert: low\nCurrent: 80%", "runbook#low"),
        Told("Low", "critical", True, "Alert: low\nCurrent: 80%", "runbook#low"),
    ]


def test_an_alert_is_shown_as_a_person_gets_it():
    [alert] = told(json.dumps({"alerts": [ALERT]}).encode())
    assert [line.strip() for line in alert_lines(alert)] == [
        "",
        "Alert: low",
        "Current: 80%",
        "Runbook: runbook#low",
        "",
    ]


@pytest.mark.parametrize(
    ("there", "missing"),
    [
        ([], "Prometheus and Alertmanager not found"),
        (["prometheus"], "demo --alerts: Alertmanager not found"),
        (["alertmanager"], "demo --alerts: Prometheus not found"),
    ],
)
def test_a_program_that_is_not_installed_is_one_line_that_says_how(tmp_path: Path, there, missing):
    for name in there:
        (tmp_path / name).touch(mode=0o755)
    with pytest.raises(DemoError) as raised:
        find_programs(str(tmp_path))
    assert missing in str(raised.value)
    assert "apt-get install prometheus prometheus-alertmanager" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["alertmanager", "prometheus-alertmanager"])
def test_alertmanager_is_found_under_debians_name_too(tmp_path: Path, name):
    for each in ("prometheus", name):
        (tmp_path / each).touch(mode=0o755)
    assert find_programs(str(tmp_path)).alertmanager == str(tmp_path / name)


class _Clock:
    """Time that passes while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class _Ended:
    name, exit_code, log_path = "metrics", 1, Path("metrics.log")

    def why(self) -> str:
        return "the port is taken"


def test_the_story_has_the_seconds_since_it_began(capsys):
    clock = _Clock()
    story = Story(show=True, children=[], clock=clock, sleep=clock.sleep)
    clock.sleep(7)
    assert story.tell("incident") == 7
    assert capsys.readouterr().out == "   7 s  incident\n"


def test_a_story_that_waits_in_vain_says_for_what_and_one_whose_child_has_ended_says_why():
    clock = _Clock()
    with pytest.raises(DemoError, match="waited 90 s for the alert"):
        Story(show=False, children=[], clock=clock, sleep=clock.sleep).wait(lambda: None, "the alert")
    with pytest.raises(DemoError, match=r"the metrics failed: the port is taken; its log: metrics\.log"):
        Story(show=False, children=[_Ended()], clock=clock, sleep=clock.sleep).wait(lambda: None, "the alert")


def test_a_story_waits_as_long_as_there_is_progress():
    clock = _Clock()
    story = Story(show=False, children=[], patience_s=5, clock=clock, sleep=clock.sleep)
    assert story.wait(lambda: clock.now >= 60, "a minute", lambda: clock.now // 4)
    began = clock.now
    with pytest.raises(DemoError, match="waited 5 s for more of it"):
        story.wait(lambda: None, "more of it", lambda: min(clock.now, began + 30) // 4)
    assert clock.now == pytest.approx(began + 35, abs=4)


def _on_a_leash(program: str) -> tuple[subprocess.Popen[str], int]:
    """Start a program on a leash; return the leash and the program's process id."""
    argv = [*LEASH, sys.executable, "-c", f"import os; print(os.getpid(), flush=True); {program}"]
    leash = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert leash.stdout is not None
    return leash, int(leash.stdout.readline())


def _is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists() or "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text(encoding="utf-8")


@pytest.mark.parametrize("end", ["stdin", "SIGTERM"])
def test_what_is_on_a_leash_ends_with_whoever_holds_it(end):
    leash, pid = _on_a_leash("import threading; threading.Event().wait()")
    if end == "stdin":  # closed by the kernel when the demo is killed
        assert leash.stdin is not None
        leash.stdin.close()
    else:
        leash.send_signal(signal.SIGTERM)
    assert leash.wait(20) != 0
    wait_until(lambda: _is_gone(pid), "the end of the program")
    leash.stdout.close()
    if leash.stdin:
        leash.stdin.close()


def test_what_is_on_a_leash_may_end_by_itself():
    leash, _ = _on_a_leash("raise SystemExit(3)")
    assert leash.wait(20) == 3
    leash.communicate()
