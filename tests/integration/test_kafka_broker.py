"""The test ground itself: the broker is real, set as the tests need it, and gone when its run is."""

import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from tests.support import kafka_broker
from tests.support.kafka import Kafka
from tests.support.kafka_settings import answers
from tests.support.waiting import wait_until

_NOWHERE = {"PATH": "/nonexistent", "DOCKER_HOST": "unix:///nonexistent/docker.sock"}
_ROOT = Path(__file__).parents[2]
LOG_APPEND_TIME = 2


def _produce(kafka: Kafka, topic: str, values: list[bytes], partitions: int) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "enable.idempotence": True})
    for number, value in enumerate(values):
        producer.produce(topic, value, partition=number % partitions, timestamp=1)
    assert producer.flush(30) == 0
    producer.close()


def test_reads_a_topic_from_begin_to_end_by_partition_and_offset(kafka: Kafka) -> None:
    topic = kafka.create_topic(partitions=3)
    values = [str(number).encode() for number in range(100)]
    _produce(kafka, topic, values, partitions=3)
    messages = kafka.records(topic)
    assert [m.value() for m in messages] == [*values[0::3], *values[1::3], *values[2::3]]
    assert [(m.partition(), m.offset()) for m in messages] == [(p, o) for p in range(3) for o in range(34 - (p > 0))]


def test_timestamps_are_the_brokers_unless_a_topic_says_otherwise(kafka: Kafka) -> None:
    stamped, unstamped = kafka.create_topic(), kafka.create_topic(config={"message.timestamp.type": "CreateTime"})
    for topic in (stamped, unstamped):
        _produce(kafka, topic, [b"x"], partitions=1)
    ((kind, time_ms),) = (m.timestamp() for m in kafka.records(stamped))
    assert (kind, time_ms > 1) == (LOG_APPEND_TIME, True)
    ((_, producer_time_ms),) = (m.timestamp() for m in kafka.records(unstamped))
    assert producer_time_ms == 1


def test_an_empty_topic_has_no_records_and_names_are_never_the_same(kafka: Kafka) -> None:
    one, other = kafka.create_topic(prefix="a b"), kafka.create_topic(prefix="a b")
    assert one != other
    assert one.startswith("a_b-")
    assert kafka.records(one) == []


def test_records_ends_behind_offsets_that_hold_no_message(kafka: Kafka) -> None:
    topic = kafka.create_topic()
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "transactional.id": f"t-{uuid.uuid4().hex}"})
    producer.init_transactions(30)
    for end in (producer.commit_transaction, producer.abort_transaction):
        producer.begin_transaction()
        producer.produce(topic, b"in a transaction")
        end(30)
    producer.close()
    assert [m.offset() for m in kafka.records(topic)] == [0]


def test_a_topic_that_nobody_created_is_an_error(kafka: Kafka) -> None:
    if kafka.how == "env":
        pytest.skip("the settings of that broker are its owner's")
    missing = f"missing-{uuid.uuid4().hex}"
    with pytest.raises(KafkaException, match="UNKNOWN_TOPIC"):
        kafka.records(missing)
    assert missing not in kafka.admin.list_topics(timeout=30).topics


def test_a_group_commits_its_offsets(kafka: Kafka) -> None:
    topic, group = kafka.create_topic(), f"group-{uuid.uuid4().hex}"
    _produce(kafka, topic, [b"a", b"b"], partitions=1)
    consumer = Consumer(
        {
            "bootstrap.servers": kafka.bootstrap_servers,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([topic])
    message = wait_until(lambda: consumer.poll(0.1), "the first message")
    consumer.commit(message=message, asynchronous=False)
    (committed,) = consumer.committed([TopicPartition(topic, 0)], timeout=30)
    consumer.close()
    assert (message.value(), committed.offset) == (b"a", 1)


def test_what_is_missing_is_said_for_each_way_with_what_to_install(kafka: Kafka) -> None:
    del kafka  # the run's own broker plays no part
    with pytest.raises(kafka_broker.NoKafkaError) as caught:
        kafka_broker.start(_NOWHERE)
    first, docker, maven = str(caught.value).splitlines()
    assert first == "These tests need a real Apache Kafka, and none is to be had:"
    assert docker == "docker: no Docker engine answers; start one, or set DOCKER_HOST"
    assert maven.startswith("maven: no java on the PATH; install Java 17 or newer (on Debian: apt-get install ")


@pytest.mark.parametrize(
    ("environ", "line"),
    [
        (
            {kafka_broker.ENV_VIA: "podman"},
            "HEADRACE_TEST_KAFKA_VIA: found 'podman', expected one of env, docker, maven",
        ),
        ({kafka_broker.ENV_VIA: "env"}, "env: HEADRACE_TEST_KAFKA is not set; expected HOST:PORT"),
    ],
)
def test_a_way_that_is_insisted_on_is_the_only_one(environ: dict[str, str], line: str) -> None:
    with pytest.raises(kafka_broker.NoKafkaError) as caught:
        kafka_broker.start({**_NOWHERE, **environ})
    assert str(caught.value).splitlines()[-1] == line


def test_a_named_broker_is_used_and_left_running(kafka: Kafka) -> None:
    broker, closed = kafka_broker.start({**_NOWHERE, kafka_broker.ENV_BROKER: kafka.bootstrap_servers})
    assert (broker.how, broker.bootstrap_servers, closed) == ("env", kafka.bootstrap_servers, [])
    topic = Kafka(broker).create_topic()
    Kafka(broker).close()
    assert topic in kafka.admin.list_topics(timeout=30).topics


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_broker_ends_with_the_run_that_started_it(kafka: Kafka, ending: signal.Signals) -> None:
    if kafka.how == "env":
        pytest.skip("whoever started that broker ends it")
    command = [sys.executable, "-m", "tests.support.kafka_broker"]
    environ = {**os.environ, kafka_broker.ENV_VIA: kafka.how}
    run = subprocess.Popen(command, cwd=_ROOT, env=environ, stdout=subprocess.PIPE, text=True)
    with run:
        assert run.stdout is not None
        name, _, address = run.stdout.readline().strip().partition("=")
        assert name == kafka_broker.ENV_BROKER
        assert answers(address, lambda: True, 10)
        run.send_signal(ending)
        assert run.wait(30) == (0 if ending is not signal.SIGKILL else -signal.SIGKILL)
    wait_until(lambda: answers(address, lambda: True, 0.1) is None, f"the end of the broker at {address}")
