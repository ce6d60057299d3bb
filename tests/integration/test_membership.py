"""Membership of the group: static, by either protocol, and two that say they are one."""

import json
import signal

import pytest

from tests.chaos.dataset.crew import Crew
from tests.support.dataset_job import DatasetJob
from tests.support.waiting import wait_until

INSTANCE = "HEADRACE_DATASET__GROUP_INSTANCE_ID"


@pytest.fixture(params=["classic", "consumer"])
def job(kafka, tmp_path, request):
    job = DatasetJob(kafka, tmp_path, partitions=4)
    if request.param == "consumer":  # KIP-848: its timeouts are the broker's, and librdkafka refuses them here
        job.config["kafka"]["consumer_options"] = {"group.protocol": "consumer"}
    else:
        job.config["kafka"]["consumer_options"]["session.timeout.ms"] = 45_000  # longer than a restart takes
    job.reconfigure()
    return job


@pytest.fixture
def crew(job):
    crew = Crew(job.config_path)
    yield crew
    crew.kill()


def events(member, *names):
    told = [json.loads(line) for line in list(member.log) if line.startswith("{")]
    return [each for each in told if each["event"] in names]


def owned(member):
    """The partitions that it owns, by its own log."""
    partitions = set()
    for event in events(member, "assigned", "unassigned"):
        change = set(event["partitions"])
        partitions = partitions | change if event["event"] == "assigned" else partitions - change
    return partitions


def settled(members):
    wait_until(
        lambda: (
            all(owned(member) for member in members)
            and sorted(p for member in members for p in owned(member)) == [0, 1, 2, 3]
        ),
        "each to own some of the partitions",
        60,
    )


def test_two_members_share_the_partitions_and_each_record_is_there_once(job, crew):
    members = [crew.start(), crew.start()]
    settled(members)
    job.write(range(200))
    wait_until(lambda: events(members[0], "committed") and events(members[1], "committed"), "both to commit", 60)
    for member in members:
        member.send(signal.SIGTERM)
        assert member.wait(30) == 0
    job.finish(job.start())
    assert job.table()["dedup_key"].n_unique() == job.table().height == 200


def test_a_static_member_that_is_back_in_time_gets_its_partitions_without_a_rebalance(job, crew):
    if "group.protocol" in job.config["kafka"]["consumer_options"]:
        pytest.skip("the session timeout is the broker's, and shorter in tests than a restart")
    one, other = (crew.start(**{INSTANCE: name}) for name in ("one", "other"))
    settled([one, other])
    had, changes = owned(other), len(events(one, "assigned", "unassigned"))
    other.send(signal.SIGTERM)
    assert other.wait(30) == 0
    again = crew.start(**{INSTANCE: "other"})
    wait_until(lambda: events(again, "assigned"), "it to be assigned", 60)
    assert owned(again) == had
    assert len(events(one, "assigned", "unassigned")) == changes


@pytest.mark.usefixtures("job")
def test_two_with_one_static_membership_are_told_in_one_line(crew):
    first = crew.start(**{INSTANCE: "one"})
    wait_until(lambda: events(first, "assigned"), "it to be assigned", 60)
    second = crew.start(**{INSTANCE: "one"})
    wait_until(lambda: not first.lives or not second.lives, "one of them to end", 60)
    (ended,) = [member for member in (first, second) if not member.lives]
    assert ended.wait(30) == 1
    (line,) = [line for line in ended.log if not line.startswith("{")]
    assert "group_instance_id" in line
