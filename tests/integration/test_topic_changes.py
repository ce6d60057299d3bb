"""A topic that is no longer what the table was built from: refused in one line, or passed over and remembered."""

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import NewPartitions, NewTopic

from headrace_consumers.dataset.delta.table import InteractionTable
from tests.support.dataset_job import DatasetJob
from tests.support.waiting import wait_until


@pytest.fixture
def job(kafka, tmp_path):
    """Give a job that has read 30 records of a topic with two partitions."""
    job = DatasetJob(kafka, tmp_path, partitions=2)
    job.write(range(30))
    assert job.finish(job.start())["kept"] == 30
    return job


def facts(job):
    return InteractionTable(job.table_path).properties.known_topics()


def described(job):
    (topic,) = job.kafka.admin.list_topics(job.topic, timeout=60).topics.values()
    return topic if topic.error is None else None


def add_partitions(job, count):
    job.kafka.admin.create_partitions([NewPartitions(job.topic, count)])[job.topic].result(30)
    wait_until(lambda: len(described(job).partitions) == count, "the partitions")


def make_again(job, partitions):
    admin = job.kafka.admin
    admin.delete_topics([job.topic])[job.topic].result(30)
    wait_until(lambda: described(job) is None, "the topic to be gone")
    topic = NewTopic(job.topic, partitions, 1, config={"message.timestamp.type": "LogAppendTime"})
    admin.create_topics([topic])[job.topic].result(30)
    wait_until(lambda: described(job) is not None and len(described(job).partitions) == partitions, "the new topic")


def test_the_table_remembers_the_topic_and_where_it_began(job):
    fact = facts(job).topics[job.topic]
    assert (fact.partitions, fact.begins) == (2, (0, 0))


def test_partitions_that_were_added_are_refused_at_the_start(job):
    add_partitions(job, 3)
    line = job.refusal(job.start())
    assert f"{job.topic}: it has 3 partitions, and {job.table_path} was built with 2" in line
    assert "Nothing is lost" in line


def test_partitions_that_are_added_while_it_runs_stop_it_before_a_copy_is_kept_twice(job):
    running = job.start(idle_exit_s=None)
    wait_until(lambda: '"event": "assigned"' in job.logs().rpartition("consumer-2.log")[2], "its assignment")
    add_partitions(job, 5)  # keys move between the old partitions too
    job.write(range(200))
    assert "it has 5 partitions" in job.refusal(running)
    assert job.table()["dedup_key"].is_unique().all()
    assert job.table().height == 30


def test_a_topic_that_was_made_again_is_refused_and_read_on_request(job):
    former = facts(job).topics[job.topic]
    make_again(job, partitions=4)
    job.write(range(20, 50))
    line = job.refusal(job.start())
    assert f"{job.topic}: this is not the topic that {job.table_path} was built from" in line
    assert "--accept-gap" in line
    assert job.table().height == 30

    counts = job.finish(job.start("--accept-gap"))
    assert (counts["kept"], counts["duplicates"]) == (20, 10)
    known = facts(job)
    assert (known.topics[job.topic].partitions, known.topics[job.topic].topic_id != former.topic_id) == (4, True)
    assert [(gap.topic_id, gap.partition, gap.to_offset) for gap in known.gaps] == [
        (former.topic_id, 0, None),
        (former.topic_id, 1, None),
    ]
    assert sum(gap.from_offset for gap in known.gaps) == 30
    assert job.finish(job.start())["consumed"] == 0  # accepted once is accepted


def test_offsets_that_are_gone_are_refused_and_passed_over_on_request(job):
    ended = {m.partition(): m.offset() + 1 for m in job.kafka.records(job.topic)}
    job.write(range(100, 200))
    cut = {p: end + 7 for p, end in ended.items()}
    places = [TopicPartition(job.topic, p, offset) for p, offset in cut.items()]
    for answer in job.kafka.admin.delete_records(places).values():
        answer.result(30)
    line = job.refusal(job.start())
    assert f"{job.topic}/0 from {ended[0]} to {ended[0] + 6}, {job.topic}/1 from {ended[1]} to {ended[1] + 6}" in line
    assert "--accept-gap" in line
    assert job.table().height == 30

    assert job.finish(job.start("--accept-gap"))["kept"] == 86
    assert [(gap.partition, gap.from_offset, gap.to_offset) for gap in facts(job).gaps] == [
        (p, ended[p], cut[p]) for p in sorted(cut)
    ]
    assert job.finish(job.start())["consumed"] == 0


def test_records_gone_that_were_never_read_are_a_gap_too(kafka, tmp_path):
    job = DatasetJob(kafka, tmp_path, partitions=2)
    assert job.finish(job.start())["consumed"] == 0  # the table begins at 0, though it has no position yet
    job.write(range(40))
    end = max(m.offset() for m in kafka.records(job.topic) if m.partition() == 1) + 1
    kafka.admin.delete_records([TopicPartition(job.topic, 1, end)])[TopicPartition(job.topic, 1, end)].result(30)
    assert f"{job.topic}/1 from 0 to {end - 1}" in job.refusal(job.start())
