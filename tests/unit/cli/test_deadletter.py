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
        "refused          60  by Kafka; not replayed, and tried again by the next run:",
        "  t/3/0   Broker: Message size too large",
    ]
    assert len(lines) == 3 + 50 + 1
    assert lines[-1] == "  and 10 more; --json lists all"
    assert plan_lines(made, 70, applied=True)[-1] == "replayed         70  to t"


@pytest.fixture
def broker_that_goes_away(monkeypatch):
    """600 letters; the fourth is too large, and the broker leaves after the first bundle."""
    letters = [letter(offset, key=b"large" if offset == 3 else b"%d" % offset) for offset in range(600)]
    producer = FakeProducer(never_taken={b"large"}, silent={b"%d" % offset: None for offset in range(500, 600)})
    topic = SimpleNamespace(name="letters", entries=lambda: iter(letters))
    monkeypatch.setattr("headrace_consumers.deadletters.letters.LetterTopic", lambda _: topic)
    monkeypatch.setattr("headrace_consumers.dataset.kafka.source.make_dead_letter_producer", lambda _: producer)
    monkeypatch.setattr(
        "headrace_consumers.topics.Broker", lambda _: SimpleNamespace(existing=lambda: {"t", "letters"})
    )


@pytest.mark.usefixtures("broker_that_goes_away")
def test_what_was_refused_is_listed_before_the_error_that_ends_the_replay(command):
    ended = command("deadletter", "replay", "--all", "--apply")
    assert ended.code == 1
    assert ended.out.splitlines()[1:] == [
        "replayed         499  to t",
        "refused          1  by Kafka; not replayed, and tried again by the next run:",
        "  t/0/3  Local: message too large",
    ]
    assert "t: 100 of 100 replayed messages were not acknowledged (no answer within 30 s)" in ended.error
    told = json.loads(command("deadletter", "replay", "--all", "--apply", "--json").out)
    assert [each["offset"] for each in told["refused"]] == [3]
