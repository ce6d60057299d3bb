"""`headrace consume rollout` on a real Kafka: decisions in time, once, whoever is killed and however many there are."""

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from headrace.config.rollout import AdaptiveSampling, Rollout
from headrace.control import SamplingScope
from headrace_consumers.balancing.planning import BY
from headrace_consumers.cli import main
from headrace_consumers.control import ControlTopic
from headrace_consumers.rollout.commands import order, start
from headrace_consumers.rollout.desk import Desk, DeskError, Superseded, look
from headrace_consumers.rollout.moves import Change, RolloutError
from headrace_consumers.rollout.run import run
from headrace_consumers.rollout.steps import Step
from tests.support.kafka import Kafka
from tests.support.metrics_consumer import ask
from tests.support.rollout_consumer import Ground, RolloutConsumer
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
    acted = wait_until(lambda: _holder(ground), "the controller has written")
    with pytest.raises(RolloutError, match="is promoted, so there is no pause"):
        order(ground.config, "pause", environment="production", module="better", by="ann", reason="")
    wait_until(lambda: _holder(ground) not in {acted, None}, "the controller decides on")
    assert controller.stop() == 0


def test_killed_at_each_step_nothing_is_lost_and_nothing_decided_twice(
    ground: Ground, controller: RolloutConsumer
) -> None:
    edges = [(edge, step) for step in (Step.WRITE, Step.COMMIT) for edge in ("before", "after")]
    points = [f"{edge}:{step}" for edge, step in [*edges, ("after", Step.TAKE_OVER), ("after", Step.BEAT)]]
    services = {point.replace(":", "-"): _service(point.replace(":", "-"), candidate=0.2) for point in points}
    for point, (module, service) in zip(points, services.items(), strict=True):
        ground.begin(module)
        # A later start also has to make good what the one before was killed at.
        controller.start(HEADRACE_TEST_KILL_AT=f"{point}:3" if "beat" in point else point)
        controller.serve(service, module, 100)
        wait_until(lambda: controller.returned() is not None, f"the controller is killed {point}")
        assert controller.returned() == -signal.SIGKILL
    controller.start()
    for module, service in services.items():
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
        controller.beside = [second]  # on a busy machine they may change places meanwhile
        controller.serve(_service("twice", candidate=0.03), "twice", 100, calls=400)
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


def test_a_command_that_is_refused_leaves_the_state_to_the_controller(ground: Ground) -> None:
    found = ground.begin("late")
    whose: dict[str, Any] = {"environment": "production", "module": "late", "by": "ann", "reason": "lunch"}
    asked: list[str] = []

    def meanwhile() -> int:
        state = look(ground.config).state
        asked.append(state.holder.name if state.holder else "")
        return found.changed_at_ms + 1

    with pytest.raises(RolloutError, match="is running, so there is no resume"):
        order(ground.config, "resume", now_ms=meanwhile, **whose)

    def is_handed_on() -> bool:
        holder = look(ground.config).state.holder
        return holder is not None and holder.is_command and holder.name not in asked

    wait_until(is_handed_on, "a command has written, so a controller that was fenced goes on at once")
    assert asked
    assert look(ground.config).state.experiments["production/late"] == found


def test_who_could_not_be_fenced_is_refused(ground: Ground) -> None:
    renamed = ground.config.rollout.model_copy(update={"transactional_id": "another", "port": 0})
    config = ground.config.model_copy(update={"rollout": renamed})
    before = look(ground.config).state
    assert before.holder is not None
    told = f"rollout.transactional_id: found another, but topic .* is written as {before.holder.transactional_id}"
    with pytest.raises(DeskError, match=told):
        run(config, stop=threading.Event())
    with pytest.raises(DeskError, match=told):
        order(config, "pause", environment="production", module="late", by="ann", reason="")
    after = look(ground.config).state
    assert (after.holder, after.experiments) == (before.holder, before.experiments)


def test_without_evidence_it_is_taken_back_after_thirty_days(ground: Ground) -> None:
    now_ms = time.time_ns() // 1_000_000
    ground.begin("idle")
    stop = threading.Event()
    config = ground.config.model_copy(update={"rollout": _any_port(ground)})
    late = threading.Thread(target=lambda: run(config, stop=stop, now_ms=lambda: now_ms + 31 * 86_400_000))
    late.start()
    try:
        wait_until(lambda: ground.experiment("idle").state == "rolled_back", "it is taken back")
    finally:
        stop.set()
        late.join(60)
    entry = ground.entries("idle")[-1]
    assert (entry.what, entry.guard) == ("rollback", "time")
    assert entry.reason.startswith("no evidence in the time that was given: 0 of ")
    assert entry.numbers["elapsed_s"] == pytest.approx(31 * 86_400, abs=60)


def test_calls_that_are_split_otherwise_than_ordered_halt_it_with_the_reason(
    ground: Ground, capsys: pytest.CaptureFixture[str]
) -> None:
    ground.begin("lopsided")
    path = ground.folder / "lopsided.json"
    path.write_text(json.dumps(ground.values))
    running = ground.experiment("lopsided").order()
    # Five in a hundred of the calls that end are the candidate's, and ten were ordered.
    ground.reports.write(_service("lopsided").serve(running, 4_000, latency_s=0.05, told=0.5))
    stop = threading.Event()
    rollout = _any_port(ground).model_copy(update={"sampling": AdaptiveSampling(budget_per_s=5, every_s=1)})
    dataset = ground.config.dataset.model_copy(update={"path": str(ground.folder / "table")})
    config = ground.config.model_copy(update={"rollout": rollout, "dataset": dataset})
    later_ms = 200_000  # a split is not judged before two minutes
    look_later = threading.Thread(
        target=lambda: run(config, stop=stop, now_ms=lambda: time.time_ns() // 1_000_000 + later_ms)
    )
    look_later.start()
    try:
        wait_until(lambda: ground.experiment("lopsided").state == "halted", "it is halted")
        # The same controller gives the module a sampling rate: nobody has examples of it yet.
        scope = SamplingScope("production", "shop", "lopsided")
        wait_until(lambda: scope in _rates(ground), "a rate is ordered")
    finally:
        stop.set()
        look_later.join(60)
    reason = "the candidate has 5.0% of the calls that ended, not 10%"
    entry = ground.entries("lopsided")[-1]
    assert (entry.what, entry.guard, entry.reason, entry.by) == ("halt", "split", reason, "headrace consume rollout")
    assert (entry.numbers["candidate"]["calls"], entry.numbers["baseline"]["calls"]) == (200, 3_800)
    orders = ground.orders("lopsided")
    assert [(order.state, order.candidate_share) for order in orders] == [("running", 0.1), ("halted", 0.0)]
    assert orders[-1].decision["reason"] == reason
    assert main(["rollout", "status", "--module", "lopsided", "-c", str(path)]) == 0
    assert reason in capsys.readouterr().out


def test_of_two_starts_at_once_one_is_refused(ground: Ground) -> None:
    digests = [ground.put("crowded", version) for version in ("v2", "v3")]
    now_ms, looks = time.time_ns() // 1_000_000, 0

    def begin(digest: str, clock: Callable[[], int]) -> Change:
        whose: dict[str, Any] = {"environment": "production", "module": "crowded", "by": "ann"}
        return start(ground.config, candidate=digest, now_ms=clock, **whose)

    def meanwhile() -> int:
        """Begin the other one after this one has seen that none is under way, and before it writes."""
        nonlocal looks
        looks += 1
        if looks == 1:
            begin(digests[1], lambda: now_ms)
        return now_ms + 1

    with pytest.raises(RolloutError, match=r"rollout crowded-v3-\S+ is running at 10%; end it first"):
        begin(digests[0], meanwhile)
    assert looks > 1  # it was refused by what stood there when it looked again
    assert [(entry.what, entry.candidate.version) for entry in ground.entries("crowded")] == [("start", "v3")]
    assert [order.candidate.version for order in ground.orders("crowded")] == ["v3"]


def test_a_topic_that_is_missing_is_told_in_one_line(ground: Ground) -> None:
    topics = ground.config.kafka.topics.model_copy(update={"rollout": "no-such"})
    kafka = ground.config.kafka.model_copy(update={"topics": topics})
    config = ground.config.model_copy(update={"kafka": kafka, "rollout": _any_port(ground)})
    with pytest.raises(DeskError, match="topic no-such: missing, or hidden from this user"):
        run(config, stop=threading.Event())


def _holder(ground: Ground) -> str | None:
    """Return the controller that wrote last; None: it was a command."""
    holder = look(ground.config).state.holder
    return None if holder is None or holder.is_command else holder.name


def _rates(ground: Ground) -> dict[SamplingScope, float | None]:
    orders = ControlTopic(ground.config).read().orders.listed()
    return {order.scope: order.rate_pct for order in orders if order.updated_by == BY}


def _any_port(ground: Ground) -> Rollout:
    return ground.config.rollout.model_copy(update={"port": 0})


def test_people_start_pause_resume_and_roll_back_and_it_is_in_the_history(
    ground: Ground, controller: RolloutConsumer, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, others = ground.put("hands", "v2"), ground.put("hands", "v3"), ground.put("feet", "v2")

    def headrace(*arguments: str) -> tuple[int, str, str]:
        code = main(["rollout", *arguments, "-c", str(controller.path)])
        said = capsys.readouterr()
        return code, said.out, said.err

    def begun(*arguments: str) -> str:
        code, _, error = headrace("start", "--module", "hands", *arguments)
        assert (code, error.count("\n")) == ((0, 0) if not error else (1, 1))
        return error

    assert "v9" in begun("--candidate", "v9")
    assert begun("--candidate", "f" * 64) == "headrace: program ffffffffffff: not in the registry\n"
    assert begun("--candidate", others) == f"headrace: program {others[:12]} is one of module feet, not of hands\n"
    assert begun("--candidate", "v2", "--baseline", first) == (
        "headrace: production/hands: candidate and baseline are both v2\n"
    )
    assert begun("--candidate", "v2") == ""
    to_do = f"headrace rollout rollback --config {controller.path} --module hands"
    assert f"is running at 10%; end it first: {to_do}" in begun("--candidate", second)
    code, said, _ = headrace("pause", "--module", "hands", "--reason", "release at noon")
    assert code == 0
    assert "is paused, v2 gets 10% of the requests (before: 10%)" in said
    assert "is paused, so there is no pause" in headrace("pause", "--module", "hands")[2]
    assert headrace("resume", "--module", "hands")[0] == 0
    assert headrace("promote", "--module", "hands", "--to-all", "--reason", "hotfix")[0] == 0
    assert begun("--candidate", "v3") == ""
    assert headrace("rollback", "--module", "hands", "--reason", "wrong prices")[0] == 0
    assert headrace("promote", "--module", "nobody")[2].startswith("headrace: production/nobody: no rollout")
    (shown,) = json.loads(headrace("status", "--module", "hands", "--json")[1])["rollouts"]
    assert (shown["state"], shown["share"], shown["reason"]) == ("rolled_back", 0, "wrong prices")
    assert (shown["candidate"]["digest"], shown["baseline"]["digest"]) == (second, first)
    lines = [json.loads(line) for line in headrace("history", "--module", "hands", "--json-lines")[1].splitlines()]
    assert [(line["what"], line["sequence"], line["candidate"]["version"]) for line in lines] == [
        ("start", 1, "v2"),
        ("pause", 2, "v2"),
        ("resume", 3, "v2"),
        ("promote", 4, "v2"),
        ("start", 1, "v3"),
        ("rollback", 2, "v3"),
    ]
    assert all("@" in line["by"] for line in lines)
    assert "wrong prices" in headrace("history", "--module", "hands")[1]
    states = [order.state for order in ground.orders("hands")]
    assert states == ["running", "paused", "running", "promoted", "running", "rolled_back"]
