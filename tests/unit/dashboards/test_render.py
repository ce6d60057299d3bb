"""The JSON of the dashboards, as far as it can be judged without Grafana."""

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.models.dashboard import Dashboard as GrafanaDashboard

from headrace.config import Config, load
from headrace.config.alerts import Alerts
from headrace.config.consumers import QualityThresholds
from headrace.config.telemetry import Module, Telemetry
from headrace.errors import ConfigError
from headrace_consumers.dashboards import dashboards_of, render
from headrace_consumers.metrics.alerts import alerts_of
from headrace_consumers.metrics.alerts.rule_file import groups_of
from headrace_consumers.monitoring.catalogue import METRICS
from headrace_consumers.monitoring.metric import Kind, Server

COMPOSE = Path(__file__).parents[3] / "compose"
RUNBOOK = "https://runbooks.example/headrace"
CLASSIC_SCHEMA = 42
PLUGINS = {"stat", "table", "timeseries", "heatmap", "row"}


def _boards(config: Config | None = None) -> dict[str, dict[str, Any]]:
    return {each.name: json.loads(each.text) for each in render(config or Config())}


BOARDS = _boards()
PANELS = [
    pytest.param(panel, id=f"{board['uid']}: {panel['title']}")
    for board in BOARDS.values()
    for panel in board["panels"]
    if panel["type"] != "row"
]


def _panel(board: str, title: str, config: Config) -> dict[str, Any]:
    (found,) = [each for each in _boards(config)[board]["panels"] if each["title"] == title and each["type"] != "row"]
    return found


def _expressions(board: dict[str, Any]) -> list[str]:
    return [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]


def test_the_same_configuration_makes_the_same_bytes() -> None:
    assert render(Config()) == render(Config())


def test_what_compose_provisions_is_what_the_code_renders() -> None:
    rendered = {each.name: each.text for each in render(load(COMPOSE / "headrace.json"))}
    committed = {each.name: each.read_text(encoding="utf-8") for each in (COMPOSE / "grafana" / "dashboards").iterdir()}
    assert committed == rendered, "headrace dashboards render -c compose/headrace.json -o compose/grafana/dashboards"


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_grafanas_own_types_read_it_and_write_the_same(board: dict[str, Any]) -> None:
    assert board["schemaVersion"] == CLASSIC_SCHEMA
    again = json.loads(json.dumps(GrafanaDashboard.from_json(board), default=lambda each: each.to_json()))
    for link in itertools.chain(again["links"], again["annotations"]["list"]):
        del link["placement"]
    assert again == board


def test_uids_never_change_and_files_are_named_after_them() -> None:
    assert {name: board["uid"] for name, board in BOARDS.items()} == {
        f"headrace-{subject}.json": f"headrace-{subject}"
        for subject in ("traffic", "cost", "pipeline", "dataset", "rollouts")
    }
    assert all("id" not in board and board["tags"] == ["headrace"] for board in BOARDS.values())


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_panels_have_numbers_of_their_own_and_do_not_overlap(board: dict[str, Any]) -> None:
    panels = board["panels"]
    assert len({each["id"] for each in panels}) == len(panels)
    taken: dict[tuple[int, int], str] = {}
    for panel in panels:
        place = panel["gridPos"]
        assert place["w"] > 0
        assert place["h"] > 0
        assert place["x"] + place["w"] <= 24
        for cell in itertools.product(
            range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
        ):
            assert cell not in taken, f"{panel['title']} lies on {taken.get(cell)}"
            taken[cell] = panel["title"]


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_rows_are_filled_to_the_right_edge(board: dict[str, Any]) -> None:
    width_at: dict[int, int] = {}
    for panel in board["panels"]:
        width_at[panel["gridPos"]["y"]] = width_at.get(panel["gridPos"]["y"], 0) + panel["gridPos"]["w"]
    assert set(width_at.values()) == {24}


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_says_what_it_shows_in_a_unit_and_asks_for_it(panel: dict[str, Any]) -> None:
    assert panel["type"] in PLUGINS
    assert panel["description"].endswith(".")
    assert len(panel["description"].split()) >= 3
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert [each["refId"] for each in panel["targets"]] == list("ABCDEFGHIJ"[: len(panel["targets"])])
    for target in panel["targets"]:
        assert target["datasource"] == panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert target["instant"] != target["range"]


def test_counts_are_whole_where_they_are_read_and_bars_stand_apart() -> None:
    for board in BOARDS.values():
        for panel in board["panels"]:
            if panel["type"] == "stat":
                defaults = panel["fieldConfig"]["defaults"]
                assert (defaults["unit"], defaults.get("decimals")) != ("short", None), panel["title"]
            is_bars = (
                panel["type"] == "timeseries" and panel["fieldConfig"]["defaults"]["custom"].get("drawStyle") == "bars"
            )
            assert panel.get("interval") == ("1m" if is_bars else None), panel["title"]


@pytest.mark.parametrize("panel", PANELS)
def test_a_rate_is_over_an_interval_that_grafana_chooses(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        windows = set(re.findall(r"\[([^\].]+)\](?! offset)", target["expr"]))
        assert windows <= ({"$__range"} if target["instant"] else {"$__rate_interval"})


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_only_variables_that_are_there_are_used_and_all_of_them(board: dict[str, Any]) -> None:
    names = [each["name"] for each in board["templating"]["list"]]
    assert names[0] == "datasource"
    asked = " ".join([*_expressions(board), board["annotations"]["list"][0]["target"]["expr"]])
    used = set(re.findall(r"\$(\w+)", asked)) - {"__rate_interval", "__range"}
    assert used == set(names[1:])
    for at, variable in enumerate(board["templating"]["list"][1:], 1):
        assert variable["current"]["value"] == "$__all"
        before = set(re.findall(r"\$(\w+)", variable["query"]["query"]))
        assert before == set(names[1:at])


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_only_metrics_that_somebody_serves_are_asked_for(board: dict[str, Any]) -> None:
    served = set()
    for metric in METRICS:
        parts = ("_bucket", "_count", "_sum") if metric.kind is Kind.histogram else ("",)
        served |= {metric.name + part for part in parts}
    queries = [*_expressions(board), *(each["query"]["query"] for each in board["templating"]["list"][1:])]
    for query in queries:
        assert set(re.findall(r"\b(?:headrace|gen_ai)_\w+(?=[{\[),]| unless| and|$)", query)) <= served | {
            "gen_ai_request_model",
            "gen_ai_token_type",
        }


def test_every_metric_of_the_consumers_is_shown_somewhere() -> None:
    asked = " ".join(expression for board in BOARDS.values() for expression in _expressions(board))
    consumers = [each.name for each in METRICS if Server.service not in each.served_by]
    unseen = [name for name in consumers if not re.search(rf"\b{name}(_bucket|_count)?\b", asked)]
    assert unseen == [], "give each a panel in headrace_consumers/dashboards/, or a place in one"


def test_every_alert_has_a_panel_that_links_its_runbook() -> None:
    config = Config(alerts=Alerts(runbook_url=RUNBOOK))
    links = {
        link["url"]
        for board in _boards(config).values()
        for panel in board["panels"]
        for link in panel.get("links", ())
    }
    assert links == {f"{RUNBOOK}#alert-{alert.name.lower()}" for alert in alerts_of(groups_of(config))}


def test_a_runbook_that_is_no_url_is_named_and_not_linked() -> None:
    panels = [panel for board in BOARDS.values() for panel in board["panels"]]
    assert not any(panel.get("links") for panel in panels)
    assert any("HeadraceLatencyHigh: see docs/operations.md." in panel.get("description", "") for panel in panels)


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_firing_alerts_are_drawn_into_the_graphs(board: dict[str, Any]) -> None:
    (annotation,) = board["annotations"]["list"]
    assert annotation["enable"]
    assert annotation["target"]["expr"].startswith('ALERTS{alertstate="firing", ')


def test_the_lines_are_the_thresholds_of_the_alerts() -> None:
    config = Config(
        quality_thresholds=QualityThresholds(min_success_rate=0.9, max_latency_p99_ms=1280, max_cost_p99_usd=0.2),
        alerts=Alerts(max_lag_s=77, min_disk_free_share=0.25, max_rejected_share=0.7, max_dead_letters=4),
    )

    def steps(board: str, title: str) -> list[tuple[float | None, str]]:
        panel = _panel(f"headrace-{board}.json", title, config)
        return [(each["value"], each["color"]) for each in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]]

    assert steps("traffic", "p99 latency by module") == [(None, "green"), (1.28, "red")]
    assert steps("cost", "Cost of a call: p50 and p99") == [(None, "green"), (0.2, "red")]
    assert steps("pipeline", "Lag in seconds") == [(None, "green"), (77, "red")]
    assert steps("pipeline", "Dead letters in the chosen time") == [(None, "green"), (5, "red")]
    assert steps("dataset", "Free share of the disks") == [(None, "red"), (0.25, "green")]
    assert steps("dataset", "Share that one reason rejects") == [(None, "green"), (0.7, "red")]
    slower = _panel("headrace-traffic.json", "Calls slower than 1.28 s", config)
    assert 'le="1.28"' in slower["targets"][0]["expr"]
    table = _panel("headrace-traffic.json", "Each module, signature and version", config)
    limits = {
        override["matcher"]["options"]: [
            step["value"]
            for each in override["properties"]
            if each["id"] == "thresholds"
            for step in each["value"]["steps"]
        ]
        for override in table["fieldConfig"]["overrides"]
    }
    assert limits["Success rate"] == [None, 0.9]
    assert limits["p99 latency"] == [None, 1.28]


def test_a_threshold_between_two_bounds_is_refused_as_for_the_rules() -> None:
    with pytest.raises(ConfigError, match="the nearest is 2560"):
        dashboards_of(Config(quality_thresholds=QualityThresholds(max_latency_p99_ms=2500)))


def test_each_rate_that_is_wanted_of_a_module_has_a_line() -> None:
    telemetry = Telemetry(
        sampling_rate_pct=20, modules={"desk": Module(sampling_rate_pct=5), "off": Module(enabled=False)}
    )
    panel = _panel("headrace-traffic.json", "Sampling rate, actual and wanted", Config(telemetry=telemetry))
    assert [(each["expr"], each["legendFormat"]) for each in panel["targets"][1:]] == [
        ("vector(0.2)", "wanted"),
        ("vector(0.05)", "wanted for desk"),
    ]
