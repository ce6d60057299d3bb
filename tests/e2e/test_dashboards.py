"""Every query of a panel and of docs/metrics.md, asked of a real Prometheus that scraped the real consumers meanwhile.

A program, real Kafka, the metrics, dataset and feedback consumers as processes, Prometheus with the rules. What a real
program does too seldom is written by `Reports`, as producers write it: a loss, a late report, too many errors.
"""

import itertools
import json
import math
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from confluent_kafka import Producer

from headrace.config import load
from headrace_consumers.dashboards import render
from headrace_consumers.metrics.alerts import rule_file
from headrace_consumers.monitoring.catalogue.calls import CALL_DURATION
from headrace_consumers.rollout.experiment import Experiment
from headrace_schemas import Count, Statistics
from tests.support import warm
from tests.support.grafana import Grafana, Question, questions
from tests.support.metrics_consumer import MetricsConsumer, Reports
from tests.support.prometheus import start_prometheus
from tests.support.rollout_consumer import begin
from tests.support.rollouts import Service
from tests.support.statistics import call_statistics, record
from tests.support.waiting import wait_until

pytestmark = pytest.mark.timeout(1800)

BOARDS = [json.loads(each.text) for each in render(load(None, {}, {}))]
QUESTIONS = [question for board in BOARDS for question in questions(board)]
ZERO_WHEN_WELL = {
    "Stopped by the circuit breaker",
    "Commits have failed for",
    "Maintenance has failed for",
    "Fences",
    "Rebalances",
    "Files in the table",
    "Files merged",
    "Forgotten producers",
    "Lag in records",
    "Lag in seconds",
    "Records that wait in these services",
}
"""Panels whose figures may all be 0; in every other one something is to be seen.

Files are counted, and merged, at a look each minute, which is longer than this is played.
"""
ENOUGH = (
    'count(headrace_quality_requests{module="support-desk", signature="support-desk"} > 40) == 2 '
    'and sum(headrace_lm_cache_hits_total{module="asker"}) > 10 '
    "and sum(headrace_rollout_decisions_total) == 2 "
    "and sum(headrace_rollout_sampling_rates_total) > 0"
)
DEALT_WITH = "sum(headrace_consumer_lag_records) == 0 and on () count(up == 1) == 5"
DOCUMENTED = [
    pytest.param(query, id=f"{what} {number}")
    for what, cell in re.findall(
        r"^\| ([^|]+) \| (`.*(?:headrace|gen_ai)_.*) \|$",
        (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8").partition("## Why")[0],
        re.MULTILINE,
    )
    for number, query in enumerate(re.findall(r"`([^`]*(?:headrace|gen_ai)_[^`]*)`", cell))
    if not query.startswith("headrace.")
]
SILENT_S = 120
"""After so long without reports "fell silent" has an answer; Prometheus still knows the last value then."""
TRAFFIC_S = 20
"""Of a machine that is not busy; longer where it is."""


@dataclass(frozen=True)
class Scene:
    """What was played.

    Attributes:
        grafana: looks at all of it.
        rows: signature -> rows of the dataset's table.
        calls: of the support desk, as it counted them itself.
        failed: likewise.
    """

    grafana: Grafana
    rows: dict[str, int]
    calls: int
    failed: int


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def scene(kafka: Any, prometheus_tools: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("dashboards")
    names = ("interactions", "statistics", "feedback", "dead_letters", "control", "rollout")
    topics = {name: kafka.create_topic(partitions=2) for name in names}
    ports = {"dataset": _free_port(), "feedback": _free_port(), "rollout": _free_port()}
    values = {
        "telemetry": {
            "enabled": True,
            "sampling_rate_pct": 80,
            "statistics_interval_s": 0.5,
            "follow_control": False,
            "keep": {"errors_per_s": 5},
        },
        "spool": {"path": str(folder / "spool")},
        "kafka": {"bootstrap_servers": kafka.bootstrap_servers, "topics": topics},
        "dataset": {
            "path": str(folder / "table"),
            "state_path": str(folder / "state"),
            "group_id": topics["interactions"],
            "commit_interval_s": 0.5,
            "health_port": ports["dataset"],
            "feedback_health_port": ports["feedback"],
        },
        "metrics": {"group_id": topics["statistics"]},
        "rollout": {"port": ports["rollout"], "transactional_id": topics["rollout"], "look_s": 0.5}
        | {"stages": [{"share": 0.5, "min_calls": 50, "min_s": 0, "margin": 0.3}]}
        | {"sampling": {"budget_per_s": 5, "window_s": 30, "every_s": 1}},
        "alerts": {"window_s": 10, "for_s": 0, "burn_rates": []},
    }
    with ExitStack() as running:
        metrics = MetricsConsumer(folder, values)
        running.callback(metrics.kill)
        metrics.start()
        for what in ports:
            running.callback(_end, _consume(what, metrics.path, folder))
        logging = _log(folder)
        running.callback(_kill, logging)
        assert logging.stdout is not None
        prometheus = start_prometheus(
            prometheus_tools,
            targets={
                "logging-service": [f"127.0.0.1:{logging.stdout.readline().decode().strip()}"],
                "headrace-metrics": [f"127.0.0.1:{metrics.port}"],
                **{f"headrace-{what}": [f"127.0.0.1:{port}"] for what, port in ports.items()},
            },
            rules=[rule_file(load(metrics.path)).text],
            interval="1s",
        )
        running.callback(prometheus.lifeline.cut)
        # For a while already: dashboards look at whole seconds, and the chosen time must begin after that scrape.
        ready = "headrace_consumer_ready offset 2s == 1"
        wait_until(lambda: len(prometheus.query(ready)) == 4, "the consumers are ready", 240)
        start = time.time()
        service = _serve(metrics.path, folder)
        running.callback(_kill, service)
        candidates = [begin(load(metrics.path), module) for module in ("taken-back", "promoted")]
        trouble = Trouble(kafka, topics, candidates)

        def is_enough() -> bool:
            trouble.make()
            return time.time() - start > TRAFFIC_S and bool(prometheus.query(ENOUGH))

        wait_until(is_enough, "enough traffic", 400)
        told, _ = service.communicate(b"", 200)
        assert service.returncode == 0, (folder / "service.log").read_text()
        counts = json.loads(told)
        all_calls = f'sum(headrace_calls_total{{module="support-desk"}}) == {counts["calls"]}'
        wait_until(lambda: prometheus.query(all_calls), f"{all_calls} in Prometheus", 200)
        end = start

        def is_dealt_with() -> bool:
            nonlocal end
            end = time.time()
            return bool(prometheus.ask("query", {"query": DEALT_WITH, "time": str(end)})["result"])

        wait_until(is_dealt_with, "all records are dealt with, and every scrape tells so", 200)
        rows = pl.scan_delta(values["dataset"]["path"]).group_by("signature").len().collect()
        yield Scene(Grafana(prometheus, start, end), dict(rows.iter_rows()), counts["calls"], counts["failed"])


def _consume(what: str, config: Path, folder: Path) -> subprocess.Popen[bytes]:
    command = ["consume", what, "--config", str(config), "--log-format", "json"]
    with (folder / f"{what}.log").open("wb") as log:
        return warm.headrace(*command, stdout=log, stderr=log, env=_environ())


def _serve(config: Path, folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.e2e.busy_service", str(config)]
    environ = {**_environ(), "DSPY_CACHEDIR": str(folder / "cache")}
    with (folder / "service.log").open("wb") as log:
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=environ)


def _log(folder: Path) -> subprocess.Popen[bytes]:
    telemetry = {"enabled": True, "sampling_rate_pct": 100, "log_file_path": str(folder / "log.jsonl")}
    (folder / "logging.json").write_text(json.dumps({"telemetry": telemetry, "spool": {"path": str(folder / "own")}}))
    command = [sys.executable, "-m", "tests.e2e.logging_service", str(folder / "logging.json")]
    with (folder / "logging.log").open("wb") as log:
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=_environ())


def _environ() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")}


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()


class Trouble:
    """What happens seldom, once a second.

    What cannot be read, lost and spooled records, a ledger that is off, slow calls, too many errors, a program
    version that cannot be used, a late report.
    """

    def __init__(self, kafka: Any, topics: dict[str, str], candidates: list[Experiment]) -> None:
        began_ms = time.time_ns() // 1_000_000 - 1_000
        self._routed = [
            (each.order(), Service(f"{each.module}-host", began_ms, each.module, candidate=fails, baseline=0.02))
            for each, fails in zip(candidates, (0.6, 0.02), strict=True)
        ]
        self._garbage = Producer({"bootstrap.servers": kafka.bootstrap_servers})
        self._reports = Reports(kafka.bootstrap_servers, topics["statistics"])
        self._topics = topics
        self._began_ms = time.time_ns() // 1_000_000
        self._made = 0

    def make(self) -> None:
        """Make a second's trouble, if it is time."""
        now_ms = time.time_ns() // 1_000_000
        if now_ms - self._began_ms < 1_000 * self._made:
            return
        self._made += 1
        for topic in ("interactions", "statistics"):
            self._garbage.produce(self._topics[topic], b"noise", b"k")
        self._garbage.produce(self._topics["interactions"], None, b"k")
        assert self._garbage.flush(60) == 0
        routed = [service.serve(order, 100) for order, service in self._routed]
        self._reports.write(self._crowded(now_ms), *self._late(now_ms), *routed)

    def _crowded(self, now_ms: int) -> Statistics:
        many = self._made
        slow = call_statistics(
            [4.0] * 80 * many, {f"Error{number}": many for number in range(40)}, module_name="crowded"
        )
        return record(
            [slow],
            instance="crowd-host-1",
            started_at_ms=self._began_ms - 1_000,
            timestamp_ms=now_ms,
            sequence=many,
            dropped=[Count(name="queue_full", count=6 * many)],
            program_failures=[Count(name="digest", count=many)],
            sampled=21 * many,
            delivered=12 * many,
            spooled=4 * many,
            adopted=2 * many,
            spool_bytes=4_096 * many,
        )

    def _late(self, now_ms: int) -> Iterator[Statistics]:
        whose = {"instance": f"slow-host-{self._made}", "service": "archive", "started_at_ms": now_ms - 400_000}
        early, late = (
            call_statistics([0.2] * calls, {"ValueError": failed}, module_name="archive", cancelled=cancelled)
            for calls, failed, cancelled in ((5, 1, 0), (50, 9, 3))
        )
        yield record([early], **whose, timestamp_ms=now_ms - 390_000)
        yield record([{**late, "usage": [_usage("archive-model")]}], **whose, sequence=2, timestamp_ms=now_ms)


def _usage(model: str) -> dict[str, Any]:
    return {
        "model": model,
        "sampled": 8,
        "weight": 10.0,
        "tokens_input": 1_000.0,
        "tokens_output": 100.0,
        "cost_usd": 0.5,
        "unknown_cost": 0,
    }


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda each: each.where)
def test_a_panel_has_an_answer_and_something_to_show(scene: Scene, question: Question) -> None:
    found = scene.grafana.answer(question, {})
    assert found, f"nothing for {question.expression}"
    if question.title not in ZERO_WHEN_WELL:
        assert any(value > 0 for each in found for value in each["values"]), question.expression
    named = {label for each in found for label in each["metric"]}
    assert question.labels <= named, f"the legend shows {question.labels - named}, which no series has"


@pytest.mark.parametrize("board", BOARDS, ids=[each["uid"] for each in BOARDS])
def test_what_is_chosen_is_what_is_shown(scene: Scene, board: dict[str, Any]) -> None:
    chosen: dict[str, list[str]] = {}
    for variable in board["templating"]["list"][1:]:
        offered = scene.grafana.values(variable, chosen)
        assert offered, f"nothing to choose for {variable['name']}"
        wanted = {"module": "support-desk", "service": "shop"}.get(variable["name"])
        chosen[variable["name"]] = [wanted if wanted in offered else offered[-1]]
    answered = 0
    for question in questions(board):
        found = scene.grafana.answer(question, chosen)
        answered += bool(found)
        for each in found:
            for label, (value,) in chosen.items():
                assert each["metric"].get(label, value) == value, question.where
    assert answered > 0.7 * len(list(questions(board))), "what was chosen has figures, too"


def test_several_names_may_be_chosen_whatever_stands_in_them(scene: Scene) -> None:
    (question,) = [
        each for each in QUESTIONS if each.board == "headrace-traffic" and each.where.endswith(" 8 Calls: A")
    ]
    modules = {
        each["metric"]["module"]
        for each in scene.grafana.answer(question, {"module": ["support-desk", "asker", "a.b(c)|patient"]})
    }
    assert modules == {"support-desk", "asker"}


def _figures(scene: Scene, board: str, title: str, target: str = "A") -> list[dict[str, Any]]:
    (question,) = [
        each for each in QUESTIONS if each.board == board and each.title == title and each.where.endswith(f": {target}")
    ]
    return scene.grafana.answer(question, {})


def test_the_figures_are_true(scene: Scene) -> None:
    title = "Each module, signature and version"

    def desk(target: str) -> list[float]:
        found = _figures(scene, "headrace-traffic", title, target)
        return [each["values"][0] for each in found if each["metric"]["module"] == "support-desk"]

    assert len(desk("A")) == 2, "a line for each version"
    assert sum(desk("A")) == pytest.approx(scene.calls, rel=0.1)  # Prometheus extrapolates
    assert sum(desk("B")) / 2 == pytest.approx(1 - scene.failed / scene.calls, abs=0.03)
    examples = _figures(scene, "headrace-dataset", "New examples in the chosen time")
    assert {each["metric"]["signature"]: each["values"][0] for each in examples} == scene.rows
    reasons = {
        each["metric"]["reason"] for each in _figures(scene, "headrace-pipeline", "Dead letters in the chosen time")
    }
    assert reasons == {"not_single_object", "tombstone"}


@pytest.mark.parametrize("query", DOCUMENTED)
def test_what_the_docs_ask_has_an_answer(scene: Scene, query: str) -> None:
    at = scene.grafana.end + (SILENT_S if query.startswith("time() - ") else 0)
    found = scene.grafana.prometheus.ask("query", {"query": query, "time": str(at)})["result"]
    values = [float(each["value"][1]) for each in found]
    assert values, query
    assert any(value > 0 for value in values), (query, values)
    if " / " in query:
        assert all(0 <= value <= 1 for value in values if math.isfinite(value)), (query, values)


def test_what_the_docs_ask_of_the_dataset_is_true(scene: Scene) -> None:
    (growth,) = [each.values[0] for each in DOCUMENTED if "dataset_examples_total" in str(each.values[0])]
    found = scene.grafana.prometheus.ask("query", {"query": growth, "time": str(scene.grafana.end)})["result"]
    told = {each["metric"]["signature"]: float(each["value"][1]) for each in found}
    assert told.keys() == scene.rows.keys()
    assert sum(told.values()) == pytest.approx(sum(scene.rows.values()), rel=0.15)  # Prometheus extrapolates


def test_prometheus_keeps_which_request_was_in_a_latency_bucket(scene: Scene) -> None:
    name = "gen_ai_client_operation_duration_seconds_bucket"
    grafana = scene.grafana
    found = grafana.prometheus.ask(
        "query_exemplars",
        {"query": f'{name}{{module="support-desk"}}', "start": str(grafana.start), "end": str(grafana.end)},
    )
    bounds = sorted({0.0, *CALL_DURATION.bounds, math.inf})
    below = {upper: lower for lower, upper in itertools.pairwise(bounds)}
    assert found
    for series in found:
        le = float(series["seriesLabels"]["le"])
        for each in series["exemplars"]:
            assert re.fullmatch(r"busy-\d+", each["labels"]["request_id"])
            assert below[le] <= float(each["value"]) <= le
            assert grafana.start - 60 < each["timestamp"] <= time.time()


def test_alerts_that_fired_are_drawn_into_the_graphs(scene: Scene) -> None:
    for board in BOARDS:
        (annotation,) = board["annotations"]["list"]
        drawn = Question(board["uid"], board["uid"], "Firing alerts", annotation["target"]["expr"], False, frozenset())
        if board["uid"] != "headrace-cost":
            assert scene.grafana.answer(drawn, {}), board["uid"]
