"""A real Kafka that lets nobody in or is away, disks that are full, spawned children: the caller never notices.

What is lost is counted by its reason and said once; all else arrives.
"""

import json
import logging
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace.config import load
from headrace.delivery import Pipeline
from headrace_schemas import interaction_codec
from tests.support.kafka import Kafka
from tests.support.kafka_settings import UnavailableError
from tests.support.kafka_unruly import UnrulyBroker
from tests.support.waiting import wait_until
from tests.unit.headrace.calls import captured_call
from tests.unit.headrace.test_fork_and_exit import PROGRAM

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]

_ROOT = Path(__file__).parents[2]
CALLS = 300
PASSWORD = "a-secret-that-no-log-may-show"


@pytest.fixture(scope="module")
def broker() -> Iterator[UnrulyBroker]:
    reason = ""
    try:
        broker = UnrulyBroker(os.environ, passwords={"alice": PASSWORD})
    except UnavailableError as error:
        reason = f"These tests need a Kafka of their own, from its jars: {error}"
    if reason:
        pytest.fail(reason, pytrace=False)
    yield broker
    broker.remove()


@pytest.fixture
def topic(broker: UnrulyBroker) -> str:
    broker.start()
    return Kafka(broker.broker()).create_topic(partitions=2)


def config_of(broker: UnrulyBroker, topic: str, folder: Path, *, password: str | None = None, **spool: Any) -> Any:
    kafka: dict[str, Any] = {"bootstrap_servers": broker.bootstrap_servers, "topics": {"interactions": topic}}
    if password is not None:
        kafka["bootstrap_servers"] = broker.sasl_servers
        kafka["options"] = {
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "PLAIN",
            "sasl.username": "alice",
            "sasl.password": password,
        }
    telemetry = {"exit_timeout_s": 20, "follow_control": False}
    return {"kafka": kafka, "spool": {"path": str(folder / "spool"), **spool}, "telemetry": telemetry}


def arrived(broker: UnrulyBroker, topic: str) -> Counter[str]:
    codec = interaction_codec()
    return Counter(codec.decode(m.value())["event_id"] for m in Kafka(broker.broker()).records(topic))


def events(*numbers: int) -> dict[str, int]:
    return {f"event-{number}": 1 for number in numbers}


def deliver_what_was_left(config: Any, records: int) -> None:
    """Let another process's pipeline, whose password is right, take over the spool."""
    heir = Pipeline(load(None, config, {}))
    heir.submit(captured_call(10_000))
    wait_until(lambda: heir.stats().delivered == records + 1, "what was left to be delivered", 60)
    assert heir.close(60)
    assert (heir.stats().adopted, heir.stats().dropped, heir.stats().balanced) == (records, {}, True)


def test_a_broker_that_refuses_the_password_costs_the_caller_nothing(
    broker: UnrulyBroker, topic: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = "another-secret"
    pipeline = Pipeline(load(None, config_of(broker, topic, tmp_path, password=wrong), {}))
    with caplog.at_level(logging.INFO, "headrace"):
        taken = [pipeline.submit(captured_call(number)) for number in range(CALLS)]
        wait_until(lambda: pipeline.stats().spooled == CALLS, "every record on disk", 60)
        assert pipeline.close(60)
    stats = pipeline.stats()
    assert all(taken)
    assert (stats.spooled, stats.in_flight, stats.dropped, stats.balanced) == (CALLS, 0, {}, True)
    refusals = [r for r in caplog.records if r.levelname == "WARNING" and "(_AUTHENTICATION)" in r.getMessage()]
    assert len(refusals) == 1
    assert wrong not in caplog.text
    assert "why 1?" not in caplog.text
    deliver_what_was_left(config_of(broker, topic, tmp_path, password=PASSWORD), CALLS)
    assert arrived(broker, topic) == events(*range(CALLS), 10_000)
    assert not list((tmp_path / "spool").iterdir())


FULL = """
import logging, resource
logging.basicConfig(format="%(name)s: %(message)s")
full, limit = sys.argv[2] == "disk", resource.getrlimit(resource.RLIMIT_FSIZE)
if full:
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, limit[1]))  # writes end there, as on a disk that is full
taken = [pipeline.submit(captured_call(number)) for number in range(300)]
pipeline.flush(20)
lost = pipeline.stats()
resource.setrlimit(resource.RLIMIT_FSIZE, limit)
taken += [pipeline.submit(captured_call(number)) for number in range(1000, 1010)]
pipeline.flush(20)
pipeline.close(20)
stats = pipeline.stats()
print(json.dumps([all(taken), lost.balanced, lost.dropped, stats.dropped, stats.spooled, stats.in_flight]))
"""


@pytest.mark.parametrize("what", ["disk", "cap"])
def test_a_full_disk_in_an_outage_loses_what_it_cannot_hold_and_says_so_once(
    broker: UnrulyBroker, topic: str, tmp_path: Path, what: str
) -> None:
    config = config_of(broker, topic, tmp_path, **({"max_total_mb": 0.06} if what == "cap" else {}))
    broker.kill()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM + FULL, json.dumps(config), what],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        cwd=_ROOT,
    )
    all_taken, balanced, lost, dropped, spooled, in_flight = json.loads(done.stdout)
    assert (all_taken, balanced, in_flight) == (True, True, 0)
    (reason,) = lost
    assert reason == "spool_full" if what == "cap" else reason in {"spool_ENOSPC", "spool_EFBIG"}
    assert 50 <= 300 - lost[reason] <= 80
    complaints = [line for line in done.stderr.splitlines() if "counted as dropped" in line and "spool" in line]
    assert len(complaints) == 1, done.stderr
    if what == "disk":  # there is room again
        assert dropped == lost
        assert spooled == 310 - lost[reason]
    broker.start()
    deliver_what_was_left(config_of(broker, topic, tmp_path), spooled)
    found = arrived(broker, topic)
    assert set(found.values()) == {1}
    assert len(found) == spooled + 1
    if what == "disk":
        assert set(found) >= set(events(*range(1000, 1010)))


SPAWNED = """
import json, multiprocessing, sys
from headrace.config import load
from headrace.delivery import Pipeline
from tests.unit.headrace.calls import captured_call

pipeline = Pipeline(load(None, json.loads(sys.argv[1]), {}))

def work(first):
    for number in range(first, first + 50):
        pipeline.submit(captured_call(number))

if __name__ == "__main__":
    work(0)
    children = [multiprocessing.get_context("spawn").Process(target=work, args=(1000 * n,)) for n in (1, 2, 3)]
    for child in children: child.start()
    for child in children: child.join()
    assert [child.exitcode for child in children] == [0] * 3
"""


@pytest.mark.parametrize("is_up", [True, False])
def test_spawned_children_deliver_their_own(broker: UnrulyBroker, topic: str, tmp_path: Path, is_up: bool) -> None:
    module = tmp_path / "spawned.py"
    module.write_text(SPAWNED)
    config = config_of(broker, topic, tmp_path)
    if not is_up:
        broker.kill()
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(_ROOT), os.environ.get("PYTHONPATH", "")])}
    subprocess.run([sys.executable, module, json.dumps(config)], env=environ, check=True, timeout=120, cwd=tmp_path)
    expected = events(*(1000 * child + number for child in range(4) for number in range(50)))
    if not is_up:
        assert len(list((tmp_path / "spool").iterdir())) == 4
        broker.start()
        heir = Pipeline(load(None, config, {}))
        heir.submit(captured_call(10_000))
        wait_until(lambda: heir.stats().delivered == len(expected) + 1, "all four spools to be delivered", 60)
        assert heir.close(60)
        expected |= events(10_000)
    assert arrived(broker, topic) == expected
