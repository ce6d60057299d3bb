"""What `headrace topics check` finds, as a pure comparison; and its bad paths. On a broker: tests/integration."""

import dataclasses
import time

import pytest

from headrace.config import Config, load
from headrace_consumers.topics import DEAD_LETTER_OVERHEAD_BYTES, TopicState, compare, wanted
from headrace_schemas.topics import CONTROL, DEAD_LETTERS, FEEDBACK, INTERACTIONS, STATISTICS

GOOD = {
    INTERACTIONS: {
        "cleanup.policy": "delete",
        "message.timestamp.type": "LogAppendTime",
        "retention.ms": "604800000",
        "max.message.bytes": "1048588",
    },
    DEAD_LETTERS: {"cleanup.policy": "delete", "retention.ms": "2592000000", "max.message.bytes": "8388608"},
    STATISTICS: {"cleanup.policy": "delete", "retention.ms": "604800000"},
    FEEDBACK: {"cleanup.policy": "delete", "message.timestamp.type": "LogAppendTime", "retention.ms": "2592000000"},
    CONTROL: {"cleanup.policy": "compact"},
}


def findings(changes=None, missing=()):
    states = {
        name: TopicState(
            name=name, partitions=8, replication_factor=1, config={**config, **(changes or {}).get(name, {})}
        )
        for name, config in GOOD.items()
        if name not in missing
    }
    config = Config()
    return compare(config, wanted(config), states, "broker:9092")


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
    (finding,) = findings({INTERACTIONS: {"retention.ms": "1000"}})
    assert not finding.problem
    assert finding.what == "retention.ms is 1000, suggested 604800000"


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
    assert [spec.name for spec in wanted(config)] == ["mine", "bad", STATISTICS, FEEDBACK, CONTROL]
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
    assert time.monotonic() - started < 12
    assert (ended.code, ended.out) == (1, "")
    assert "no broker answers at 127.0.0.1:9" in ended.error
    assert "refused" in ended.error
