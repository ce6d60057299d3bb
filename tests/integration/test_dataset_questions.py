"""`headrace dataset why|trace|verify|sample|query` on a real Kafka, after a run of the deployed consumer."""

import json

import pytest
from confluent_kafka import Producer

from headrace_schemas import statistics_codec
from tests.support import warm
from tests.support.dataset_job import DatasetJob
from tests.support.interactions import NOW_MS, interaction, message_of
from tests.support.kafka_settings import quiet_client

SIGNATURE = interaction()["signature"]


def statistics(sequence, calls):
    usage = {"model": "m", "sampled": calls // 10, "weight": 1.0, "tokens_input": 0.0, "tokens_output": 0.0}
    return {
        "instance": "host-1",
        "started_at_ms": NOW_MS,
        "sequence": sequence,
        "timestamp_ms": NOW_MS,
        "is_last": False,
        "service": "",
        "environment": "production",
        "release": "0",
        "sampled": 0,
        "adopted": 0,
        "delivered": 0,
        "spooled": 0,
        "in_flight": 0,
        "dropped": [],
        "spool_bytes": 0,
        "program_failures": [],
        "calls": [
            {
                "module_name": "m",
                "module_version": "v",
                "signature": SIGNATURE,
                "arm": "",
                "rollout_id": "",
                "stage": 0,
                "calls": calls,
                "cancelled": 0,
                "errors": [],
                "latency_s_sum": 0.0,
                "latency_counts": [],
                "usage": [{**usage, "cost_usd": 0.0, "unknown_cost": 0}],
            }
        ],
    }


class Job(DatasetJob):
    """A job with a producer and the command line."""

    def produce(self, topic, *messages):
        options = {**quiet_client(self.kafka.bootstrap_servers), "acks": "all", "partitioner": "murmur2_random"}
        producer = Producer(options)
        for value, key in messages:
            producer.produce(topic, value, key)
        assert producer.flush(30) == 0

    def records(self, *records):
        self.produce(self.topic, *((message.value, message.key) for message in map(message_of, records)))

    def ask(self, *arguments, code=0, as_json=True):
        ended = warm.run("dataset", *arguments, "--config", str(self.config_path), *(["--json"] * as_json))
        assert (ended.returncode, ended.stderr) == (code, ""), ended.stdout
        return json.loads(ended.stdout) if as_json else ended.stdout


@pytest.fixture
def job(kafka, tmp_path):
    """Three rows, copies of one, rejections, an outcome and rubbish: consumed; then a record that is not read yet."""
    job = Job(kafka, tmp_path, partitions=2)
    statistics_topic = kafka.create_topic(partitions=1)
    job.config["kafka"]["topics"]["statistics"] = statistics_topic
    job.reconfigure()
    job.produce(statistics_topic, *((statistics_codec().encode(statistics(n, 50 * n)), b"host-1") for n in (1, 2)))
    job.records(
        interaction("often", event_id="first", request_id="req-often"),
        interaction("once", event_id="once"),
        *(interaction("often", event_id=f"copy-{n}") for n in range(3)),
        *(interaction(f"slow {n}", event_id=f"slow-{n}", latency_ms=7200.0) for n in range(4)),
        interaction("failed", event_id="failed", success=False, error_type="ValueError"),
        interaction("kept by a rule", event_id="rule", capture_level="outcome", dedup_key="rule"),
        interaction("other", signature="Other"),
    )
    job.produce(job.topic, (b"rubbish", b"f" * 64))
    counts = job.finish(job.start())
    assert (counts["kept"], counts["duplicates"], counts["consumed"]) == (3, 3, 13)
    job.records(interaction("late", event_id="late"))
    return job


def test_why_tells_the_loss_at_each_stage(job):
    found = job.ask("why", "-s", SIGNATURE)
    assert (found["calls"]["calls"], found["calls"]["sampled"], found["calls"]["processes"]) == (100, 10, 1)
    assert (found["looked_at"], found["read"], found["unreadable"]) == (14, 12, {"not_single_object": 1})
    assert found["outcomes"] == {
        "row": 2, "copy": 3, "rejected": 5, "outcome": 1, "unreadable": 0, "waiting": 1, "absent": 0,
    }  # fmt: skip
    assert found["rejected"] == {"latency": 4, "failed": 1}
    assert [(each["times"], each["input"]) for each in found["repeated"]] == [(4, '{"question":"often"}')]
    assert found["repeated_in"] == "sightings"
    assert (found["rows"], found["committed"]["kept"], found["committed"]["rejected"]) == (2, 2, found["rejected"])
    assert found["notes"] == []

    said = job.ask("why", "-s", SIGNATURE, as_json=False)
    assert f"{SIGNATURE}: 2 rows" in said
    assert "does headrace consume dataset run?" in said
    job.config["filters"] = {"default": {"max_latency_ms": 10_000}}
    job.reconfigure()
    changed = job.ask("why", "-s", SIGNATURE)
    assert (changed["outcomes"]["absent"], changed["rejected"]) == (4, {"failed": 1})


def test_trace_follows_each_kind_of_record(job):
    (first, *copies) = sorted(job.ask("trace", "first")["records"], key=lambda each: each["offset"])
    assert (first["became"], first["event_id"], first["in_kafka"]) == ("row", "first", True)
    assert first["commit"]["version"] >= 1
    assert (job.table_path / first["row"]["file"]).exists()
    assert {(each["became"], each["row"]["event_id"]) for each in copies} == {("copy", "first")}
    assert len(copies) == 3
    key = first["dedup_key"]
    assert [each["offset"] for each in job.ask("trace", key)["records"]] == [
        first["offset"],
        *(c["offset"] for c in copies),
    ]
    assert len(job.ask("trace", "req-often")["records"]) == 4

    def only(id_):
        (found,) = job.ask("trace", id_)["records"]
        return found["became"], found["reason"], found["detail"]

    assert only("slow-1") == ("rejected", "latency", "it took 7,200 ms, max_latency_ms is 5,000")
    assert only("failed") == ("rejected", "failed", "the call failed: ValueError")
    assert only("rule")[0] == "outcome"
    assert only("late")[0] == "waiting"
    assert only("f" * 64)[:2] == ("unreadable", "not_single_object")
    said = job.ask("trace", "copy-1", as_json=False)
    assert "a copy of the row of" in said
    assert "event first" in said
    nothing = job.ask("trace", "nobody", code=1, as_json=False)
    assert "nobody: in no row and in none of the newest 14 messages" in nothing


def test_verify_and_the_rest_agree_with_it(job):
    found = {result["check"]: result for result in job.ask("verify", "--full")["results"]}
    assert {result["state"] for result in found.values()} == {"ok"}
    assert found[f"topic {job.topic}"]["what"].endswith(": 1 offsets")
    assert sum(check.startswith("seen-set") for check in found) == 2
    assert len(job.ask("sample", "-n", "10")) == 3
    (counted,) = job.ask("query", "select count(*) n from dataset where input->>'question' = 'often'")
    assert counted["n"] == 1


def test_a_filter_of_ones_own_that_fails_stops_the_consumer_and_nothing_is_lost(job):
    own = "tests.unit.consumers.own_callables:fails_on_secret"
    job.config["filters"] = {"default": {"own_filters": [own]}}
    job.reconfigure()
    job.records(interaction("fine"), interaction("my secret", event_id="secret"))
    failing = job.start()
    assert failing.wait(timeout=60) == 1
    failing.stdout.close()
    (line,) = [line for line in job.logs().splitlines() if line.startswith("headrace: ")]
    assert f"filters: {own} raised ValueError at own_callables.py:" in line
    assert "'secret'" in line
    assert "my secret" not in job.logs()
    del job.config["filters"]
    job.reconfigure()
    assert job.finish(job.start())["kept"] == 3  # with the late one
