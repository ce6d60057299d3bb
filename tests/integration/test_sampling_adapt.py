"""`headrace sampling adapt` on a real Kafka: what modules did becomes orders within the budget."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from headrace.config import load
from headrace_consumers.balancing.adapting import adapt
from headrace_consumers.balancing.planning import Limits
from headrace_consumers.cli import main
from tests.support.kafka import Kafka
from tests.support.metrics_consumer import Reports
from tests.support.statistics import call_statistics, record


def test_a_budget_goes_to_the_failing_module_and_people_keep_their_own_rates(
    kafka: Kafka, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    topics = {
        "statistics": kafka.create_topic(partitions=2),
        "control": kafka.create_topic(config={"cleanup.policy": "compact"}),
    }
    path = tmp_path / "headrace.json"
    values = {
        "kafka": {"bootstrap_servers": kafka.bootstrap_servers, "topics": topics},
        "dataset": {"path": str(tmp_path / "table")},
    }
    path.write_text(json.dumps(values))
    now_ms = time.time_ns() // 1_000_000
    modules = {"well": 0, "failing": 300, "by-hand": 0, "off": 0}
    rows = [call_statistics([0.1] * 600, {"ValueError": failed}, module_name=name) for name, failed in modules.items()]
    Reports(kafka.bootstrap_servers, topics["statistics"]).write(
        record(rows, started_at_ms=now_ms - 5_000, timestamp_ms=now_ms)
    )

    def run(*arguments: str) -> Any:
        assert main(["sampling", *arguments, "-c", str(path), "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    mine = ("set", "--module", "by-hand", "--service", "shop", "--environment", "production", "--rate", "10")
    run(*mine)
    run("set", "--module", "off", "--service", "shop", "--environment", "production", "--off")
    run("set", "--module", "well", "--service", "shop", "--environment", "production", "--on")  # which says no rate
    ordered = ("adapt", "--budget", "5", "--window", "60")
    planned = {each["name"].rpartition("/")[2]: each for each in run(*ordered, "--dry-run")["modules"]}
    assert {name: each["what"] for name, each in planned.items()} == {
        "well": "ordered",
        "failing": "ordered",
        "by-hand": "left",
        "off": "left",
    }
    assert planned["off"]["rate_pct"] == 0  # it takes nothing of the budget
    assert len(run("list")["orders"]) == 3  # nothing was ordered yet
    run(*ordered)
    orders = {each["name"].rpartition("/")[2]: each for each in run("list")["orders"]}
    assert (orders["by-hand"]["rate_pct"], orders["by-hand"]["updated_by"] == "headrace sampling adapt") == (10, False)
    assert orders["failing"]["rate_pct"] == pytest.approx(3 * orders["well"]["rate_pct"], rel=0.02)  # 1 + 4 * 0.5
    assert (orders["off"]["rate_pct"], orders["off"]["enabled"]) == (None, False)
    assert orders["well"]["enabled"] is True
    spent = sum(
        10 * each["rate_pct"] / 100 for name, each in orders.items() if name != "off"
    )  # 600 calls a minute each
    assert spent == pytest.approx(5, rel=0.01)
    later_ms = time.time_ns() // 1_000_000
    known = {("production", "Triage"): 200}
    limits = Limits(budget_per_s=5)
    for row in adapt(load(path, environ={}), limits, 60, lambda: known, now_ms=later_ms):
        assert row.what == {"well": "withdrawn"}.get(row.scope.module, row.what)
    orders = {each["name"].rpartition("/")[2]: each for each in run("list")["orders"]}
    assert (orders["well"]["rate_pct"], orders["well"]["enabled"]) == (None, True)  # its configuration holds again
    assert orders["failing"]["rate_pct"] > 0  # it fails more than the others
    run(*ordered)
    again = {each["name"].rpartition("/")[2]: each["what"] for each in run(*ordered)["modules"]}
    assert again == {"well": "kept", "failing": "kept", "by-hand": "left", "off": "left"}
    taken = {each["name"].rpartition("/")[2] for each in run("adapt", "--withdraw")["taken_back"]}
    assert taken == {"well", "failing"}
    left = {each["name"].rpartition("/")[2]: each["rate_pct"] for each in run("list")["orders"]}
    assert left == {"well": None, "by-hand": 10, "off": None}
