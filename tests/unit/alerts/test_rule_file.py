"""What is in the rule file, without Prometheus."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from headrace.config import Config
from headrace.config.alerts import Alerts
from headrace.config.consumers import QualityThresholds
from headrace.errors import ConfigError
from headrace_consumers.metrics.alerts import rule_file
from headrace_consumers.metrics.alerts.rule_file import groups_of
from headrace_consumers.metrics.names import METRICS

_RUNBOOK = Path(__file__).parents[3] / "docs" / "operations.md"


def _rules(config: Config | None = None) -> list[dict[str, Any]]:
    groups = yaml.safe_load(rule_file(config or Config()).text)["groups"]
    return [rule for group in groups for rule in group["rules"]]


def _alerts(config: Config | None = None) -> list[dict[str, Any]]:
    return [rule for rule in _rules(config) if "alert" in rule]


def test_every_rule_has_its_section_in_the_runbook_and_every_section_a_rule() -> None:
    sections = re.findall(r"^### Alert (\w+)$", _RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(sections) == len(set(sections))
    assert set(sections) == {rule["alert"] for rule in _alerts()}


def test_every_alert_links_its_section_says_how_bad_it_is_and_has_the_documents_lines() -> None:
    for rule in _alerts(Config(alerts=Alerts(runbook_url="https://runbooks.example/headrace"))):
        assert rule["annotations"]["runbook_url"] == f"https://runbooks.example/headrace#alert-{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in {"critical", "warning"}
        titles = [line.partition(":")[0] for line in rule["annotations"]["description"].splitlines()]
        assert titles[0] == "Alert"
        assert [title for title in titles if title in {"Current", "Threshold", "Action"}] == [
            "Current",
            "Threshold",
            "Action",
        ]
        assert "\n" not in rule["annotations"]["summary"]


def test_alerts_of_calls_name_module_and_signature_right_after_what_is_wrong() -> None:
    texts = {rule["alert"]: rule["annotations"]["description"].splitlines() for rule in _alerts()}
    for name in ("HeadraceSuccessRateLow", "HeadraceLatencyHigh", "HeadraceCostHigh", "HeadraceErrorBudgetBurn"):
        assert texts[name][1:3] == ["Module: {{ $labels.module }}", "Signature: {{ $labels.signature }}"]


def test_only_metrics_that_somebody_serves_are_asked_for_with_labels_that_they_have() -> None:
    served = {}
    for metric in METRICS:
        parts = [f"{metric.name}{part}" for part in ("_bucket", "_count", "_sum")] if metric.bounds else [metric.name]
        served.update({part: {*metric.labels, "le"} for part in parts})
    asked = " ".join([rule["expr"] + str(rule.get("annotations", "")) for rule in _rules()])
    found = re.findall(r"(?<![\w:])((?:headrace|gen_ai)_\w+)(?:\{([^}]*)\})?", asked)
    # A metric's label may look like a metric: `gen_ai_request_model`. In an expression, each name is a metric.
    assert {name for name, _ in found} <= served.keys()
    for name, matchers in found:
        assert set(re.findall(r"(\w+)(?:=~|!=|=)", matchers)) <= served[name], name


def test_no_rule_reads_what_was_told_of_late() -> None:
    assert len([metric for metric in METRICS if metric.name.startswith("headrace_late_")]) == 6
    assert not [rule for rule in _rules() if "headrace_late_" in rule["expr"] + str(rule.get("annotations", ""))]


def test_the_figures_of_an_alerts_text_are_of_one_moment() -> None:
    """Prometheus evaluates each group at a moment of its own: `42 failed` beside errors that add up to 46 is two."""
    groups = yaml.safe_load(rule_file(Config()).text)["groups"]
    (rules,) = (group["rules"] for group in groups if group["name"] == "headrace-quality")
    recorded = [rule["record"] for rule in rules if "record" in rule]
    alerts = [rule for rule in rules if "alert" in rule]
    asked = {name for rule in alerts for name in re.findall(r"module:\w+:\w+", f"{rule['expr']} {rule['annotations']}")}
    assert len(asked) == 6
    assert asked <= set(recorded)
    assert [*recorded, *(rule["alert"] for rule in alerts)] == [rule.get("record", rule.get("alert")) for rule in rules]


def test_each_figure_is_recorded_once_also_where_windows_are_the_same() -> None:
    for config in (Config(), *(Config(alerts=Alerts(window_s=same_s)) for same_s in (300, 1800, 3600))):
        names = [rule["record"] for rule in _rules(config) if "record" in rule]
        assert len(names) == len(set(names))


def test_what_a_rule_reads_is_recorded() -> None:
    rules = _rules()
    recorded = {rule["record"] for rule in rules if "record" in rule}
    read = set(re.findall(r"\b[a-z_]+:\w+:\w+", str([(r["expr"], r.get("annotations")) for r in rules])))
    assert read == recorded


_THRESHOLDS = {
    "min_success_rate": (0.6, "< 0.6\n", "Threshold: 60%"),
    "max_latency_p99_ms": (160, 'le="0.16"', "Threshold: 160ms"),
    "max_cost_p99_usd": (0.0123, 'le="0.0123"', "Threshold: $0.0123"),
}


@pytest.mark.parametrize("key", _THRESHOLDS)
def test_a_threshold_of_the_configuration_is_compared_and_told(key: str) -> None:
    value, compared, told = _THRESHOLDS[key]
    text = rule_file(Config(quality_thresholds=QualityThresholds(**{key: value}))).text
    assert compared in text
    assert told in text
    assert told not in rule_file(Config()).text


def test_the_same_configuration_gives_the_same_bytes() -> None:
    assert rule_file(Config()).text == rule_file(Config.model_validate_json("{}")).text


def test_a_latency_between_two_bounds_is_refused() -> None:
    with pytest.raises(ConfigError, match="the nearest is 2560"):
        rule_file(Config(quality_thresholds=QualityThresholds(max_latency_p99_ms=2500)))


@pytest.mark.parametrize(
    ("least", "windows", "notes"),
    [
        (0.95, ["1h", "6h", "3d"], 0),
        (0.99, ["1h", "6h", "3d"], 0),
        (0.9, ["6h", "3d"], 1),
        (0.5, ["3d"], 2),
        (0, [], 3),
        (1, [], 1),
    ],
)
def test_a_burn_rate_that_no_outage_reaches_has_no_rule_and_is_told_of(
    least: float, windows: list[str], notes: int
) -> None:
    config = Config(quality_thresholds=QualityThresholds(min_success_rate=least))
    assert [rule["labels"]["window"] for rule in _alerts(config) if "Burn" in rule["alert"]] == windows
    assert len(rule_file(config).notes) == notes


@given(
    least=st.floats(0, 1),
    cost=st.floats(1e-9, 1e6),
    window_s=st.integers(1, 30 * 86_400),
    share=st.floats(0.001, 1),
)
def test_any_configuration_gives_rules_whose_numbers_are_numbers(
    least: float, cost: float, window_s: int, share: float
) -> None:
    config = Config(
        quality_thresholds=QualityThresholds(min_success_rate=least, max_cost_p99_usd=cost),
        alerts=Alerts(window_s=window_s, max_rejected_share=share),
    )
    for rule in (rule for group in groups_of(config) for rule in group.rules):
        assert not re.search(r"\b(nan|inf|None)\b", rule.expression)
        assert rule.expression.count("(") == rule.expression.count(")")
