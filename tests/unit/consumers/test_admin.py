"""Asking a broker that is just starting, or that refuses."""

import threading
from concurrent.futures import Future

import pytest
from confluent_kafka import KafkaError, KafkaException

from headrace.config import load
from headrace_consumers.dataset.errors import SourceError, Stopped
from headrace_consumers.dataset.kafka import admin


class Answers:
    """An AdminClient that gives one answer after the other, the last for ever."""

    def __init__(self, *codes):
        self._codes = list(codes)
        self.asked = 0

    def describe_topics(self, topics, request_timeout):  # noqa: ARG002  # AdminClient's
        self.asked += 1
        code = self._codes.pop(0) if len(self._codes) > 1 else self._codes[0]
        future = Future()
        if code is None:
            future.set_result(type("Topic", (), {"topic_id": "id-1", "partitions": [0, 1]}))
        else:
            future.set_exception(KafkaException(KafkaError(code, "no")))
        return {topics.topic_names[0] if hasattr(topics, "topic_names") else "headrace.interactions.v1": future}


@pytest.fixture
def asked(monkeypatch):
    """Give what makes an admin of some answers; the clock stands at what the test says."""
    now = [0.0]

    class Stop(threading.Event):
        def wait(self, timeout=None):
            now[0] += timeout
            return self.is_set()

    monkeypatch.setattr(admin.time, "monotonic", lambda: now[0])

    def make(*codes, stop=None):
        made = admin.TopicAdmin(load(None, {"kafka": {"bootstrap_servers": "127.0.0.1:9"}}, {}), stop or Stop())
        made._admin = Answers(*codes)
        return made, now

    return make


def test_a_broker_that_is_just_starting_is_asked_again(asked):
    made, _ = asked(KafkaError._TIMED_OUT, KafkaError.LEADER_NOT_AVAILABLE, KafkaError.UNKNOWN_TOPIC_OR_PART, None)
    assert made.describe().partition_count == 2


@pytest.mark.parametrize(
    ("code", "line", "after_s"),
    [
        (KafkaError._TIMED_OUT, "no answer from Kafka", 30),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, "headrace topics create", 3),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, "lacks a right on this topic: .*headrace acls check", 0),
    ],
)
def test_what_does_not_pass_is_refused_in_time(asked, code, line, after_s):
    made, now = asked(code)
    with pytest.raises(SourceError, match=line):
        made.describe()
    assert after_s <= now[0] <= after_s + 1


def test_told_to_stop_it_does_not_ask_again(asked):
    stop = threading.Event()
    stop.set()
    made, _ = asked(KafkaError._TIMED_OUT, stop=stop)
    with pytest.raises(Stopped):
        made.describe()
    assert made._admin.asked == 1
