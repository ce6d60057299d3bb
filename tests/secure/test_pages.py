"""compose/secure's Prometheus and Alertmanager, for real: who asks needs the token or the password, and TLS."""

import json
import socket
import ssl
import subprocess
import tempfile
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.secure.conftest import Secured
from tests.support.kafka_secure import COMPOSE
from tests.support.lifeline import Lifeline
from tests.support.metrics_consumer import MetricsConsumer
from tests.support.waiting import wait_until


def ask(secured: Secured, url: str, authorization: str = "") -> tuple[int, str]:
    context = ssl.create_default_context(cafile=str(secured.broker.secrets / "ca.pem"))
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    headers = {"Authorization": authorization} if authorization else {}
    try:
        with opener.open(urllib.request.Request(url, headers=headers), timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def basic(secured: Secured) -> str:
    password = (secured.broker.secrets / "prometheus.password").read_text().strip()
    return f"Basic {b64encode(f'headrace:{password}'.encode()).decode()}"


def bearer(secured: Secured) -> str:
    return f"Bearer {(secured.broker.secrets / 'prometheus.token').read_text().strip()}"


def here(secured: Secured, name: str, folder: Path, **addresses: str) -> Path:
    """Write a file of compose/secure with this machine's paths and addresses."""
    text = (COMPOSE / name).read_text().replace("/run/secrets", str(secured.broker.secrets))
    for address, ours in addresses.items():
        text = text.replace(f'"{address}:{ {"metrics": 9464, "alertmanager": 9093}[address] }"', f'"{ours}"')
    path = folder / name
    path.write_text(text)
    return path


def free_address() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"localhost:{free.getsockname()[1]}"


@pytest.fixture
def consumer(secured: Secured) -> Iterator[MetricsConsumer]:
    secrets = secured.broker.secrets
    web = {
        "token": f"file:{secrets / 'web.token'}",
        "certificate": str(secrets / "web.pem"),
        "key": str(secrets / "web.key"),
    }
    config = json.loads(secured.config("metrics", "watched", web=web).read_text())
    consumer = MetricsConsumer(secured.folder, config, "watched-member", scheme="https")
    consumer.start()
    yield consumer
    consumer.kill()
    secured.said.append(consumer.log.read_text())


def test_prometheus_scrapes_with_the_token_and_is_asked_with_the_password(
    secured: Secured, consumer: MetricsConsumer, prometheus_tools: Any
) -> None:
    page = f"https://localhost:{consumer.port}/metrics"
    assert ask(secured, page)[0] == 401
    assert ask(secured, page, "Bearer no-such-token-anywhere")[0] == 401
    assert ask(secured, f"https://localhost:{consumer.port}/healthz") == (200, '{"ok": true}')
    assert ask(secured, page, bearer(secured))[0] == 200

    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        prometheus, alertmanager = free_address(), free_address()
        config = here(
            secured, "prometheus.yml", folder, metrics=f"localhost:{consumer.port}", alertmanager=alertmanager
        )
        values = yaml.safe_load(config.read_text())
        values["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        jobs = [job for job in values["scrape_configs"] if job["job_name"] == "headrace-metrics"]
        intruder = {**jobs[0], "job_name": "intruder"}
        del intruder["authorization"]
        values |= {"scrape_configs": [*jobs, intruder], "rule_files": []}
        config.write_text(yaml.safe_dump(values))
        probe = here(secured, "probe.yml", folder)
        checked = subprocess.run(
            [str(prometheus_tools.promtool), "check", "web-config", str(secured.broker.secrets / "prometheus-web.yml")],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert checked.returncode == 0, checked.stderr
        web_config = f"--web.config.file={secured.broker.secrets / 'prometheus-web.yml'}"
        commands = {
            "prometheus": [
                str(prometheus_tools.prometheus),
                f"--config.file={config}",
                web_config,
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={prometheus.replace('localhost', '127.0.0.1')}",
            ],
            "alertmanager": [
                str(prometheus_tools.alertmanager),
                f"--config.file={COMPOSE.parent / 'alertmanager.yml'}",
                web_config,
                f"--storage.path={folder / 'alerts'}",
                f"--web.listen-address={alertmanager.replace('localhost', '127.0.0.1')}",
                "--cluster.listen-address=",
            ],
        }
        for name, command in commands.items():
            log = Path(tempfile.mkdtemp(prefix=f"headrace-secure-{name}-"))
            running.callback(Lifeline("process", str(log), *command).cut)

        def is_ready(*command: str) -> bool:
            return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0

        def prometheus_is_ready() -> bool:
            try:
                return ask(secured, f"https://{prometheus}/-/ready", basic(secured))[0] == 200
            except OSError:
                return False

        wait_until(prometheus_is_ready, "Prometheus", 60)
        # The health check of the compose file.
        amtool = [str(prometheus_tools.amtool), f"--alertmanager.url=https://{alertmanager}"]
        wait_until(lambda: is_ready(*amtool, f"--http.config.file={probe}", "cluster", "show"), "Alertmanager", 60)

        query = f"https://{prometheus}/api/v1/query?query=up"
        assert ask(secured, query)[0] == 401
        assert ask(secured, query, bearer(secured))[0] == 401
        assert ask(secured, f"https://{alertmanager}/api/v2/status")[0] == 401

        def ups() -> dict[str, str]:
            result = json.loads(ask(secured, query, basic(secured))[1])["data"]["result"]
            return {each["metric"]["job"]: each["value"][1] for each in result}

        wait_until(lambda: ups() == {"headrace-metrics": "1", "intruder": "0"}, "both scrapes", 60)
        targets = json.loads(ask(secured, f"https://{prometheus}/api/v1/targets", basic(secured))[1])["data"]
        errors = {each["labels"]["job"]: each["lastError"] for each in targets["activeTargets"]}
        assert errors["headrace-metrics"] == ""
        assert "401 Unauthorized" in errors["intruder"]
        managers = f"https://{prometheus}/api/v1/alertmanagers"
        (manager,) = json.loads(ask(secured, managers, basic(secured))[1])["data"]["activeAlertmanagers"]
        assert manager["url"] == f"https://{alertmanager}/api/v2/alerts"
