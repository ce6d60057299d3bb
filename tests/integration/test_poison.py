"""Poison through a real Kafka and the deployed consumer; and a consumer that can read nothing stops."""

import socket

from confluent_kafka import Producer

from headrace_schemas import dead_letter_codec
from tests.support.dataset_job import DatasetJob
from tests.support.interactions import interaction, message_of
from tests.support.kafka_settings import quiet_client
from tests.support.metrics_consumer import ask
from tests.support.poison import POISON, ROW
from tests.support.waiting import wait_until


def produce(kafka, topic, messages):
    """Write (key, value, headers) to partition 0, in their order."""
    producer = Producer({**quiet_client(kafka.bootstrap_servers), "message.max.bytes": 4_000_000, "acks": "all"})
    for key, value, headers in messages:
        producer.produce(topic, value, key, partition=0, headers=headers)
    assert producer.flush(30) == 0


def good(count, name="good"):
    return [(m.key, m.value, []) for m in (message_of(interaction(f"{name} {n}")) for n in range(count))]


def test_poison_becomes_dead_letters_and_the_stream_goes_on(kafka, tmp_path):
    job = DatasetJob(kafka, tmp_path, partitions=1)
    headers = [("origin", b"\xff\0"), ("empty", None)]
    poison = [(each.key, each.value, headers) for each in POISON]
    between = good(len(POISON))
    produce(kafka, job.topic, [message for pair in zip(poison, between, strict=True) for message in pair])
    counts = job.finish(job.start())
    rows = sum(each.becomes == ROW for each in POISON)
    assert counts["kept"] == len(between) + rows
    written = {2 * at: each for at, each in enumerate(POISON) if each.becomes != ROW}
    letters = [dead_letter_codec().decode(message.value()) for message in kafka.records(job.dead_letter_topic)]
    assert {letter["offset"]: letter["reason"] for letter in letters} == {at: p.becomes for at, p in written.items()}
    for letter in letters:
        each = written[letter["offset"]]
        assert (letter["topic"], letter["partition"]) == (job.topic, 0)
        assert (letter["key"], letter["value"]) == (each.key, each.value)
        assert [(header["name"], header["value"]) for header in letter["headers"]] == headers
    assert set(job.table()["offset"]) == set(range(2 * len(POISON))) - written.keys()


def test_a_consumer_that_can_read_nothing_tells_prometheus_before_it_ends(kafka, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    job = DatasetJob(kafka, tmp_path, partitions=1, dead_letter_limits={"max_run_records": 200}, health_port=port)
    produce(kafka, job.topic, [(b"k", b"rubbish", [])] * 500)
    process = job.start(idle_exit_s=None)
    wait_until(lambda: '"stopping"' in job.logs(), "the breaker", 60)
    assert process.poll() is None  # nobody has asked yet
    code, page = ask(port, "/metrics")
    assert code == 200
    assert f'headrace_consumer_circuit_open{{consumer="dataset",topic="{job.topic}"}} 1.0' in page.splitlines()
    process.communicate(timeout=60)
    assert process.returncode == 1


def test_a_consumer_that_can_read_nothing_stops_in_one_line_and_goes_on_once_it_can(kafka, tmp_path):
    limits = {"max_share": 0.5, "window_records": 10_000, "max_run_records": 200}
    job = DatasetJob(kafka, tmp_path, partitions=1, dead_letter_limits=limits)
    unknown = message_of(interaction("from a newer producer")).value
    unknown = unknown[:2] + b"\x13" * 8 + unknown[10:]
    produce(kafka, job.topic, [(b"k", unknown, [])] * 500)
    for _ in range(3):  # as a supervisor starts it again and again
        process = job.start(idle_exit_s=None)
        process.communicate(timeout=60)
        assert process.returncode == 1
    lines = [line for line in job.logs().splitlines() if line.startswith("headrace: ")]
    assert len(lines) == 3
    for line in lines:
        assert "records cannot be read (unknown_schema" in line
        assert "dataset.dead_letter_limits" in line
    letters = job.dead_letters()
    assert len(letters) < 200
    # Nothing was lost: what became no dead letter is read again.
    job.reconfigure(dead_letter_limits={"max_share": 1.0, "max_run_records": 0})
    produce(kafka, job.topic, good(1))
    assert job.finish(job.start())["kept"] == 1
    wait_until(lambda: len(job.dead_letters()) == 500, "all dead letters")
