"""`headrace consume rollout` on a real Kafka: decisions in time, once, whoever is killed and however many there are."""

import json
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace_consumers.rollout.desk import Desk, Superseded
from headrace_consumers.rollout.run import run
from headrace_consumers.rollout.steps import Step
from tests.support.kafka import Kafka
from tests.support.metrics_consumer import ask
from tests.support.rollout_consumer import HEADRACE, Ground, RolloutConsumer
from tests.support.rollouts import Service
from tests.support.waiting import wait_until

_PROMISED = 500
"""Calls of a candidate that fails one in five, until it is taken back; see docs/rollout.md."""


@pytest.fixture(scope="module")
def ground(kafka: Kafka, tmp_path_factory: pytest.TempPathFactory) -> Ground:
    return Ground(kafka, tmp_path_factory.mktemp("rollout"))


@pytest.fixture
def controller(ground: Ground) -> Iterator[RolloutConsumer]:
    found = RolloutConsumer(ground)
    yield found
    found.kill()


def _service(module: str, **fails: float) -> Service:
    return Service(f"host-{module}", time.time_ns() // 1_000_000 - 20_000, module, **fails)


def _steps(ground: Ground, module: str) -> list[tuple[str, float, int]]:
    return [(entry.what, entry.share, entry.sequence) for entry in ground.entries(module)]


def test_a_worse_candidate_is_taken_back_in_time_and_a_better_one_gets_all(
    ground: Ground, controller: RolloutConsumer
) -> None:
    controller.start()
    wait_until(lambda: ask(controller.port, "/readyz")[0] == 200, "the controller is ready")
    for module in ("worse", "better"):
        ground.begin(module)
    wait_until(controller.is_acting, "it acts again after the command")
    worse, better = _service("worse", candidate=0.2), _service("better", candidate=0.03)
    controller.serve(worse, "worse", 100)
    controller.serve(better, "better", 100)
    assert _steps(ground, "worse") == [("start", 0.1, 1), ("rollback", 0.0, 2)]
    assert worse.calls["candidate"] <= _PROMISED
    entry = ground.entries("worse")[-1]
    assert (entry.by, entry.guard) == ("headrace consume rollout", "failures")
    assert entry.numbers["candidate"]["calls"] == worse.calls["candidate"]
    assert _steps(ground, "better") == [("start", 0.1, 1), ("promote", 0.5, 2), ("promote", 1.0, 3)]
    orders = ground.orders("better")
    assert [(order.state, order.stage, order.candidate_share) for order in orders] == [
        ("running", 1, 0.1),
        ("running", 2, 0.5),
        ("promoted", 3, 1.0),
    ]
    assert orders[-1].decision["numbers"]["candidate"]["calls"] > 100
    history = subprocess.run(
        [HEADRACE, "rollout", "history", "-c", str(controller.path), "--module", "worse", "--json-lines"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert [json.loads(line)["what"] for line in history.stdout.splitlines()] == ["start", "rollback"]
    assert controller.stop() == 0


@pytest.mark.parametrize("point", [f"{edge}:{step}" for step in Step for edge in ("before", "after")])
def test_killed_at_a_step_nothing_is_lost_and_nothing_decided_twice(
    ground: Ground, controller: RolloutConsumer, point: str
) -> None:
    module = point.replace(":", "-")
    ground.begin(module)
    service = _service(module, candidate=0.2)
    controller.start(HEADRACE_TEST_KILL_AT=point if "take-over" in point else f"{point}:2")
    controller.serve(service, module, 100)
    wait_until(lambda: controller.returned() is not None, "the controller is killed")
    assert controller.returned() == -signal.SIGKILL
    controller.start()
    controller.serve(service, module, 100)
    assert _steps(ground, module) == [("start", 0.1, 1), ("rollback", 0.0, 2)]
    assert [order.state for order in ground.orders(module)] == ["running", "rolled_back"]
    stage = ground.experiment(module).stages[0]
    assert stage.candidate.calls + stage.baseline.calls == sum(service.calls.values())


def test_two_at_once_decide_once_and_one_stands_in_for_the_other(ground: Ground, controller: RolloutConsumer) -> None:
    second = RolloutConsumer(ground, "second")
    try:
        controller.start()
        wait_until(controller.is_acting, "the first acts")
        second.start()
        wait_until(second.is_acting, "the second acts")
        ground.begin("twice")
        wait_until(lambda: controller.is_acting() or second.is_acting(), "one of them goes on after the command")
        service = _service("twice", candidate=0.03)
        for _ in range(100):
            order = ground.experiment("twice").order()
            if not order.is_comparing:
                break
            ground.reports.write(service.serve(order, 400))
            wait_until(
                lambda: (
                    max(each.calls("twice", "baseline") for each in (controller, second)) == service.calls["baseline"]
                ),
                "one has counted all",
            )
        assert _steps(ground, "twice") == [("start", 0.1, 1), ("promote", 0.5, 2), ("promote", 1.0, 3)]
        acting, other = (controller, second) if controller.is_acting() else (second, controller)
        acting.kill()
        wait_until(other.is_acting, "the other stands in")
    finally:
        second.kill()


def test_who_was_superseded_can_write_no_more(ground: Ground) -> None:
    first, second = Desk(ground.config, is_command=False), Desk(ground.config, is_command=False)
    stale = first.take_over()
    state = second.take_over()
    second.write(state, 7)
    with pytest.raises(Superseded):
        first.write(stale, 8)
    assert first.take_over().written_at_ms == 7


def test_without_evidence_it_is_taken_back_after_thirty_days(ground: Ground) -> None:
    now_ms = time.time_ns() // 1_000_000
    ground.begin("idle")
    stop = threading.Event()
    config = ground.config.model_copy(update={"rollout": ground.config.rollout.model_copy(update={"port": 0})})
    late = threading.Thread(target=lambda: run(config, stop=stop, now_ms=lambda: now_ms + 31 * 86_400_000))
    late.start()
    try:
        wait_until(lambda: ground.experiment("idle").state == "rolled_back", "it is taken back")
    finally:
        stop.set()
        late.join(60)
    entry = ground.entries("idle")[-1]
    assert (entry.what, entry.guard, entry.reason) == ("rollback", "time", "no evidence in the time that was given")
    assert entry.numbers["elapsed_s"] == pytest.approx(31 * 86_400, abs=60)


def test_a_topic_that_is_missing_is_told_in_one_line(ground: Ground, tmp_path: Path) -> None:
    values = {**ground.values, "kafka": {**ground.values["kafka"], "topics": {**ground.topics, "rollout": "no-such"}}}
    path = tmp_path / "headrace.json"
    path.write_text(json.dumps(values))
    done = subprocess.run(
        [HEADRACE, "consume", "rollout", "-c", str(path), "--port", "0"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(
        "headrace: topic no-such: missing, or hidden from this user; `headrace topics create` makes it"
    )
