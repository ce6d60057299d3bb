"""`headrace deadletter ls|show|replay` on a real Kafka, between two runs of the deployed consumer."""

import io
import json
import re
import shutil
from collections import Counter
from pathlib import Path

import fastavro
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource

from headrace_schemas import Registry, dead_letter_codec, interaction_codec
from headrace_schemas.keys import partition_of
from headrace_schemas.registry import fingerprint_of
from tests.support import warm
from tests.support.dataset_job import DatasetJob, expected_of
from tests.support.interactions import interaction, message_of
from tests.support.kafka_settings import quiet_client

NEWER = Path(__file__).parents[1] / "fixtures" / "schemas" / "interaction.newer.avsc"


@pytest.fixture
def job(kafka, tmp_path):
    """A job whose topic holds a good record, rubbish, and three of a newer producer; consumed once."""
    job = DatasetJob(kafka, tmp_path, partitions=2)
    producer = Producer({**quiet_client(kafka.bootstrap_servers), "acks": "all", "partitioner": "murmur2_random"})
    good = message_of(interaction("good"))
    producer.produce(job.topic, good.value, good.key)
    producer.produce(job.topic, b"alice@example.com", b"rubbish", headers=[("origin", b"nowhere")])
    for number in range(3):
        record = interaction(f"newer {number}")
        producer.produce(job.topic, newer(record), record["dedup_key"].encode())
    assert producer.flush(30) == 0
    counts = job.finish(job.start())
    assert counts["dead_letters"] == {"not_single_object": 1, "unknown_schema": 3}
    return job


def newer(record):
    """The bytes of a record as a newer producer writes it."""
    schema = json.loads(NEWER.read_text())
    known = {field["name"] for field in schema["fields"]}
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, schema, {k: v for k, v in record.items() if k in known})
    assert Registry([NEWER]).by_fingerprint(fingerprint_of(schema))
    return b"\xc3\x01" + fingerprint_of(schema) + buffer.getvalue()


def headrace(job, *arguments):
    return ask(job, *arguments, group="deadletter")


def ask(job, *arguments, group="dataset"):
    ended = warm.run(group, *arguments, "--config", str(job.config_path), "--json")
    assert (ended.returncode, ended.stderr) == (0, "")
    return json.loads(ended.stdout)


def test_letters_are_listed_shown_and_replayed_once(kafka, job, tmp_path):
    groups = {group["reason"]: group for group in headrace(job, "ls", "--by", "hour")["groups"]}
    assert {reason: group["letters"] for reason, group in groups.items()} == job_letters(job)
    assert sum(groups["unknown_schema"]["by_time"].values()) == 3

    example = groups["not_single_object"]["example"]
    shown = headrace(job, "show", example)
    assert shown["source"] == example
    assert shown["headers"] == ["origin: 7 bytes"]
    assert "alice" not in json.dumps(shown)
    assert "alice@example.co" in "".join(headrace(job, "show", example, "--payload")["payload"]["hexdump"])

    dry = headrace(job, "replay", "--reason", "unknown_schema")
    assert (dry["to_replay"], dry["replayed"], dry["unreadable_still"]) == (3, 0, {"unknown_schema": 3})
    before = len(kafka.records(job.topic))

    schemas = tmp_path / "schemas"
    schemas.mkdir()
    shutil.copy(NEWER, schemas)
    job.config["schemas"] = {"path": str(schemas)}
    job.reconfigure()
    done = headrace(job, "replay", "--reason", "unknown_schema", "--apply")
    assert (done["to_replay"], done["replayed"], done["unreadable_still"]) == (3, 3, {})
    assert len(kafka.records(job.topic)) == before + 3  # the dry run wrote nothing
    assert job.finish(job.start())["kept"] == 3
    assert len(job.table()) == 4

    again = headrace(job, "replay", "--reason", "unknown_schema", "--apply")
    assert (again["chosen"], again["replayed_before"], again["replayed"]) == (3, 3, 0)
    assert len(kafka.records(job.topic)) == before + 3
    groups = {group["reason"]: group for group in headrace(job, "ls")["groups"]}
    assert groups["unknown_schema"]["replayed"] == 3


def test_a_replayed_message_is_the_original_with_one_header_more(kafka, job):
    (original,) = [m for m in kafka.records(job.topic) if m.key() == b"rubbish"]
    source = f"{job.topic}/{original.partition()}/{original.offset()}"
    assert headrace(job, "replay", source, "--apply")["replayed"] == 1
    first, second = [m for m in kafka.records(job.topic) if m.key() == b"rubbish"]
    assert second.value() == first.value() == b"alice@example.com"
    assert second.headers() == [*first.headers(), ("headrace-replayed-from", source.encode())]
    assert second.partition() == partition_of(b"rubbish", 2)
    assert headrace(job, "show", source)["replayed_to"] == [f"{job.topic}/{second.partition()}/{second.offset()}"]
    # It still cannot be read: another letter, with an identity of its own.
    assert job.finish(job.start())["dead_letters"] == {"not_single_object": 1}
    assert headrace(job, "replay", "--reason", "not_single_object")["to_replay"] == 1


def test_letters_that_their_topic_does_not_take_are_named_and_the_others_go_back_once(kafka, job):
    template = next(letter for letter in letters_of(job) if letter["key"] == b"rubbish")
    limit = 20_000  # lowered since: each but one fits, and all of them in a batch do not
    producer = Producer({**quiet_client(kafka.bootstrap_servers), "acks": "all"})
    for offset in range(10_000, 10_040):
        odd = {
            10_003: {"value": b"x" * (limit - 100)},  # with the header that is added it is too large
            10_004: {"key": None, "partition": 9},  # a partition that the topic does not have any more
        }
        letter = {**template, "offset": offset, "value": b"x" * 1_000, **odd.get(offset, {})}
        key = f"{job.topic}/{letter['partition']}/{offset}"
        producer.produce(job.dead_letter_topic, dead_letter_codec().encode(letter), key)
    assert producer.flush(30) == 0
    entry = ConfigEntry("max.message.bytes", str(limit), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.TOPIC, job.topic, incremental_configs=[entry])
    kafka.admin.incremental_alter_configs([resource])[resource].result(30)
    before = len(kafka.records(job.topic))

    for replayed, replayed_before in ((39, 0), (0, 39)):  # and the job's own letter of this reason
        arguments = ("replay", "--reason", "not_single_object", "--apply", "--config", str(job.config_path), "--json")
        ended = warm.run("deadletter", *arguments)
        assert (ended.returncode, ended.stderr) == (1, "")
        told = json.loads(ended.stdout)
        assert (told["replayed"], told["replayed_before"]) == (replayed, replayed_before)
        where = template["partition"]
        large, gone = sorted(told["refused"], key=lambda letter: letter["offset"])
        assert large == {
            "topic": job.topic, "partition": where, "offset": 10_003, "reason": "Broker: Message size too large"
        }  # fmt: skip
        assert (gone["partition"], gone["offset"]) == (9, 10_004)
        assert gone["reason"].endswith("Local: Unknown partition")
        assert len(kafka.records(job.topic)) == before + 39


def test_misplaced_keys_are_no_rows_and_replay_puts_them_beside_their_copies(kafka, tmp_path):
    job = DatasetJob(kafka, tmp_path, partitions=2)
    job.write(range(10))
    for partition in (0, 1):  # another partitioner: half of them lie right, and the others in the wrong partition
        job.write(range(5, 15), partition=partition)
    counts = job.finish(job.start())
    assert (counts["consumed"], counts["kept"], counts["dead_letters"]) == (30, 15, {"misplaced": 10})
    job.insist_on(expected_of(kafka, job.topic))
    (stray, *_) = kafka.records(job.dead_letter_topic)
    detail = headrace(job, "show", stray.key().decode())["detail"]
    assert re.fullmatch(r"its key belongs in partition [01]: .* murmur2_random", detail)
    lone = interaction(14)["dedup_key"]
    found = {each["became"]: each for each in ask(job, "trace", lone)["records"]}
    assert (found.keys(), found["unreadable"]["reason"]) == ({"row", "unreadable"}, "misplaced")
    assert f"its key belongs in partition {found['row']['partition']}: " in found["unreadable"]["detail"]
    assert ask(job, "why", "-s", interaction()["signature"])["unreadable"] == {"misplaced": 10}

    done = headrace(job, "replay", "--reason", "misplaced", "--apply")
    assert (done["replayed"], done["unreadable_still"]) == (10, {})
    counts = job.finish(job.start())
    assert (counts["consumed"], counts["duplicates"], counts["dead_letters"]) == (10, 10, {})
    job.insist_on(expected_of(kafka, job.topic))
    assert ask(job, "verify")["results"]  # and it ended with 0


def test_a_group_of_nobody_is_left_behind(kafka, job):
    headrace(job, "ls")
    groups = kafka.admin.list_consumer_groups(request_timeout=60).result().valid
    assert "headrace-control" not in {group.group_id for group in groups}


def letters_of(job):
    return [dead_letter_codec().decode(message.value()) for message in job.kafka.records(job.dead_letter_topic)]


def job_letters(job):
    return Counter(letter["reason"] for letter in letters_of(job))


def test_the_codec_of_this_release_writes_another_schema():
    assert interaction_codec().encode(interaction("x"))[:10] != newer(interaction("x"))[:10]
