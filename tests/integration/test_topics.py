"""`headrace topics create|check` on a real Kafka."""

import json
import os
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from headrace.config import load
from headrace_consumers.topics import Broker, wanted
from tests.support import warm
from tests.support.waiting import wait_until


class Topics:
    """The command under names that no other test has."""

    def __init__(self, kafka, folder):
        prefix = f"topics-{uuid.uuid4().hex[:12]}"
        self.interactions, self.dead_letters = f"{prefix}.interactions", f"{prefix}.dead"
        self.others = {name: f"{prefix}.{name}" for name in ("statistics", "feedback", "control", "rollout")}
        names = {"interactions": self.interactions, "dead_letters": self.dead_letters, **self.others}
        self.all = sorted(names.values())
        values = {"kafka": {"bootstrap_servers": kafka.bootstrap_servers, "topics": names}}
        self.path = folder / "headrace.json"
        self.path.write_text(json.dumps(values))
        self.config = load(self.path, environ={})
        self.broker = Broker(self.config)

    def run(self, *arguments):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")}
        return warm.run("topics", *arguments, "--config", str(self.path), env=kept)

    def states(self):
        return self.broker.describe(self.all)

    def wait_for_all(self):
        wait_until(lambda: len(self.states()) == len(self.all), "all topics to be described")


@pytest.fixture
def topics(kafka, tmp_path):
    made = Topics(kafka, tmp_path)
    yield made
    made.broker.delete(made.all)


def test_check_finds_all_topics_missing(topics):
    ended = topics.run("check")
    assert ended.returncode == 1
    assert f"{topics.interactions}: missing; to change it: headrace topics create" in ended.stdout
    assert all(f"{name}: missing" in ended.stdout for name in topics.all)


def test_create_makes_what_check_insists_on(topics):
    ended = topics.run("create", "--json")
    assert ended.returncode == 0, ended.stderr
    made = json.loads(ended.stdout)
    assert sorted(made["created"]) == topics.all
    assert (made["existing"], made["findings"]) == ([], [])
    topics.wait_for_all()
    states = topics.states()
    ordered = dict.fromkeys((topics.others["control"], topics.others["rollout"]), 1)
    assert {name: state.partitions for name, state in states.items()} == {**dict.fromkeys(topics.all, 8), **ordered}
    assert states[topics.interactions].config["message.timestamp.type"] == "LogAppendTime"
    ended = topics.run("check", "--json")
    assert (ended.returncode, json.loads(ended.stdout)) == (0, {"ok": True, "findings": []})


def test_create_again_changes_nothing(topics):
    topics.run("create", "--partitions", "2")
    topics.wait_for_all()
    ended = topics.run("create", "--partitions", "5")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines() == [f"{spec.name}: exists" for spec in wanted(topics.config)]
    assert {state.partitions for state in topics.states().values()} == {2, 1}


def test_create_leaves_a_topic_with_other_settings_and_says_so(topics):
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": topics.broker.bootstrap_servers})
    admin.create_topics([NewTopic(topics.interactions, num_partitions=1, replication_factor=1)])[
        topics.interactions
    ].result(30)
    wait_until(lambda: topics.interactions in topics.states(), "the topic to be described")
    ended = topics.run("create")
    assert ended.returncode == 1
    assert f"{topics.dead_letters}: created, 8 partitions" in ended.stdout
    assert f"{topics.interactions}: message.timestamp.type is CreateTime, expected LogAppendTime" in ended.stdout
    assert topics.states()[topics.interactions].config["message.timestamp.type"] == "CreateTime"


def test_of_several_that_create_at_once_each_succeeds_and_each_topic_has_one_creator(topics):
    specs = wanted(topics.config)
    brokers = [Broker(topics.config) for _ in range(4)]
    together = threading.Barrier(len(brokers), timeout=30)

    def create(broker):
        together.wait()
        return broker.create(specs, 1)

    with ThreadPoolExecutor(len(brokers)) as pool:
        created = [name for names in pool.map(create, brokers) for name in names]
    assert sorted(created) == topics.all


def test_more_copies_than_brokers_is_one_line(topics):
    ended = topics.run("create", "--replication-factor", "9")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.count("\n") == 1
    assert "cannot be created" in ended.stderr
    assert "replication factor" in ended.stderr.lower()
