"""SIGTERM ends the dataset consumer within its bound, whatever it does; a second one at once; nothing is lost by it."""

import json
import os
import signal
import socket
import urllib.error
import urllib.request

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions

from tests.chaos.dataset.crew import Crew
from tests.chaos.dataset.starts import warm
from tests.support.dataset_job import DatasetJob
from tests.support.kafka import Kafka
from tests.support.kafka_unruly import UnrulyBroker
from tests.support.metrics_consumer import ask as page
from tests.support.metrics_consumer import samples
from tests.support.waiting import wait_until

BOUND_S = 10
BUSY_S = 10
"""What a busy machine may take to notice."""


@pytest.fixture
def job(kafka, tmp_path):
    return DatasetJob(kafka, tmp_path, partitions=2)


@pytest.fixture
def crew(job):
    crew = Crew(job.config_path, start=warm)
    yield crew
    crew.kill()


def events(member):
    return [json.loads(line)["event"] for line in list(member.log) if line.startswith("{")]


def plain(member):
    return [line.rstrip() for line in member.log if not line.startswith("{")]


def told(member, event):
    wait_until(lambda: event in events(member) or not member.lives, event, timeout_s=60)
    assert event in events(member), member.log


def ended(member):
    member.send(signal.SIGTERM)
    return member.wait(BOUND_S + BUSY_S)


def test_while_it_waits_for_a_broker_that_never_answers(job, crew):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        job.config["kafka"]["bootstrap_servers"] = f"127.0.0.1:{silent.getsockname()[1]}"
        job.reconfigure()
        member = crew.start()
        silent.settimeout(60)
        connection, _ = silent.accept()
        with connection:
            assert ended(member) == 0
    assert plain(member) == []


def test_while_a_commit_takes_long_it_leaves_at_the_bound_and_the_next_finds_all(job, crew):
    job.write(range(40))
    member = crew.start(HEADRACE_TEST_SLOW_S="7")
    told(member, "assigned")
    wait_until(lambda: list(job.table_path.glob("ingest_date=*/*.parquet")), "the commit to be under way", 60)
    assert ended(member) == 1
    (line,) = plain(member)
    assert "left at once, which is safe" in line
    job.finish(job.start())
    assert job.table()["dedup_key"].n_unique() == job.table().height == 40


def test_a_second_signal_ends_it_at_once(job, crew):
    job.write(range(40))
    member = crew.start(HEADRACE_TEST_SLOW_S="50")
    told(member, "assigned")
    member.send(signal.SIGTERM)
    member.send(signal.SIGINT)
    assert member.wait(BUSY_S) in {128 + signal.SIGTERM, 128 + signal.SIGINT}
    assert job.finish(job.start())["kept"] == 40


def test_while_the_store_is_away_it_says_what_it_could_not_do_and_the_next_does_it(job, crew):
    job.write(range(40))
    member = crew.start()
    told(member, "committed")
    wait_until(lambda: job.table().height == 40, "all rows")
    member.limit_files(1)
    job.write(range(40, 80))
    told(member, "commit failed: the batch is kept and tried again")
    assert ended(member) == 1
    (line,) = plain(member)
    assert "nothing is lost" in line
    assert job.finish(job.start())["kept"] == 40
    assert job.table()["dedup_key"].n_unique() == job.table().height == 80


def test_a_store_that_is_back_takes_the_batch_without_a_restart(job, crew):
    job.write(range(40))
    member = crew.start()
    wait_until(lambda: "committed" in events(member) and job.table().height == 40, "all rows")
    member.limit_files(1)
    job.write(range(40, 80))
    told(member, "commit failed: the batch is kept and tried again")
    member.limit_files(-1)
    wait_until(lambda: job.table().height == 80, "the other rows")
    assert ended(member) == 0
    assert plain(member) == []


def test_while_the_broker_is_away(tmp_path):
    broker = UnrulyBroker(os.environ)
    broker.start()
    try:
        job = DatasetJob(Kafka(broker.broker()), tmp_path, partitions=2)
        crew = Crew(job.config_path, start=warm)
        job.write(range(40))
        member = crew.start()
        told(member, "committed")
        broker.kill()
        told(member, "Kafka")
        assert ended(member) == 0
        assert plain(member) == []
        assert job.table().height == 40
        crew.kill()
    finally:
        broker.remove()


def test_the_committed_offsets_are_reported_before_it_leaves(job, crew):
    job.write(range(40))
    member = crew.start()
    told(member, "committed")
    assert ended(member) == 0
    group = job.config["dataset"]["group_id"]
    (answer,) = job.kafka.admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)]).values()
    assert sum(place.offset for place in answer.result(30).topic_partitions) == 40


def test_probes_see_it_join_catch_up_and_fail(job, crew):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    job.reconfigure(health_port=port, health_failing_s=1)
    job.write(range(40))

    def ask(path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)
        except OSError:
            return 0, {}

    member = crew.start()
    wait_until(lambda: ask("readyz")[0] == 200, "it to be ready", 60)
    wait_until(lambda: ask("healthz")[1].get("lag") == 0, "it to catch up", 60)
    assert ask("healthz")[0] == 200
    wait_until(
        lambda: sum(p["position"] or 0 for p in ask("healthz")[1]["partitions"].values()) == 40, "40 in the table"
    )
    found = {name: value for (name, _), value in samples(page(port, "/metrics")[1]).items()}
    assert found["headrace_dataset_examples_total"] == found["headrace_seen_set_keys"] == 40
    assert found["headrace_table_commit_duration_seconds_count"] >= 1
    assert (found["headrace_consumer_lag_records"], found["headrace_consumer_lag_seconds"]) == (0, 0)
    member.limit_files(1)
    job.write(range(40, 50))
    wait_until(lambda: ask("healthz")[0] == 503, "it to be unhealthy", 60)
    assert "nothing is lost" in ask("readyz")[1]["last_error"]
    failing = "headrace_table_commit_failing_seconds"
    assert samples(page(port, "/metrics")[1])[failing, ()] > 0
