"""By which day Kafka has let go: from the topics' own settings, and said to be unknown where they are."""

import datetime as dt

import pytest

from headrace.config import load
from headrace_consumers.erasure.kafka_holds import holds, states

NOW = dt.datetime(2026, 11, 27, 23, 55, tzinfo=dt.UTC)
DAY_MS = 86_400_000
CONFIG = load(None, {}, {})
TOPIC = CONFIG.kafka.topics.interactions


@pytest.mark.parametrize(
    ("settings", "gone_by", "why"),
    [
        (
            {"retention.ms": str(6 * DAY_MS), "segment.ms": str(DAY_MS)},
            "2026-12-05",
            "7 days",
        ),  # 5 minutes are not left
        ({"retention.ms": str(DAY_MS)}, "2026-12-06", "8 days"),  # a segment of a week, by default
        ({"retention.ms": "-1"}, None, "never"),
        ({"retention.ms": "1000", "cleanup.policy": "compact"}, None, "never"),
    ],
)
def test_a_topic_s_own_settings_say_it(settings, gone_by, why):
    calls, *others = holds(CONFIG, {TOPIC: settings}, None, NOW)
    assert (calls.topic, calls.gone_by) == (TOPIC, gone_by)
    assert why in calls.why
    assert [each.why for each in others] == ["there is no such topic"] * 2


def test_a_broker_that_says_nothing_gives_no_date():
    found, trouble = states(CONFIG)
    assert found == {}
    assert {hold.gone_by for hold in holds(CONFIG, found, trouble, NOW)} == {None}
    days = [hold.why.partition("; kafka.bootstrap_servers: not set")[0] for hold in holds(CONFIG, found, trouble, NOW)]
    late = "not known, kafka.late_retention_days promises 30"
    assert days == ["not known, kafka.retention_days promises 7", late, late]
