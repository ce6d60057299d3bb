"""A running service follows `headrace sampling set` without a restart, on a real Kafka."""

import json
import os
import subprocess
import sys
import threading
import uuid
from pathlib import Path

import pytest
from confluent_kafka.admin import NewTopic

from headrace_schemas import interaction_codec
from tests.support import warm
from tests.support.waiting import wait_until

SERVICE = """
import os, sys, dspy, headrace
from tests.unit.headrace.capture.offline import OfflineLM
dspy.configure(lm=OfflineLM())
class Echo(dspy.Module):
    def forward(self, question):
        return dspy.Prediction(answer=question)
support = headrace.instrument(Echo(), "support")
other = headrace.instrument(Echo(), "other")
print(os.getpid(), flush=True)
for line in sys.stdin:  # each line is a request; the answer tells how many records there are
    support(question=line)
    other(question=line)
    print(headrace.stats().sampled, flush=True)
headrace.flush(60)
os._exit(0)
"""


class Service:
    """A process that calls two modules for each line, and tells how many calls it sampled."""

    def __init__(self, config_path, **environment):
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVICE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
            env={**_environment(), "HEADRACE_CONFIG": str(config_path), **environment},
        )
        self._watchdog = threading.Timer(120, self.process.kill)
        self._watchdog.start()
        assert self.process.stdout.readline()
        self.sampled = 0

    def request(self):
        """Make a request and return how many of its two calls were sampled."""
        self.process.stdin.write("why?\n")
        self.process.stdin.flush()
        before, self.sampled = self.sampled, int(self.process.stdout.readline())
        return self.sampled - before

    def end(self):
        _, err = self.process.communicate()
        self._watchdog.cancel()
        return self.process.returncode, err


def _environment():
    return {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")}


def sampling(config_path, *arguments):
    ended = warm.run("sampling", *arguments, "--config", str(config_path), env=_environment())
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


@pytest.fixture
def topics(kafka):
    names = {name: kafka.create_topic(partitions=2) for name in ("interactions", "statistics")}
    control = kafka.create_topic(config={"cleanup.policy": "compact"})
    return {**names, "control": control, "feedback": f"none-{uuid.uuid4().hex}"}


@pytest.fixture
def config_path(kafka, topics, tmp_path):
    values = {
        "telemetry": {
            "enabled": True,
            "sampling_rate_pct": 1e-9,  # of 0 a service says that it captures nothing
            "service": "shop",
            "environment": "staging",
            "log_file_path": str(tmp_path / "log.jsonl"),
        },
        "kafka": {"bootstrap_servers": kafka.bootstrap_servers, "topics": topics},
    }
    path = tmp_path / "headrace.json"
    path.write_text(json.dumps(values))
    return path


def test_a_running_service_follows_each_order(config_path, kafka, topics):
    service = Service(config_path)
    assert service.request() == 0
    said = sampling(config_path, "set", "--module", "support", "--rate", "100", "--environment", "staging")
    assert f"staging/*/support: rate 100 %; written to {topics['control']}, offset 0" in said
    wait_until(lambda: service.request() == 1, "the module's rate")
    assert [service.request() for _ in range(5)] == [1] * 5
    sampling(config_path, "set", "--module", "*", "--rate", "100", "--service", "shop")
    wait_until(lambda: service.request() == 2, "the rate of all modules")
    sampling(config_path, "set", "--module", "support", "--off", "--environment", "staging")
    wait_until(lambda: service.request() == 1, "one module to be off")
    sampling(config_path, "set", "--module", "*", "--off", "--service", "shop")
    wait_until(lambda: service.request() == 0, "all to be off")
    sampling(config_path, "set", "--module", "*", "--on", "--service", "shop")
    sampling(config_path, "unset", "--module", "support", "--environment", "staging")
    wait_until(lambda: service.request() == 2, "all to be on")
    sampling(config_path, "unset", "--module", "*", "--service", "shop")
    wait_until(lambda: service.request() == 0, "the configuration to hold again")
    sampling(config_path, "set", "--module", "*", "--rate", "100", "--environment", "production")
    sampling(config_path, "set", "--module", "*", "--rate", "100", "--service", "other")
    sampling(config_path, "set", "--module", "other", "--rate", "100")
    wait_until(lambda: service.request() == 1, "the last order, which alone reaches it")
    sampled = service.sampled
    assert service.end() == (0, "")
    records = [interaction_codec().decode(message.value()) for message in kafka.records(topics["interactions"])]
    assert len(records) == sampled
    assert {record["inclusion_probability"] for record in records} == {1.0}


def test_a_service_that_starts_later_follows_what_was_ordered_before(config_path):
    sampling(config_path, "set", "--module", "*", "--rate", "100")
    service = Service(config_path)
    wait_until(lambda: service.request() == 2, "the rate")
    assert service.end() == (0, "")


def test_a_service_may_refuse_to_follow(config_path):
    sampling(config_path, "set", "--module", "*", "--rate", "100")
    follower = Service(config_path)
    deaf = Service(config_path, HEADRACE_TELEMETRY__FOLLOW_CONTROL="false")
    off = Service(config_path, HEADRACE_TELEMETRY__ENABLED="false")
    wait_until(lambda: follower.request() == 2, "the rate")
    assert [deaf.request() for _ in range(3)] == [0] * 3
    assert [off.request() for _ in range(3)] == [0] * 3
    assert follower.end() == deaf.end() == (0, "")
    code, said = off.end()
    assert code == 0
    assert said.startswith("headrace captures nothing: telemetry.enabled is false")


def test_a_service_says_once_that_there_is_no_control_topic_and_finds_it_when_it_is_made(config_path, kafka):
    values = json.loads(config_path.read_text())
    values["kafka"]["topics"]["control"] = later = f"later-{uuid.uuid4().hex}"
    values["kafka"]["consumer_options"] = {
        "topic.metadata.propagation.max.ms": 500,
        "topic.metadata.refresh.interval.ms": 500,
    }
    config_path.write_text(json.dumps(values))
    service = Service(config_path)
    said = []
    hearing = threading.Thread(target=lambda: said.append(service.process.stderr.readline()))
    hearing.start()
    service.request()
    hearing.join(60)
    assert f"no topic {later}: rates cannot be changed at run time" in said[0]
    kafka.admin.create_topics([NewTopic(later, 1, 1)])[later].result(30)
    try:
        wait_until(lambda: later in kafka.admin.list_topics(timeout=60).topics, "the topic")
        sampling(config_path, "set", "--module", "*", "--rate", "100")
        wait_until(lambda: service.request() == 2, "the rate")
        assert service.end() == (0, "")
    finally:
        kafka.admin.delete_topics([later])[later].result(30)
