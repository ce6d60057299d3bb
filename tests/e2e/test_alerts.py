"""Bad calls -> Kafka -> the metrics consumer -> Prometheus -> Alertmanager -> a webhook; and the resolve."""

import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from headrace.config import load
from headrace_consumers.metrics.alerts import rule_file
from headrace_consumers.metrics.alerts.runbook import runbook_link, runbook_page
from tests.support.metrics_consumer import MetricsConsumer
from tests.support.prometheus import start_alertmanager, start_prometheus
from tests.support.prometheus_webhook import Webhook, webhook
from tests.support.waiting import wait_until

WINDOW_S = 15
SUCCESS, BURN = "HeadraceSuccessRateLow", "HeadraceErrorBudgetBurn"
RUNBOOK = "headrace-runbook.html"
LATENCY, COST = "HeadraceLatencyHigh", "HeadraceCostHigh"
EXPECTED = ((SUCCESS, "reviewer"), (BURN, "reviewer"), (LATENCY, "optimizer"), (COST, "drafter"))


@pytest.fixture
def values(kafka: Any, tmp_path: Any) -> dict[str, Any]:
    """Give a configuration whose windows are short; all else is as deployed."""
    topics = {name: kafka.create_topic(partitions=2) for name in ("interactions", "statistics", "feedback")}
    return {
        "telemetry": {"enabled": True, "sampling_rate_pct": 100, "statistics_interval_s": 0.5, "follow_control": False},
        "spool": {"path": str(tmp_path / "spool")},
        "kafka": {"bootstrap_servers": kafka.bootstrap_servers, "topics": topics},
        "quality_thresholds": {"min_success_rate": 0.95, "max_latency_p99_ms": 1280},
        "metrics": {"group_id": topics["statistics"]},
        "alerts": {
            "window_s": WINDOW_S,
            "for_s": 1,
            "burn_rates": [{"factor": 2, "long_s": 20, "short_s": 5}],
        },
    }


@pytest.fixture
def consumer(values: dict[str, Any], tmp_path: Any) -> Iterator[MetricsConsumer]:
    consumer = MetricsConsumer(tmp_path, values)
    consumer.start()
    yield consumer
    consumer.kill()


@pytest.fixture
def service(consumer: MetricsConsumer) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.e2e.troubled_service", str(consumer.path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.communicate()


def _tell(service: subprocess.Popen[str], mood: str) -> None:
    assert service.stdin is not None
    service.stdin.write(f"{mood}\n")
    service.stdin.flush()


def _of_calls(alerts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [alert for alert in alerts if "module" in alert["labels"]]


def _first(received: Webhook, name: str, module: str, status: str) -> dict[str, Any] | None:
    alerts = _of_calls(received.alerts(name, status))
    return next((alert for alert in alerts if alert["labels"]["module"] == module), None)


def test_bad_calls_reach_a_person_and_so_does_the_recovery(
    consumer: MetricsConsumer, service: subprocess.Popen[str], prometheus_tools: Any
) -> None:
    rules = rule_file(load(consumer.path), runbook_link(Path(RUNBOOK))).text
    with webhook() as received, ExitStack() as running:
        alertmanager = start_alertmanager(prometheus_tools, received.url)
        running.callback(alertmanager.lifeline.cut)
        prometheus = start_prometheus(
            prometheus_tools,
            targets={"headrace-metrics": [f"127.0.0.1:{consumer.port}"]},
            rules=[rules],
            alertmanager=alertmanager,
            interval="500ms",
            consoles={RUNBOOK: runbook_page()},
        )
        running.callback(prometheus.lifeline.cut)
        enough = 'sum(increase(headrace_calls_total{module="reviewer"}[15s])) > 100'
        wait_until(lambda: prometheus.query(enough), "good calls", 60)
        assert not received.alerts(SUCCESS, "firing")

        _tell(service, "bad")
        came = {
            name: wait_until(partial(_first, received, name, module, "firing"), f"{name} at the webhook", 60)
            for name, module in EXPECTED
        }
        success, slow, dear = came[SUCCESS], came[LATENCY], came[COST]
        assert success["labels"] == {
            "alertname": SUCCESS,
            "module": "reviewer",
            "signature": "extract_requirements",
            "environment": "production",
            "severity": "critical",
        }
        lines = success["annotations"]["description"].splitlines()
        assert lines[:3] == [
            "Alert: DSPy module success rate < 95%",
            "Module: reviewer",
            "Signature: extract_requirements",
        ]
        assert 70 < float(lines[3].removeprefix("Current: ").removesuffix("%")) < 95
        assert lines[4:7] == [
            "Threshold: 95%",
            "Action: Investigate errors, consider rollback",
            "Environment: production",
        ]
        assert lines[7].startswith("Calls: ")
        assert lines[8].startswith("Errors: TimeoutError in v2 (")
        link, _, section = success["annotations"]["runbook_url"].partition("#")
        assert link == f"{prometheus.url}/consoles/{RUNBOOK}"
        with urllib.request.urlopen(link, timeout=30) as opened:
            page = opened.read().decode()
        assert f'<h3 id="{section}">Alert {SUCCESS}</h3>' in page
        assert "{{" not in page
        assert slow["labels"]["signature"] == "discover_skills"
        slow_lines = slow["annotations"]["description"].splitlines()
        assert slow_lines[0] == "Alert: DSPy module p99 latency > 1.28s"
        assert 1280 < float(slow_lines[3].removeprefix("Current: ").removesuffix("ms")) <= 5000
        assert slow_lines[4] == "Threshold: 1280ms"
        dear_lines = dear["annotations"]["description"].splitlines()
        assert dear_lines[0] == "Alert: DSPy module p99 cost > $0.05"
        # A ticket with pictures costs 12 cents, which is between the bounds of 10 and 20.
        assert 0.1 <= float(dear_lines[3].removeprefix("Current: $")) <= 0.2

        _tell(service, "good")
        for name, module in EXPECTED:
            wait_until(partial(_first, received, name, module, "resolved"), f"{name} resolved at the webhook", 90)
        wait_until(lambda: not _of_calls(prometheus.ask("alerts")["alerts"]), "no alert is left", 60)
        # Neither the module without failures nor the one with three failing calls at night. (A machine may be so busy
        # that other modules are slow; that is no matter of this test.)
        told = {(each["labels"]["alertname"], each["labels"]["module"]) for each in _of_calls(received.all)}
        assert {each for each in told if each[0] != LATENCY} == {each for each in EXPECTED if each[0] != LATENCY}
        _tell(service, "end")
        assert service.wait(30) == 0
