"""compose/secure: the secured stack comes up, lets its roles work, and nobody else in.

`make test-compose` runs it, as compose/ itself; Grafana is left out.
"""

import json
import os
import shutil
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from confluent_kafka import Producer
from cryptography import x509

from headrace_schemas import interaction_codec
from tests.compose.files import COMPOSE, load
from tests.compose.images import choose_base
from tests.compose.test_stack import JOBS, Stack, needs_docker
from tests.support.interactions import interaction
from tests.support.kafka_secure import make_secrets
from tests.support.waiting import wait_until

EXAMPLES = 50
SECURE = COMPOSE / "secure"
SECRETS = SECURE / "secrets"

_ASK = """
import ssl, sys, urllib.error, urllib.request
try:
    context = ssl.create_default_context(cafile="/run/secrets/ca.pem")
    print(urllib.request.urlopen(sys.argv[1], timeout=20, context=context).status)
except urllib.error.HTTPError as error:
    print(error.code)
"""
"""Asks a page of another container, without a token."""


class SecureStack(Stack):
    """The two files together, under a name of their own."""

    def run(self, *arguments: str, timeout_s: float = 240) -> "subprocess.CompletedProcess[str]":
        command = ["docker", "compose", "--project-name", "headrace-secure-test", "--profile", "rollout"]
        command += ["--file", str(COMPOSE / "compose.yaml"), "--file", str(SECURE / "compose.yaml")]
        return subprocess.run(
            [*command, *arguments], env=self._environ, capture_output=True, text=True, timeout=timeout_s, check=False
        )

    def up(self) -> None:
        choose_base(self._environ)
        services = yaml.safe_load(self.run("config").stdout)["services"]
        wanted = [name for name in services if name != "grafana"]
        self.compose("up", "--build", "--detach", "--wait", *wanted, timeout_s=900)

    def ask(self, name: str, path: str, password: str = "") -> tuple[int, str]:
        """Ask Prometheus or Alertmanager."""
        context = ssl.create_default_context(cafile=str(SECRETS / "ca.pem"))
        request = urllib.request.Request(f"https://localhost:{self.ports[name]}{path}")
        if password:
            request.add_header("Authorization", f"Basic {b64encode(f'headrace:{password}'.encode()).decode()}")
        try:
            with urllib.request.urlopen(request, timeout=30, context=context) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def send(self, password: str) -> list[str]:
        """Write records as the producers' user; return the errors."""
        producer = Producer(
            {
                "bootstrap.servers": f"localhost:{self.ports['KAFKA']}",
                "security.protocol": "SASL_SSL",
                "ssl.ca.location": str(SECRETS / "ca.pem"),
                "sasl.mechanism": "SCRAM-SHA-512",
                "sasl.username": "headrace-producer",
                "sasl.password": password,
                "partitioner": "murmur2_random",
                "message.timeout.ms": 15_000,
                "log_level": 0,
            }
        )
        errors: list[str] = []
        for question in range(EXAMPLES):
            record = interaction(question, timestamp_ms=time.time_ns() // 1_000_000)
            producer.produce(
                "headrace.interactions.v1",
                interaction_codec().encode(record),
                record["dedup_key"].encode(),
                on_delivery=lambda error, _: errors.append(error.name()) if error else None,
            )
        producer.flush(60)
        return errors


def secret(name: str) -> str:
    return (SECRETS / name).read_text().strip()


@pytest.fixture(scope="module")
def stack() -> Iterator[SecureStack]:
    is_ours = not SECRETS.exists()
    make_secrets(SECRETS)
    stack = SecureStack()
    try:
        stack.up()
        yield stack
    finally:
        stack.compose("down", "--volumes", "--timeout", "20")
        if is_ours:
            shutil.rmtree(SECRETS)


@needs_docker
@pytest.mark.timeout(3600)
def test_roles_work_and_nobody_else_gets_in(stack: SecureStack) -> None:
    assert set(stack.send("not the password")) == {"_MSG_TIMED_OUT"}
    assert stack.send(secret("producer.password")) == []
    wait_until(lambda: stack.rows() == EXAMPLES, "the rows", 600)

    for name in ("PROMETHEUS", "ALERTMANAGER"):
        assert stack.ask(name, "/-/ready")[0] == 401
        assert stack.ask(name, "/-/ready", "not the password")[0] == 401
        assert stack.ask(name, "/-/ready", secret("prometheus.password"))[0] == 200

    def jobs(query: str) -> set[str]:
        body = stack.ask("PROMETHEUS", f"/api/v1/query?query={query}", secret("prometheus.password"))[1]
        return {each["metric"]["job"] for each in json.loads(body)["data"]["result"]}

    wait_until(lambda: jobs("up==1") == JOBS, "all scrapes", 240)
    wait_until(lambda: jobs("headrace_rollout_acting==1"), "the rollout consumer to decide", 240)
    for page in ("metrics:9464", "dataset:8080", "feedback:8080", "rollout:9466"):
        asked = stack.run("exec", "--no-TTY", "metrics", "python3", "-c", _ASK, f"https://{page}/metrics")
        assert asked.stdout.split() == ["401"], page
    for role, command, why in (
        ("dataset", ("topics", "create"), "this user lacks the right to create it"),
        ("dataset", ("sampling", "list"), "headrace acls check"),
        ("rollout", ("topics", "create"), "this user lacks the right to create it"),
        ("rollout", ("deadletter", "ls"), "headrace acls check"),
    ):
        refused = stack.run("exec", "--no-TTY", role, "headrace", *command)
        assert refused.returncode == 1, role
        assert why in refused.stderr, role
    assert stack.run("exec", "--no-TTY", "rollout", "headrace", "rollout", "status").returncode == 0

    assert stack.restarts() == {}
    said = stack.run("logs").stdout
    for path in SECRETS.iterdir():
        if path.suffix in {".password", ".token"}:
            assert path.read_text().strip() not in said, path.name


def test_the_web_certificate_names_every_host_that_is_asked(tmp_path: Path) -> None:
    make_secrets(tmp_path)
    certificate = x509.load_pem_x509_certificate((tmp_path / "web.pem").read_bytes())
    named = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    jobs = load(SECURE / "prometheus.yml")["scrape_configs"]
    scraped = {target.split(":")[0] for job in jobs for each in job["static_configs"] for target in each["targets"]}
    assert len(scraped) == len(JOBS)
    assert scraped | {"prometheus", "alertmanager", "grafana", "localhost"} == set(
        named.get_values_for_type(x509.DNSName)
    )


def test_secrets_are_files_and_stand_in_no_environment() -> None:
    secured = load(SECURE / "compose.yaml")
    assert all(each == {"file": f"./secure/secrets/{name}"} for name, each in secured["secrets"].items())
    for name, service in secured["services"].items():
        for key, value in (service.get("environment") or {}).items():
            if "PASSWORD" in key or "SECRET" in key:
                assert "/run/secrets/" in value, f"{name}: {key}"
    used = {each for service in secured["services"].values() for each in service.get("secrets", ())}
    assert used == secured["secrets"].keys()
    # The authority's own key gets into no container.
    assert "ca.key" not in used


def test_no_secret_is_committed() -> None:
    root = COMPOSE.parent
    assert "/compose/secure/secrets/" in (root / ".gitignore").read_text().splitlines()
    listed = subprocess.run(
        ["git", "ls-files", "compose/secure"], cwd=root, capture_output=True, text=True, check=False, timeout=30
    ).stdout.split()
    assert not [each for each in listed if Path(each).suffix in {".key", ".pem", ".password", ".token"}]
    assert os.access(SECURE / "make-secrets.sh", os.X_OK)
