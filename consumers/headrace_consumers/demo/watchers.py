"""A local Prometheus and Alertmanager for the demo: found on the PATH, configured, started on free ports."""

import json
import shutil
import socket
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from headrace_consumers.demo.children import Child, Line
from headrace_consumers.demo.conversation import DemoError, environ_of
from headrace_consumers.demo.workspace import Workspace

if TYPE_CHECKING:
    import queue

__all__ = [
    "LEASH",
    "OPENER",
    "Programs",
    "alertmanager_config",
    "find_programs",
    "prometheus_config",
    "start_alertmanager",
    "start_prometheus",
]

LEASH: Final = (sys.executable, "-m", "headrace_consumers.demo.leash")
"""Before a command that would outlive a demo that is killed."""

_STARTUP_S: Final = 30.0
_ATTEMPTS: Final = 3
_INTERVAL: Final = "1s"
OPENER: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""A proxy of the environment is not for this machine's own addresses."""

_INSTALL: Final = (
    "on Debian and Ubuntu: apt-get install prometheus prometheus-alertmanager; elsewhere, from prometheus.io/download, "
    "put both on the PATH"
)


@dataclass(frozen=True, slots=True)
class Programs:
    """Where both are."""

    prometheus: str
    alertmanager: str


def find_programs(path: str | None = None) -> Programs:
    """Return the programs; Debian calls the second one prometheus-alertmanager.

    Args:
        path: where to look; else the PATH.

    Raises:
        DemoError: one is missing.
    """
    prometheus = shutil.which("prometheus", path=path)
    alertmanager = shutil.which("alertmanager", path=path) or shutil.which("prometheus-alertmanager", path=path)
    missing = [name for name, found in (("Prometheus", prometheus), ("Alertmanager", alertmanager)) if found is None]
    if prometheus is None or alertmanager is None:
        raise DemoError(f"demo --alerts: {' and '.join(missing)} not found; {_INSTALL}")
    return Programs(prometheus, alertmanager)


def prometheus_config(metrics: str, alertmanager: str, rules: Path) -> dict[str, Any]:
    """Return what Prometheus reads; JSON is YAML.

    Args:
        metrics: host:port of the metrics consumer.
        alertmanager: host:port.
        rules: the rule file.
    """
    return {
        "global": {"scrape_interval": _INTERVAL, "scrape_timeout": _INTERVAL, "evaluation_interval": _INTERVAL},
        "rule_files": [str(rules)],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
        "scrape_configs": [{"job_name": "headrace-metrics", "static_configs": [{"targets": [metrics]}]}],
    }


def alertmanager_config(webhook: str) -> dict[str, Any]:
    """Return what Alertmanager reads: everything to one webhook, at once."""
    route = {
        "receiver": "demo",
        "group_by": ["..."],
        "group_wait": "0s",
        "group_interval": "1s",
        "repeat_interval": "1h",
    }
    return {
        "route": route,
        "receivers": [{"name": "demo", "webhook_configs": [{"url": webhook, "send_resolved": True}]}],
    }


def start_prometheus(
    program: str, config: Mapping[str, Any], workspace: Workspace, lines: "queue.Queue[Line]"
) -> tuple[Child, str]:
    """Start Prometheus; return it and its host:port.

    Raises:
        DemoError: it did not start.
    """
    return _start("prometheus", config, workspace, lines, lambda path, data, address: [
        program, f"--config.file={path}", f"--storage.tsdb.path={data}", f"--web.listen-address={address}",
        "--rules.alert.resend-delay=1s", "--log.level=warn",
    ])  # fmt: skip


def start_alertmanager(
    program: str, config: Mapping[str, Any], workspace: Workspace, lines: "queue.Queue[Line]"
) -> tuple[Child, str]:
    """Start Alertmanager; return it and its host:port.

    Raises:
        DemoError: it did not start.
    """
    return _start("alertmanager", config, workspace, lines, lambda path, data, address: [
        program, f"--config.file={path}", f"--storage.path={data}", f"--web.listen-address={address}",
        "--cluster.listen-address=", "--log.level=warn",  # alone, it listens for no others
    ])  # fmt: skip


def _start(
    name: str,
    config: Mapping[str, Any],
    workspace: Workspace,
    lines: "queue.Queue[Line]",
    command: Callable[[Path, Path, str], list[str]],
) -> tuple[Child, str]:
    path = workspace.folder / f"{name}.json"
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    why = ""
    for _ in range(_ATTEMPTS):  # somebody else may take a free port before it does
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        argv = [*LEASH, *command(path, workspace.state_path / name, address)]
        child = Child(name, argv, environ_of(workspace), workspace.log_path(name), lines)
        if _is_ready(f"http://{address}/-/ready", child):
            return child, address
        child.stop()
        why = child.why()
    raise DemoError(f"{name} did not start: {why}; its log: {workspace.log_path(name)}")


def _is_ready(url: str, child: Child) -> bool:
    until = time.monotonic() + _STARTUP_S
    while time.monotonic() < until and child.exit_code is None:
        with suppress(OSError), OPENER.open(url, timeout=5):
            return True
        time.sleep(0.05)
    return False
