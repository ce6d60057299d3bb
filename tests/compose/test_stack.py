"""compose/: the stack comes up, traffic becomes rows and metrics, failures an alert, and a restart loses nothing.

`make test-compose` runs it, where a Docker engine with `docker compose` is and has the images or can pull them.
"""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from confluent_kafka import Producer

from headrace_schemas import interaction_codec
from tests.compose.files import COMPOSE, HERE
from tests.compose.images import choose_base, is_to_be_had
from tests.support.interactions import interaction
from tests.support.waiting import wait_until

ENABLED = "HEADRACE_TEST_COMPOSE"
EXAMPLES = 200
JOBS = {f"headrace-{name}" for name in ("metrics", "dataset", "feedback", "rollout")}
_UP_S = 900  # the image is built first

needs_docker = pytest.mark.skipif(not os.environ.get(ENABLED), reason="make test-compose runs it")


class Stack:
    """A project of its own, on free ports."""

    def __init__(self) -> None:
        self.ports = dict(zip(("KAFKA", "PROMETHEUS", "ALERTMANAGER", "GRAFANA"), _free_ports(4), strict=True))
        self.has_grafana = False
        self._environ = {**os.environ, **{f"HEADRACE_{name}_PORT": str(port) for name, port in self.ports.items()}}

    def run(self, *arguments: str, timeout_s: float = 240) -> "subprocess.CompletedProcess[str]":
        command = ["docker", "compose", "--project-name", "headrace-test", "--profile", "rollout"]
        command += ["--file", str(COMPOSE / "compose.yaml"), "--file", str(HERE / "webhook.yaml")]
        return subprocess.run(
            [*command, *arguments], env=self._environ, capture_output=True, text=True, timeout=timeout_s, check=False
        )

    def compose(self, *arguments: str, timeout_s: float = 240) -> None:
        done = self.run(*arguments, timeout_s=timeout_s)
        assert done.returncode == 0, f"{arguments}: {done.stdout[-4000:]}\n{done.stderr[-4000:]}"

    def up(self) -> None:
        """Start all, but Grafana where its image is not to be had: Debian has no package to make a stand-in of."""
        choose_base(self._environ)
        services = yaml.safe_load(self.run("config").stdout)["services"]
        self.has_grafana = is_to_be_had(services["grafana"]["image"])
        wanted = [name for name in services if self.has_grafana or name != "grafana"]
        self.compose("up", "--build", "--detach", "--wait", *wanted, timeout_s=_UP_S)

    def users(self) -> dict[str, str]:
        """Return the number of the user of each container that runs."""
        running = self.run("ps", "--services", "--status", "running").stdout.split()
        return {name: self.run("exec", "--no-TTY", name, "id", "-u").stdout.strip() for name in running}

    def restarts(self) -> dict[str, int]:
        """Return how often each container that is to stay up was started again, of those that were."""
        ids = self.run("ps", "--all", "--quiet").stdout.split()
        form = "{{.Name}},{{.HostConfig.RestartPolicy.Name}},{{.RestartCount}}"
        done = subprocess.run(
            ["docker", "inspect", "--format", form, *ids], capture_output=True, text=True, timeout=60, check=True
        )
        counts = (line.split(",") for line in done.stdout.splitlines())
        return {name: int(count) for name, policy, count in counts if policy == "unless-stopped" and count != "0"}

    def told(self, name: str) -> list[dict[str, Any]]:
        """Return the alerts of a name that the webhook was sent."""
        lines = self.run("logs", "--no-log-prefix", "webhook").stdout.splitlines()
        alerts = [json.loads(line) for line in lines if line.startswith("{")]
        return [each for each in alerts if each["labels"]["alertname"] == name]

    def prometheus(self, path: str, **query: str) -> Any:
        url = f"http://127.0.0.1:{self.ports['PROMETHEUS']}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=60) as answer:
            return json.load(answer)["data"]

    def grafana(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports['GRAFANA']}/api/{path}", timeout=60) as answer:
            return json.load(answer)

    def write(self, questions: range) -> None:
        producer = Producer({"bootstrap.servers": f"localhost:{self.ports['KAFKA']}", "partitioner": "murmur2_random"})
        codec = interaction_codec()
        for question in questions:
            record = interaction(question, timestamp_ms=time.time_ns() // 1_000_000)
            producer.produce("headrace.interactions.v1", codec.encode(record), record["dedup_key"].encode())
        assert producer.flush(120) == 0

    def rows(self) -> int:
        done = self.run("exec", "--no-TTY", "dataset", "headrace", "dataset", "ls", "--json")
        if done.returncode and "no Delta table here yet" in done.stderr:
            return 0
        assert done.returncode == 0, done.stderr
        return sum(each["rows"] for each in json.loads(done.stdout))


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    stack = Stack()
    try:
        stack.up()
        yield stack
    finally:
        stack.compose("down", "--volumes", "--timeout", "20")


@needs_docker
@pytest.mark.timeout(3600)
def test_traffic_becomes_rows_and_metrics_and_survives_a_restart(stack: Stack) -> None:
    stack.write(range(EXAMPLES))
    stack.write(range(EXAMPLES // 2))  # repeats
    wait_until(lambda: stack.rows() == EXAMPLES, "the rows", 600)
    users = stack.users()
    assert users.keys() >= {"kafka", "dataset", "feedback", "metrics", "rollout", "prometheus", "alertmanager"}
    assert [name for name, user in users.items() if not user.isdecimal() or user == "0"] == []

    def jobs(query: str) -> set[str]:
        return {each["metric"]["job"] for each in stack.prometheus("query", query=query)["result"]}

    wait_until(lambda: jobs("up == 1") == JOBS, "all targets to be scraped", 240)
    wait_until(lambda: jobs("headrace_rollout_acting == 1"), "the rollout consumer to decide", 240)
    rules = [rule for group in stack.prometheus("rules")["groups"] for rule in group["rules"]]
    assert len(rules) > 10
    assert [rule["lastError"] for rule in rules if rule.get("lastError")] == []
    (manager,) = wait_until(lambda: stack.prometheus("alertmanagers")["activeAlertmanagers"], "Alertmanager", 240)
    assert "alertmanager:9093" in manager["url"]
    if stack.has_grafana:
        found = {each["uid"] for each in stack.grafana("search?tag=headrace")}
        assert found == {each.stem for each in (COMPOSE / "grafana" / "dashboards").glob("*.json")}

    assert stack.restarts() == {}
    stack.compose("down", "--timeout", "20")  # the volumes stay
    stack.up()
    stack.write(range(EXAMPLES // 2, EXAMPLES + 50))  # 50 are new
    wait_until(lambda: stack.rows() == EXAMPLES + 50, "the new rows", 600)


@needs_docker
@pytest.mark.timeout(3600)
def test_failures_in_a_service_become_an_alert_at_a_webhook(stack: Stack, tmp_path: Path) -> None:
    config = tmp_path / "service.json"
    telemetry = {"enabled": True, "sampling_rate_pct": 100, "statistics_interval_s": 5}
    servers = f"localhost:{stack.ports['KAFKA']}"
    spool = {"path": str(tmp_path / "spool")}
    config.write_text(json.dumps({"telemetry": telemetry, "kafka": {"bootstrap_servers": servers}, "spool": spool}))
    command = [sys.executable, "-m", "tests.e2e.troubled_service", str(config)]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")}

    def told() -> list[dict[str, Any]]:
        assert service.poll() is None, "the service has ended"
        return _of_reviewer(stack.told("HeadraceSuccessRateLow"))

    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True, env=environ) as service:
        assert service.stdin is not None
        try:
            service.stdin.write("bad\n")
            service.stdin.flush()
            (alert,) = wait_until(told, "the alert", 600)
        finally:
            service.kill()
    assert alert["status"] == "firing"
    assert alert["labels"]["severity"] == "critical"
    lines = alert["annotations"]["description"].splitlines()
    assert lines[:3] == [
        "Alert: DSPy module success rate < 95%",
        "Module: reviewer",
        "Signature: extract_requirements",
    ]
    assert 70 < float(lines[3].removeprefix("Current: ").removesuffix("%")) < 95
    assert not [each for each in stack.told("HeadraceSuccessRateLow") if each["labels"]["module"] == "healthy"]
    link, _, section = alert["annotations"]["runbook_url"].partition("#")
    with urllib.request.urlopen(link, timeout=60) as page:
        assert f'id="{section}"' in page.read().decode()


def _of_reviewer(alerts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each for each in alerts if each["labels"]["module"] == "reviewer"][:1]


def test_the_webhooks_alertmanager_is_configured_as_the_stacks_is() -> None:
    own, deployed = (yaml.safe_load((folder / "alertmanager.yml").read_text()) for folder in (HERE, COMPOSE))
    (people,) = own["receivers"]
    del people["webhook_configs"]
    assert own == deployed
