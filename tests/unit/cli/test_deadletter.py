"""`headrace deadletter`: what can be wrong with its arguments. On a broker: tests/integration."""

import json
from collections import Counter
from types import SimpleNamespace

import pytest

from headrace_consumers.cli.deadletter import _choice
from headrace_consumers.cli.deadletter_lines import plan_lines
from headrace_consumers.deadletters.replay import Choice, Plan, RefusedLetter
from tests.unit.deadletters.test_replay import FakeProducer
from tests.unit.deadletters.test_summary import letter


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (None, Choice()),
        ("t", Choice(topic="t")),
        ("t/3", Choice(topic="t", partition=3)),
        ("t/3/10", Choice(topic="t", partition=3, first_offset=10, last_offset=10)),
        ("t/3/10-20", Choice(topic="t", partition=3, first_offset=10, last_offset=20)),
        ("t/3/10-", Choice(topic="t", partition=3, first_offset=10)),
    ],
)
def test_which_letters(where, expected):
    assert _choice(where, [], again=False) == expected


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["replay"], "which? Give TOPIC"),
        (["replay", "t/x"], "expected TOPIC[/PARTITION[/OFFSET[-OFFSET]]]"),
        (["replay", "--reason", "bad_luck"], "--reason bad_luck: no such reason; there are: invalid_capture_level"),
        (["show", "t/3"], "expected TOPIC/PARTITION/OFFSET"),
        (["ls"], "kafka.bootstrap_servers: not set"),
        (["replay", "--all"], "kafka.bootstrap_servers: not set"),
    ],
)
def test_mistakes_are_one_line(command, arguments, said):
    ended = command("deadletter", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.error


def test_a_broker_that_is_away_is_one_line(command, config_file):
    ended = command("deadletter", "ls", "--config", config_file({"kafka": {"bootstrap_servers": "127.0.0.1:1"}}))
    assert (ended.code, ended.out) == (1, "")
    assert "kafka.bootstrap_servers: no broker answers at 127.0.0.1:1" in ended.error
    assert "\n" not in ended.error


def test_what_kafka_refused_is_listed_at_the_end_and_not_without_end():
    made = Plan(Counter(tombstone=70), topics={"t"})
    refused = [RefusedLetter("t", 3, offset, "Broker: Message size too large") for offset in range(60)]
    lines = plan_lines(made, 10, refused, applied=True)
    assert lines[1:4] == [
        "replayed         10  to t",
        "refused          60  not replayed, and tried again by the next run:",
        "  t/3/0   Broker: Message size too large",
    ]
    assert len(lines) == 3 + 50 + 1
    assert lines[-1] == "  and 10 more; --json lists all"
    assert plan_lines(made, 70, applied=True)[-1] == "replayed         70  to t"


@pytest.fixture
def kafka_with(monkeypatch):
    """Return what sets the letters up, and the producer that takes them; there are the topics `t` and `letters`."""

    def set_up(letters, producer):
        topic = SimpleNamespace(name="letters", entries=lambda: iter(letters))
        monkeypatch.setattr("headrace_consumers.deadletters.letters.LetterTopic", lambda _: topic)
        monkeypatch.setattr("headrace_consumers.dataset.kafka.source.make_dead_letter_producer", lambda _: producer)
        monkeypatch.setattr(
            "headrace_consumers.topics.Broker", lambda _: SimpleNamespace(existing=lambda: {"t", "letters"})
        )

    return set_up


@pytest.fixture
def broker_that_goes_away(kafka_with):
    """600 letters; the fourth is too large, and the broker leaves after the first bundle."""
    letters = [letter(offset, key=b"large" if offset == 3 else b"%d" % offset) for offset in range(600)]
    kafka_with(
        letters, FakeProducer(never_taken={b"large"}, silent={b"%d" % offset: None for offset in range(500, 600)})
    )


def test_letters_whose_topic_is_gone_stop_no_others(command, kafka_with):
    producer = FakeProducer()
    kafka_with([letter(1), letter(2, topic="old.one"), letter(3)], producer)
    told = command("deadletter", "replay", "--all")
    assert told.code == 0
    assert told.out.splitlines()[1:] == [
        "topic gone       1  cannot be replayed, e.g. old.one/0/2",
        "to replay        2  nothing was done yet; --apply does it",
    ]
    assert producer.written == []
    ended = command("deadletter", "replay", "--all", "--apply")
    assert (ended.code, ended.err) == (1, "")
    assert ended.out.splitlines()[1:] == [
        "replayed         2  to t",
        "refused          1  not replayed, and tried again by the next run:",
        "  old.one/0/2  the topic is not there any more, or this user may not see it",
    ]
    assert producer.keys("letters") == [b"t/0/1", b"t/0/3"]
    assert producer.keys("old.one") == []


def test_where_all_topics_are_gone_nothing_is_sent_and_all_are_told(command, kafka_with):
    kafka_with([letter(2, topic="old")], None)
    ended = command("deadletter", "replay", "old", "--apply", "--json")
    told = json.loads(ended.out)
    assert (ended.code, told["replayed"], told["to_replay"], told["topic_gone"]) == (1, 0, 0, 1)
    assert [(each["topic"], each["partition"], each["offset"]) for each in told["refused"]] == [("old", 0, 2)]


@pytest.mark.usefixtures("broker_that_goes_away")
def test_what_was_refused_is_listed_before_the_error_that_ends_the_replay(command):
    ended = command("deadletter", "replay", "--all", "--apply")
    assert ended.code == 1
    assert ended.out.splitlines()[1:] == [
        "replayed         499  to t",
        "refused          1  not replayed, and tried again by the next run:",
        "  t/0/3  Local: message too large",
    ]
    assert "t: 100 of 100 replayed messages were not acknowledged (no answer within 30 s)" in ended.error
    told = json.loads(command("deadletter", "replay", "--all", "--apply", "--json").out)
    assert [each["offset"] for each in told["refused"]] == [3]
