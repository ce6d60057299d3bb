"""`headrace alerts render`."""

import os
import stat

import pytest
import yaml

COMPLETE = {
    "alerts": {"runbook_url": "https://runbooks.example/headrace"},
    "dataset": {"health_port": 8103},
}


def test_render_prints_rules_and_nothing_else(command, config_file):
    ended = command("alerts", "render", "--config", config_file(COMPLETE))
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("# Written by `headrace alerts render`.")
    assert [group["name"] for group in yaml.safe_load(ended.out)["groups"]][-1] == "headrace-rollouts"


def test_render_writes_a_file_that_prometheus_may_read_whatever_the_umask(command, tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text("old", encoding="utf-8")
    before = os.umask(0o077)
    try:
        ended = command("alerts", "render", "--output", path)
    finally:
        os.umask(before)
    assert ended.code == 0
    alerts, recordings = (path.read_text(encoding="utf-8").count(f"- {kind}: ") for kind in ("alert", "record"))
    assert ended.out == f"{path}: {alerts} alerts, {recordings} recording rules\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [each.name for each in tmp_path.iterdir()] == ["rules.yaml"]


def test_what_cannot_be_written_is_one_line_and_leaves_nothing(command, tmp_path):
    ended = command("alerts", "render", "--output", tmp_path / "missing" / "rules.yaml")
    assert ended.code == 2
    assert ended.error.endswith("cannot write the rules (No such file or directory); give another file")
    (tmp_path / "folder").mkdir()
    assert command("alerts", "render", "--output", tmp_path / "folder").code == 2
    assert [each.name for each in tmp_path.iterdir()] == ["folder"]


def test_a_burn_rate_without_a_rule_is_a_note_beside_the_rules(command, config_file):
    ended = command(
        "alerts", "render", "--config", config_file({**COMPLETE, "quality_thresholds": {"min_success_rate": 0.9}})
    )
    assert ended.code == 0
    assert ended.err == (
        "note: alerts.burn_rates.0: 14.4 times the budget of 10% is over 100% of the calls, so there is no such rule\n"
    )
    assert yaml.safe_load(ended.out)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"metrics": {"samples": False}}, "metrics.samples is false, so nothing tells what a call cost: Headr"),
        ({"dataset": {}}, "dataset.health_port is not set: Prometheus sees no row that is written, so HeadraceData"),
        ({"alerts": {}}, "alerts.runbook_url is docs/operations.md, no URL, so the links of alerts lead nowhere; set"),
    ],
)
def test_what_an_alert_lacks_is_a_note_beside_the_rules(command, config_file, values, said):
    ended = command("alerts", "render", "--config", config_file({**COMPLETE, **values}))
    assert ended.code == 0
    (note,) = ended.err.splitlines()
    assert note.startswith(f"note: {said}")
    assert yaml.safe_load(ended.out)


def _links(rules):
    return {
        rule["annotations"]["runbook_url"].partition("#")[0]
        for group in yaml.safe_load(rules)["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }


def test_the_runbook_is_written_as_a_page_that_the_alerts_link(command, config_file, tmp_path):
    page = tmp_path / "consoles" / "runbook.html"
    config = config_file({**COMPLETE, "alerts": {}})
    ended = command("alerts", "render", "--config", config, "--runbook", page)
    assert (ended.code, ended.err) == (0, "")
    assert _links(ended.out) == {"{{ $externalURL }}/consoles/runbook.html"}
    assert 'id="alert-headracenotwatched"' in page.read_text(encoding="utf-8")
    assert stat.S_IMODE(page.stat().st_mode) == 0o644
    ended = command("alerts", "render", "--config", config_file(COMPLETE), "--runbook", page)
    assert _links(ended.out) == {COMPLETE["alerts"]["runbook_url"]}


def test_a_runbook_that_cannot_be_written_is_one_line(command, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    ended = command("alerts", "render", "--runbook", tmp_path / "file" / "page.html")
    assert (ended.code, ended.out) == (2, "")
    assert ended.error.endswith("cannot write the runbook (File exists); give another file")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"quality_thresholds": {"max_latency_p99_ms": 2500}}, "the nearest is 2560"),
        ({"alerts": {"min_call": 5}}, "alerts.min_call: unknown key; did you mean alerts.min_calls?"),
        ({"alerts": {"window_s": 0}}, "alerts.window_s: found 0, expected greater than or equal to 1"),
        ({"alerts": {"window_s": "15m"}}, 'alerts.window_s: found "15m", expected integer'),
        (
            {"alerts": {"burn_rates": [{"factor": 2, "long_s": 60, "short_s": 60}]}},
            "alerts.burn_rates: found short_s 60, expected less than long_s 60",
        ),
        ({"alerts": {"runbook_url": "https://x/#here"}}, 'alerts.runbook_url: found "https://x/#here"'),
        ({"alerts": {"runbook_url": "{{ $value }}"}}, "alerts.runbook_url: found"),
    ],
)
def test_a_configuration_that_makes_no_rules_is_one_line(command, config_file, values, said):
    ended = command("alerts", "render", "--config", config_file(values))
    assert ended.code == 2
    assert said in ended.error
    assert ended.out == ""
