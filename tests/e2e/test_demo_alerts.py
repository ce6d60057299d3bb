"""`headrace demo --alerts` as its user runs it."""

import os
import re
import subprocess
import sys
from pathlib import Path

HEADRACE = str(Path(sys.executable).with_name("headrace"))


def _demo(folder: Path, path: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")}
    return subprocess.run(
        [HEADRACE, "demo", "--alerts", *arguments],
        cwd=folder,
        env={**environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def _path(prometheus_tools) -> str:
    return f"{prometheus_tools.prometheus.parent}:{prometheus_tools.alertmanager.parent}:/usr/bin:/bin"


def test_an_alert_comes_and_goes_in_plain_lines(tmp_path, prometheus_tools):
    ended = _demo(tmp_path, _path(prometheus_tools))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert re.search(r"^ +\d+ s  incident: the language model fails one call in five$", ended.stdout, re.MULTILINE)
    assert "\n          Alert: DSPy module success rate < 95%\n          Module: support-desk\n" in ended.stdout
    assert re.search(r"^ +\d+ s  RESOLVED at the webhook, \d+ s later$", ended.stdout, re.MULTILINE)
    assert "ok: the alert came, and went when all was well" in ended.stdout
    assert (tmp_path / "demo-data" / "rules.yaml").is_file()
    (page, section) = re.search(r"^ +Runbook: file://(\S+)#(\S+)$", ended.stdout, re.MULTILINE).groups()
    assert f'id="{section}"' in Path(page).read_text(encoding="utf-8")


def test_without_prometheus_it_is_one_line_that_says_how_to_install_it(tmp_path):
    ended = _demo(tmp_path, str(tmp_path))
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.startswith("headrace: demo --alerts: Prometheus and Alertmanager not found; on Debian")
    assert ended.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_options_of_the_other_demo_are_refused(tmp_path):
    ended = _demo(tmp_path, os.environ["PATH"], "--kafka", "localhost:9092")
    assert ended.returncode == 2
    assert ended.stderr.startswith("headrace: demo --alerts: it has a broker and a configuration of its own")
