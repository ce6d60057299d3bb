"""`headrace dashboards render`."""

import json
import os
import stat
import sys

import pytest


def test_render_writes_a_file_for_each_dashboard_and_says_so(command, tmp_path, config_file):
    config = config_file({"alerts": {"runbook_url": "https://runbooks.example/headrace"}})
    before = os.umask(0o077)
    try:
        ended = command("dashboards", "render", "--config", config, "--output-dir", "grafana/boards")
    finally:
        os.umask(before)
    assert (ended.code, ended.err) == (0, "")
    folder = tmp_path / "grafana" / "boards"
    found = sorted(folder.iterdir())
    assert [each.name for each in found] == [
        f"headrace-{each}.json" for each in ("cost", "dataset", "pipeline", "rollouts", "traffic")
    ]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    for path in found:
        assert stat.S_IMODE(path.stat().st_mode) == 0o644, "Grafana runs as another user"
        panels = [each for each in json.loads(path.read_text(encoding="utf-8"))["panels"] if each["type"] != "row"]
        assert f"grafana/boards/{path.name}: {len(panels)} panels\n" in ended.out


def test_a_runbook_that_is_no_url_is_a_note(command):
    ended = command("dashboards", "render")
    assert ended.code == 0
    assert ended.err == (
        "note: alerts.runbook_url is docs/operations.md, no URL, so panels have no links to the runbook\n"
    )


def test_what_cannot_be_written_is_one_line_and_leaves_what_is_there(command, tmp_path, config_file):
    config = config_file({"alerts": {"runbook_url": "https://runbooks.example/headrace"}})
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    ended = command("dashboards", "render", "-c", config, "-o", "file")
    assert ended.code == 2
    assert ended.error.endswith("--output-dir file: cannot write the dashboards (File exists); give another folder")
    (tmp_path / "boards" / "headrace-cost.json").mkdir(parents=True)
    ended = command("dashboards", "render", "-c", config, "-o", "boards")
    assert ended.code == 2
    assert "cannot write the dashboards (Is a directory)" in ended.error
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"
    assert not list((tmp_path / "boards").glob(".*"))


def test_without_the_extra_it_is_one_line_that_says_what_to_install(command, monkeypatch):
    for name in [
        each for each in sys.modules if each.startswith(("grafana_foundation_sdk", "headrace_consumers.dash"))
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "grafana_foundation_sdk", None)
    ended = command("dashboards", "render")
    assert ended.code == 2
    assert ended.error == "dashboards render: needs Grafana's SDK; pip install 'headrace[dashboards]'"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"quality_thresholds": {"max_latency_p99_ms": 2500}}, "the nearest is 2560"),
        ({"alerts": {"max_lag": 5}}, "alerts.max_lag: unknown key"),
    ],
)
def test_a_configuration_that_makes_no_dashboards_is_one_line(command, config_file, tmp_path, values, said):
    ended = command("dashboards", "render", "--config", config_file(values))
    assert ended.code == 2
    assert said in ended.error
    assert not (tmp_path / "dashboards").exists()
