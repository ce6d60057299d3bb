"""What /healthz and /readyz say, and when."""

import json
import urllib.error
import urllib.request

import pytest

from headrace.errors import ConfigError
from headrace_consumers.dataset.health import Health, serve_health
from headrace_consumers.dataset.status import HealthLimits, PartitionStatus, Status, judge

LIMITS = HealthLimits(stalled_s=60, failing_s=300, lag_records=100)
CAUGHT_UP = PartitionStatus(7, 9, 2, 2, is_ready=True, has_caught_up=True)


def status(**changes):
    return Status(**{"turned_at": 1000.0, "has_joined": True, "partitions": {0: CAUGHT_UP}, **changes})


def behind(**changes):
    values = {"position": 7, "next_offset": 9, "buffered": 2, "lag": 2, "is_ready": True, "has_caught_up": True}
    return status(partitions={0: CAUGHT_UP, 3: PartitionStatus(**{**values, **changes})})


@pytest.mark.parametrize(
    ("said", "healthy", "ready", "problem"),
    [
        (status(), True, True, None),
        (status(partitions={}), True, True, None),  # more members than partitions: one stands by
        (status(has_joined=False, partitions={}), True, False, "no assignment yet"),
        (behind(is_ready=False), True, False, r"not caught up since the assignment: \[3\]"),
        (behind(has_caught_up=False), True, False, r"\[3\]"),
        (behind(lag=None), True, False, "lag above 100"),
        (behind(lag=98), True, True, None),
        (behind(lag=99), True, False, "lag above 100"),
        (status(failing_since=800.0), True, True, None),
        (status(failing_since=650.0), False, False, "commits have failed for 360 s"),
        (status(kafka_silent_s=30.0), True, True, None),
        (status(kafka_silent_s=31.0), True, False, "no broker has answered for 31 s"),
        (status(turned_at=949.0), False, False, "not turned for 61 s"),
    ],
)
def test_the_verdict(said, healthy, ready, problem):
    verdict = judge(said, 1010.0, LIMITS)
    assert (verdict.is_healthy, verdict.is_ready) == (healthy, ready)
    assert bool(verdict.body["problems"]) == (problem is not None)
    if problem is not None:
        with pytest.raises(AssertionError, match=problem):
            raise AssertionError(verdict.body["problems"])


def test_while_kafka_is_away_the_lag_is_not_known():
    body = judge(status(kafka_silent_s=45.0), 1010.0, LIMITS).body
    assert body["problems"] == ["no broker has answered for 45 s"]
    assert (body["lag"], body["partitions"]["0"]) == (None, {"position": 7, "next_offset": 9, "lag": None})


def ask(port, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_probes_are_answered_though_the_loop_hangs():
    now = [1000.0]
    health = Health(LIMITS, lambda: now[0])
    with serve_health(health, "127.0.0.1", 0) as port:
        assert ask(port, "/healthz")[0] == 200  # it has just begun
        assert ask(port, "/readyz")[0] == 503
        health.tell(status(last_error="no room"))
        assert ask(port, "/readyz?verbose") == (
            200,
            {
                "ok": True,
                "problems": [],
                "lag": 2,
                "partitions": {"0": {"position": 7, "next_offset": 9, "lag": 2}},
                "paused": False,
                "failing_s": None,
                "last_error": "no room",
            },
        )
        now[0] = 1061.0
        assert [ask(port, path)[0] for path in ("/healthz", "/readyz", "/")] == [503, 503, 404]


def test_a_port_that_is_taken_is_one_line():
    health = Health(LIMITS, lambda: 0.0)
    with (
        serve_health(health, "127.0.0.1", 0) as port,
        pytest.raises(ConfigError, match=rf"cannot listen on 127\.0\.0\.1:{port}"),
        serve_health(health, "127.0.0.1", port),
    ):
        pass
