"""What `headrace topics check` finds, as a pure comparison; and its bad paths. On a broker: tests/integration."""

import dataclasses
import time

import pytest

from headrace.config import Config, load
from headrace_consumers.topics import DEAD_LETTER_OVERHEAD_BYTES, TopicState, compare, wanted
from headrace_consumers.topics.findings import settings_of_new
from headrace_consumers.topics.retention import retention_for
from headrace_schemas.topics import CONTROL, DEAD_LETTERS, FEEDBACK, INTERACTIONS, ROLLOUT, STATISTICS

GOOD = {
    INTERACTIONS: {
        "cleanup.policy": "delete",
        "message.timestamp.type": "LogAppendTime",
        "retention.ms": "518400000",
        "segment.ms": "86400000",
        "max.message.bytes": "1048588",
    },
    DEAD_LETTERS: {
        "cleanup.policy": "delete",
        "retention.ms": "2505600000",
        "segment.ms": "86400000",
        "max.message.bytes": "8388608",
    },
    STATISTICS: {
        "cleanup.policy": "delete",
        "message.timestamp.type": "LogAppendTime",
        "retention.ms": "604800000",
    },
    FEEDBACK: {
        "cleanup.policy": "delete",
        "message.timestamp.type": "LogAppendTime",
        "retention.ms": "2505600000",
        "segment.ms": "86400000",
    },
    CONTROL: {"cleanup.policy": "compact", "segment.bytes": "16777216", "min.cleanable.dirty.ratio": "0.1"},
    ROLLOUT: {"cleanup.policy": "compact", "segment.bytes": "16777216", "min.cleanable.dirty.ratio": "0.1"},
}


def findings(changes=None, missing=(), *, copies=1, brokers=1, **kafka):
    states = {
        name: TopicState(
            name=name, partitions=8, replication_factor=copies, config={**config, **(changes or {}).get(name, {})}
        )
        for name, config in GOOD.items()
        if name not in missing
    }
    config = load(overrides={"kafka": kafka}, environ={})
    return compare(config, wanted(config), states, "broker:9092", brokers)


def test_topics_as_they_should_be_give_no_finding():
    assert findings() == []


def test_a_missing_topic_is_a_problem_with_the_command_that_makes_it():
    (finding,) = findings(missing=[DEAD_LETTERS])
    assert (finding.topic, finding.problem, finding.what) == (DEAD_LETTERS, True, "missing")
    assert "headrace topics create" in finding.mend


def test_a_setting_that_a_guarantee_rests_on_is_a_problem_with_the_command_that_mends_it():
    (finding,) = findings({INTERACTIONS: {"message.timestamp.type": "CreateTime"}})
    assert finding.problem
    assert finding.what == "message.timestamp.type is CreateTime, expected LogAppendTime"
    assert "--bootstrap-server broker:9092" in finding.mend
    assert f"--entity-name {INTERACTIONS} --add-config message.timestamp.type=LogAppendTime" in finding.mend


def test_a_suggested_setting_is_only_a_note():
    (finding,) = findings({STATISTICS: {"retention.ms": "1000"}})
    assert not finding.problem
    assert finding.what == "retention.ms is 1000, suggested 604800000"


@pytest.mark.parametrize(
    ("settings", "problem", "what"),
    [
        ({"retention.ms": "-1"}, True, "a record stays for ever (retention.ms is -1), promised: 7 days"),
        ({"retention.ms": "604800000"}, True, "a record may stay for 8 days"),
        ({"segment.ms": "604800000"}, True, "a record may stay for 13 days"),
        ({"retention.ms": "3600000"}, False, "retention.ms is 3600000, suggested 518400000: a longer outage"),
    ],
)
def test_kafka_holds_nobodys_words_for_longer_than_promised(settings, problem, what):
    (finding,) = findings({INTERACTIONS: settings})
    assert finding.problem is problem
    assert finding.what.startswith(what)
    assert finding.mend.endswith("--add-config retention.ms=518400000,segment.ms=86400000")


def test_what_is_promised_is_configured():
    assert findings({INTERACTIONS: {"retention.ms": "1123200000"}}, retention_days=14.0) == []
    assert {finding.topic for finding in findings(late_retention_days=20.0)} == {DEAD_LETTERS, FEEDBACK}
    assert retention_for(1.0) == {"retention.ms": "43200000", "segment.ms": "43200000"}


def test_three_copies_two_of_which_acknowledge_where_there_are_brokers():
    good = {name: {"min.insync.replicas": "2"} for name in GOOD}
    assert findings(good, copies=3, brokers=5) == []
    (finding,) = findings({**good, INTERACTIONS: {"min.insync.replicas": "1"}}, copies=3, brokers=5)
    assert (finding.topic, finding.problem) == (INTERACTIONS, True)
    assert finding.mend.endswith("--add-config min.insync.replicas=2")
    few = findings(copies=1, brokers=2)
    assert [(each.problem, each.what) for each in few] == [(True, "1 copies on 2 brokers, expected 2")] * len(GOOD)
    (note,) = findings({**good, INTERACTIONS: {"min.insync.replicas": "3"}}, copies=3, brokers=3)
    assert (note.problem, note.what) == (False, "min.insync.replicas is 3 of 3 copies: no broker may be away")
    (finding,) = findings({INTERACTIONS: {"unclean.leader.election.enable": "true"}})
    assert finding.problem


def test_a_new_topic_gets_what_check_insists_on():
    for spec in wanted(Config()):
        settings = settings_of_new(spec, 3)
        assert settings["min.insync.replicas"] == "2"
        state = TopicState(name=spec.name, partitions=8, replication_factor=3, config=settings)
        assert compare(Config(), [spec], {spec.name: state}, "broker:9092", 3) == []
    assert "min.insync.replicas" not in settings_of_new(wanted(Config())[0], 1)


def test_a_larger_message_limit_than_suggested_is_as_good():
    assert findings({DEAD_LETTERS: {"max.message.bytes": "9000000"}}) == []


def test_the_largest_message_must_fit_into_a_dead_letter():
    limit = 8388608 - DEAD_LETTER_OVERHEAD_BYTES
    assert findings({INTERACTIONS: {"max.message.bytes": str(limit)}}) == []
    (finding,) = findings({INTERACTIONS: {"max.message.bytes": str(limit + 1)}})
    assert (finding.topic, finding.problem) == (DEAD_LETTERS, True)
    assert finding.mend.endswith(f"max.message.bytes={8388608 + 1}")


def test_topics_have_their_configured_names():
    config = load(overrides={"kafka": {"topics": {"interactions": "mine", "dead_letters": "bad"}}}, environ={})
    assert [spec.name for spec in wanted(config)] == ["mine", "bad", STATISTICS, FEEDBACK, CONTROL, ROLLOUT]
    assert all(dataclasses.is_dataclass(spec) for spec in wanted(config))


@pytest.mark.parametrize("name", ["create", "check"])
def test_without_a_broker_configured_it_says_what_to_set(command, name):
    ended = command("topics", name, "--json")
    assert (ended.code, ended.out) == (2, "")
    assert "kafka.bootstrap_servers: not set" in ended.error


@pytest.mark.parametrize("name", ["create", "check"])
def test_a_broker_that_does_not_answer_is_one_line_within_ten_seconds(command, config_file, name):
    started = time.monotonic()
    ended = command("topics", name, "--config", config_file({"kafka": {"bootstrap_servers": "127.0.0.1:9"}}), "--json")
    assert time.monotonic() - started < 30
    assert (ended.code, ended.out) == (1, "")
    assert "no broker answers at 127.0.0.1:9" in ended.error
    assert "refused" in ended.error
