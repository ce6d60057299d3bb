"""A real Prometheus and a real Alertmanager on free ports of 127.0.0.1, which end with the test run whatever comes."""

import json
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from tests.support.lifeline import LOG, Lifeline
from tests.support.prometheus_programs import NoProgramsError, Programs

__all__ = ["Alertmanager", "Prometheus", "run_tool", "start_alertmanager", "start_prometheus"]

_STARTUP_TIMEOUT_S: Final = 30
_ATTEMPTS: Final = 3
_OPENER: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""A proxy of the environment is not for this machine's own addresses."""


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus.

    Attributes:
        url: without a slash at the end.
        lifeline: ends it.
    """

    url: str
    lifeline: Lifeline

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the vector of an instant query: `metric` (labels) and `value` (time, text) each."""
        return list(self.ask("query", {"query": expression})["result"])

    def alerts(self, name: str) -> list[dict[str, Any]]:
        """Return the pending and firing alerts of a name: `labels`, `annotations`, `state`."""
        return [alert for alert in self.ask("alerts")["alerts"] if alert["labels"]["alertname"] == name]

    def ask(self, what: str, parameters: Mapping[str, str] | None = None) -> Any:
        """Return `data` of the HTTP API's answer at /api/v1/<what>."""
        return _answer(f"{self.url}/api/v1/{what}?{urllib.parse.urlencode(parameters or {})}")["data"]


@dataclass(frozen=True)
class Alertmanager:
    """A running Alertmanager.

    Attributes:
        url: without a slash at the end.
        lifeline: ends it.
    """

    url: str
    lifeline: Lifeline

    def alerts(self) -> list[dict[str, Any]]:
        """Return the alerts that it holds, those too that it tells nobody of."""
        return list(_answer(f"{self.url}/api/v2/alerts"))

    def give(self, *labels: Mapping[str, str]) -> None:
        """Let alerts fire, as Prometheus would."""
        body = json.dumps([{"labels": dict(each)} for each in labels]).encode()
        request = urllib.request.Request(f"{self.url}/api/v2/alerts", body, {"Content-Type": "application/json"})
        with _OPENER.open(request, timeout=30) as answer:
            assert answer.status == 200


def start_prometheus(
    programs: Programs,
    *,
    targets: Mapping[str, Sequence[str]],
    rules: Sequence[str] = (),
    alertmanager: Alertmanager | None = None,
    interval: str = "200ms",
    consoles: Mapping[str, str] | None = None,
) -> Prometheus:
    """Start a Prometheus.

    Args:
        programs: where it is.
        targets: job -> host:port each.
        rules: the text of rule files.
        alertmanager: gets its alerts.
        interval: between scrapes, and between evaluations of rules.
        consoles: file name -> page, at /consoles/.

    Raises:
        NoProgramsError: it did not start.
    """

    def command(folder: Path, address: str) -> list[str]:
        config: dict[str, Any] = {
            "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
            "rule_files": ["rules-*.yaml"],
            "scrape_configs": [
                {"job_name": job, "static_configs": [{"targets": list(of)}]} for job, of in targets.items()
            ],
        }
        if alertmanager is not None:
            host = alertmanager.url.removeprefix("http://")
            config["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [host]}]}]}
        for number, text in enumerate(rules):
            (folder / f"rules-{number}.yaml").write_text(text, encoding="utf-8")
        (folder / "consoles").mkdir(exist_ok=True)
        for name, page in (consoles or {}).items():
            (folder / "consoles" / name).write_text(page, encoding="utf-8")
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        return [
            str(programs.prometheus),
            f"--config.file={folder / 'prometheus.yaml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={address}",
            f"--web.external-url=http://{address}",
            f"--web.console.templates={folder / 'consoles'}",
            "--enable-feature=exemplar-storage",
            "--rules.alert.resend-delay=1s",
            "--log.level=warn",
        ]

    return Prometheus(*_start("prometheus", command))


def start_alertmanager(programs: Programs, webhook_url: str = "", config: str | None = None) -> Alertmanager:
    """Start an Alertmanager that sends every alert, and every resolve, to a webhook at once.

    Args:
        programs: where it is.
        webhook_url: where to.
        config: the text of another configuration.

    Raises:
        NoProgramsError: it did not start.
    """

    def command(folder: Path, address: str) -> list[str]:
        at_once = {
            "route": {
                "receiver": "webhook",
                "group_by": ["..."],
                "group_wait": "0s",
                "group_interval": "1s",
                "repeat_interval": "1h",
            },
            "receivers": [{"name": "webhook", "webhook_configs": [{"url": webhook_url, "send_resolved": True}]}],
        }
        (folder / "alertmanager.yaml").write_text(config or yaml.safe_dump(at_once), encoding="utf-8")
        return [
            str(programs.alertmanager),
            f"--config.file={folder / 'alertmanager.yaml'}",
            f"--storage.path={folder / 'data'}",
            f"--web.listen-address={address}",
            "--cluster.listen-address=",  # else it listens on all addresses for its peers
            "--log.level=warn",
        ]

    return Alertmanager(*_start("alertmanager", command))


def run_tool(program: Path, *arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run promtool or amtool to its end; what it says on both streams is in `stdout`."""
    return subprocess.run(
        [str(program), *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=270,  # of a pure computation on a busy machine; a test's own is 300
        check=False,
    )


def _start(name: str, command: Callable[[Path, str], list[str]]) -> tuple[str, Lifeline]:
    last_words = ""
    for _ in range(_ATTEMPTS):  # somebody else may take a free port before the server does
        folder = Path(tempfile.mkdtemp(prefix=f"headrace-{name}-"))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        lifeline = Lifeline("process", str(folder), *command(folder, address))
        if _is_ready(f"http://{address}/-/ready", lifeline):
            return f"http://{address}", lifeline
        last_words = (folder / LOG).read_text(errors="replace").strip().rpartition("\n")[2]
        lifeline.cut()
        shutil.rmtree(folder, ignore_errors=True)
    raise NoProgramsError(f"{name} did not start, in {_ATTEMPTS} attempts: {last_words or 'it said nothing'}")


def _is_ready(url: str, lifeline: Lifeline) -> bool:
    until = time.monotonic() + _STARTUP_TIMEOUT_S
    while time.monotonic() < until and lifeline.holds():
        try:
            with _OPENER.open(url, timeout=5) as answer:
                if answer.status == 200:
                    return True
        except OSError:
            pass
        time.sleep(0.02)
    return False


def _answer(url: str) -> Any:
    try:
        with _OPENER.open(url, timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{url}: {error.read().decode(errors='replace')}") from None
