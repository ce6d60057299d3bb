"""The whole loop on a real Kafka: a service under load, its router, the controller, killed in between."""

import json
from pathlib import Path

import pytest

from headrace.programs import open_registry
from headrace_consumers.cli import main
from tests.e2e.test_routing import Service
from tests.support.kafka import Kafka
from tests.support.rollout_consumer import Ground, RolloutConsumer
from tests.support.waiting import wait_until
from tests.unit.headrace.routing.world import version_of

_PROMISED = 500


def test_what_fails_or_is_disliked_is_taken_back_and_a_better_one_serves_all_while_no_request_fails(
    kafka: Kafka, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ground = Ground(
        kafka,
        tmp_path,
        stages=[{"share": s, "min_calls": 50, "min_s": 0, "margin": 0.05} for s in (0.2, 0.5)],
        slow_margin=0.02,
    )
    ground.values["kafka"]["topics"] = {**ground.topics, "interactions": kafka.create_topic()}
    telemetry = {"enabled": True, "sampling_rate_pct": 10, "statistics_interval_s": 0.5, "exit_timeout_s": 20}
    path = tmp_path / "service.json"
    path.write_text(json.dumps({**ground.values, "telemetry": telemetry, "spool": {"path": str(tmp_path / "spool")}}))
    for version in ("bad", "disliked", "good"):
        open_registry(ground.config).put(version_of(version))
    controller = RolloutConsumer(ground)
    service = Service(path, "scored")
    try:
        controller.start()
        wait_until(lambda: service.serves("deployed"), "the service serves")

        def begin(version: str) -> None:
            assert main(["rollout", "start", "-m", "qa", "--candidate", version, "-c", str(controller.path)]) == 0

        begin("bad")
        wait_until(lambda: ground.experiment("qa").state != "running", "the bad candidate is taken back")
        assert [(entry.what, entry.guard) for entry in ground.entries("qa")] == [
            ("start", ""),
            ("rollback", "failures"),
        ]
        numbers = ground.entries("qa")[-1].numbers
        assert numbers["candidate"]["failures"] > 0
        assert numbers["baseline"]["failures"] == 0
        assert numbers["candidate"]["calls"] <= _PROMISED
        wait_until(lambda: service.serves("deployed"), "the code as deployed serves again")

        begin("disliked")
        # Paused it goes no further up, and what people say of it later takes it back all the same.
        assert main(["rollout", "pause", "-m", "qa", "-c", str(controller.path)]) == 0
        wait_until(lambda: ground.experiment("qa").state == "rolled_back", "the disliked candidate is taken back", 240)
        entry = ground.entries("qa")[-1]
        assert (entry.what, entry.guard) == ("rollback", "score")
        assert entry.reason.startswith("liked less: ")
        scores = entry.numbers["scores"]
        # What is said of requests from before the rollout is spread over both arms, and blurs the difference.
        assert scores["candidate"]["mean"] < 0.9 * scores["baseline"]["mean"]
        assert entry.numbers["candidate"]["failures"] == 0
        wait_until(lambda: service.serves("deployed"), "the code as deployed serves again")

        begin("good")
        wait_until(lambda: ground.experiment("qa").share > 0.2, "the good candidate goes up", 240)
        controller.kill()
        controller.start()
        wait_until(lambda: ground.experiment("qa").state == "promoted", "the good candidate gets all", 240)
        wait_until(lambda: service.serves("good"), "it serves all")
        last, err = service.end()
    finally:
        controller.kill()
        service.process.kill()
    assert (last["failed"], last["mixed"], last["failures"], err) == (0, 0, {}, "")
    assert last["refused"] > 0
    assert [entry.what for entry in ground.entries("qa")] == [
        *("start", "rollback"),
        *("start", "pause", "rollback"),
        *("start", "promote", "promote"),
    ]
    capsys.readouterr()
