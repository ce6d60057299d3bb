"""What docs/alerts.md tells people to write is what Prometheus and Alertmanager take."""

import json
import re
import textwrap
from pathlib import Path

import pytest

from headrace.config import Config
from headrace_consumers.metrics.alerts import rule_file
from tests.support.prometheus import run_tool, start_alertmanager
from tests.support.prometheus_programs import Programs
from tests.support.waiting import wait_until

_PAGE = (Path(__file__).parents[3] / "docs" / "alerts.md").read_text(encoding="utf-8")


def _block(begins: str) -> str:
    """Return the indented block of the page that begins so."""
    found = re.search(rf"^    {re.escape(begins)}(.*\n)+?(?=\S)", _PAGE, re.MULTILINE)
    assert found, begins
    return textwrap.dedent(found[0])


def test_prometheus_takes_its_part(prometheus_tools: Programs, tmp_path: Path) -> None:
    (tmp_path / "prometheus.yaml").write_text(_block("rule_files:"), encoding="utf-8")
    (tmp_path / "headrace-rules.yaml").write_text(rule_file(Config()).text, encoding="utf-8")
    checked = run_tool(prometheus_tools.promtool, "check", "config", "prometheus.yaml", folder=tmp_path)
    assert checked.returncode == 0, checked.stdout
    assert "1 rule files found" in checked.stdout


def test_alertmanager_takes_its_part(prometheus_tools: Programs, tmp_path: Path) -> None:
    text = _block("route:").replace("https://...", "https://people.example/alerts")
    (tmp_path / "alertmanager.yaml").write_text(text, encoding="utf-8")
    checked = run_tool(prometheus_tools.amtool, "check-config", "alertmanager.yaml", folder=tmp_path)
    assert checked.returncode == 0, checked.stdout
    assert "1 inhibit rules" in checked.stdout


def test_no_warning_is_sent_beside_a_critical_alert_of_the_same_module(prometheus_tools: Programs) -> None:
    alertmanager = start_alertmanager(
        prometheus_tools, config=_block("route:").replace("https://...", "http://127.0.0.1:9/")
    )
    try:
        module = {"module": "reviewer", "signature": "Review", "environment": "production"}
        other = {**module, "module": "optimizer"}
        alertmanager.give(
            {**module, "alertname": "HeadraceSuccessRateLow", "severity": "critical"},
            {**module, "alertname": "HeadraceLatencyHigh", "severity": "warning"},
            {**other, "alertname": "HeadraceLatencyHigh", "severity": "warning"},
            {"alertname": "HeadraceDatasetStalled", "severity": "warning"},
        )

        def told() -> set[tuple[str, str]] | None:
            held = [(each["labels"], each["status"]["state"]) for each in alertmanager.alerts()]
            judged = len(held) == 4 and all(state != "unprocessed" for _, state in held)
            sent = {(of["alertname"], of.get("module", "")) for of, state in held if state == "active"}
            return sent if judged and len(sent) < 4 else None

        assert wait_until(told, "alerts that were judged") == {
            ("HeadraceSuccessRateLow", "reviewer"),
            ("HeadraceLatencyHigh", "optimizer"),
            ("HeadraceDatasetStalled", ""),
        }
    finally:
        alertmanager.lifeline.cut()


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"quality_thresholds": {"min_success_rate": 1, "max_cost_p99_usd": 1e-7, "max_latency_p99_ms": 81920}},
        {"alerts": {"window_s": 7, "burn_rates": [], "min_calls": 1}},
        {"alerts": {"window_s": 3600, "dataset_window_s": 86_400}, "filters": {"environments": ["a.b", "c-d", "e"]}},
    ],
)
def test_promtool_takes_the_rules_of_any_configuration(
    prometheus_tools: Programs, tmp_path: Path, values: dict[str, object]
) -> None:
    (tmp_path / "rules.yaml").write_text(
        rule_file(Config.model_validate_json(json.dumps(values))).text, encoding="utf-8"
    )
    checked = run_tool(prometheus_tools.promtool, "check", "rules", "rules.yaml", folder=tmp_path)
    assert checked.returncode == 0, checked.stdout
