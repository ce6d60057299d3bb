"""Two records on a real Kafka swap a running service from the baseline to the candidate and back, under load."""

import json
import os
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from headrace.programs import ProgramRegistry
from headrace.programs.blobs import LocalBlobs
from headrace_schemas import statistics_codec
from headrace_schemas.rollouts import ProgramVersion, Rollout, RolloutState
from tests.support.kafka import Kafka
from tests.support.waiting import wait_until
from tests.unit.headrace.routing.world import version_of

_NOBODY = "127.0.0.1:1"


class Service:
    """A running `routed_service`."""

    def __init__(self, config: Path, *options: str) -> None:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.routed_service", str(config), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
            env=environ,
        )
        self._watchdog = threading.Timer(600, self.process.kill)
        self._watchdog.start()

    def told(self) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("?\n")
        self.process.stdin.flush()
        told: dict[str, Any] = json.loads(self.process.stdout.readline())
        return told

    def serves(self, version: str) -> bool:
        told = self.told()
        return told["calls"] > 0 and told["recent"] == [version]

    def end(self) -> tuple[dict[str, Any], str]:
        out, err = self.process.communicate()
        self._watchdog.cancel()
        assert self.process.returncode == 0, err
        last: dict[str, Any] = json.loads(out.splitlines()[-1])
        return last, err


def _config(folder: Path, bootstrap_servers: str, topics: dict[str, str]) -> Path:
    values = {
        "telemetry": {
            "enabled": True,
            "sampling_rate_pct": 10,
            "statistics_interval_s": 0.5,
            "environment": "staging",
            "exit_timeout_s": 20,
            "log_file_path": str(folder / "log.jsonl"),
        },
        "kafka": {"bootstrap_servers": bootstrap_servers, "topics": topics},
        "registry": {"path": str(folder / "registry")},
    }
    path = folder / "headrace.json"
    path.write_text(json.dumps(values))
    return path


def _order(digest: str, state: RolloutState, sequence: int) -> Rollout:
    return Rollout(
        environment="staging",
        module="qa",
        rollout_id="r1",
        state=state,
        share=1.0,
        candidate=ProgramVersion("v2", digest),
        baseline=ProgramVersion("baseline"),
        sequence=sequence,
        updated_at_ms=int(time.time() * 1000),
    )


@pytest.mark.kafka
def test_a_running_service_is_swapped_to_the_candidate_and_back_and_goes_on_without_kafka(
    kafka: Kafka, tmp_path: Path
) -> None:
    topics = {name: kafka.create_topic(partitions=1) for name in ("interactions", "statistics")}
    topics["control"] = kafka.create_topic(config={"cleanup.policy": "compact"})
    topics["feedback"] = f"none-{uuid.uuid4().hex}"
    digest = ProgramRegistry(LocalBlobs(tmp_path / "registry")).put(version_of("v2"))
    writer = Producer({"bootstrap.servers": kafka.bootstrap_servers})

    def order(state: RolloutState, sequence: int) -> None:
        made = _order(digest, state, sequence)
        writer.produce(topics["control"], made.encoded(), made.key, partition=0)
        assert writer.flush(60) == 0

    service = Service(_config(tmp_path, kafka.bootstrap_servers, topics))
    wait_until(lambda: service.serves("deployed"), "the service to serve")
    order("running", 1)
    wait_until(lambda: service.serves("v2"), "the candidate to serve")
    order("rolled_back", 2)
    wait_until(lambda: service.serves("deployed"), "the baseline to serve again")
    order("promoted", 3)
    wait_until(lambda: service.serves("v2"), "the candidate to serve everybody")
    last, err = service.end()
    assert (last["failed"], last["mixed"], last["failures"], err) == (0, 0, {}, "")
    assert last["calls"] == sum(last["versions"].values())

    counted: Counter[tuple[str, str]] = Counter()
    codec = statistics_codec()
    records = [codec.decode(message.value() or b"") for message in kafka.records(topics["statistics"])]
    newest = max(records, key=lambda record: record["sequence"])
    for each in newest["calls"]:
        counted[each["module_version"], each["arm"]] += each["calls"]
    assert counted["v2", "candidate"] + counted["v2", ""] == last["versions"]["v2"]
    assert counted["v2", "candidate"] > 0
    assert counted["v2", ""] > 0
    assert counted["baseline", ""] == last["versions"]["deployed"]
    assert sum(counted.values()) == last["calls"]
    assert {each["rollout_id"] for each in newest["calls"] if each["arm"]} == {"r1"}

    # Restarted while Kafka and the registry are away, it serves what was promoted, from the first call on.
    (tmp_path / "registry").rename(tmp_path / "gone")
    again = Service(_config(tmp_path, _NOBODY, topics))
    wait_until(lambda: again.told()["calls"] > 20, "the service to serve without Kafka")
    last, _ = again.end()
    assert (last["failed"], list(last["versions"]), last["failures"]) == (0, ["v2"], {})
