"""The follower of the control topic: what it applies and when, what it says, and that it never disturbs its host."""

import json
import logging
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from headrace.config import Config, load
from headrace.control import Follower, Override, SamplingOrder, SamplingScope
from headrace.control.follower import consumer_options
from headrace_consumers.embedded import EmbeddedBroker
from headrace_schemas.rollouts import ProgramVersion, Rollout, RolloutState
from headrace_schemas.topics import CONTROL
from tests.support.kafka_settings import quiet_client
from tests.support.struck import is_struck
from tests.support.waiting import wait_until
from tests.unit.headrace.test_sinks import refusing_address

NOW_S = 1_700_000_000.0
EVERYTHING = SamplingScope()


def config_of(servers: str = "127.0.0.1:9", **kafka: Any) -> Config:
    telemetry = {"enabled": True, "service": "shop"}
    return load(None, {"telemetry": telemetry, "kafka": {"bootstrap_servers": servers, **kafka}}, {})


class Message:
    """What a consumer gives."""

    def __init__(self, key: bytes = b"", value: bytes | None = None, error: KafkaError | None = None) -> None:
        self._key, self._value, self._error = key, value, error

    def key(self) -> bytes:
        return self._key

    def value(self) -> bytes | None:
        return self._value

    def offset(self) -> int:
        return 7

    def error(self) -> KafkaError | None:
        return self._error


END = Message(error=KafkaError(KafkaError._PARTITION_EOF))


def ordered(name: str = "*/*/*", rate_pct: float | None = None, at_s: float = NOW_S, **said: Any) -> Message:
    scope = SamplingScope.of(name)
    order = SamplingOrder(scope=scope, rate_pct=rate_pct, updated_at_ms=int(at_s * 1000), **said)
    return Message(scope.key, order.encoded())


class Broker:
    """Makes consumers that read one script of messages; `None` in it lets the follower wait until there is more."""

    def __init__(self) -> None:
        self.script: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self.assigned: list[Any] = []
        self.options: dict[str, Any] = {}
        self.raises: Exception | None = None
        self.asked = threading.Event()
        self.closed = threading.Event()
        self.read_offset = 0
        self.end_offset = 0
        self.silences: list[None] = []

    def __call__(self, options: dict[str, Any]) -> "Broker":
        self.options = options
        self.asked.set()
        if self.raises is not None:
            raise self.raises
        return self

    def assign(self, partitions: list[Any]) -> None:
        self.assigned += partitions

    def poll(self, _: float) -> Message | None:
        try:
            message = self.script.get(timeout=0.02)
        except queue.Empty:
            self.silences.append(None)
            return None
        self.read_offset += message.error() is None
        return message

    def position(self, partitions: list[Any]) -> list[TopicPartition]:
        return [TopicPartition(each.topic, each.partition, self.read_offset) for each in partitions]

    def get_watermark_offsets(self, partition: Any, *, cached: bool) -> tuple[int, int]:
        assert (partition, cached) == (self.assigned[-1], True)
        return 0, max(self.end_offset, self.read_offset)

    def close(self) -> None:
        self.closed.set()

    def sends(self, *messages: Message) -> None:
        for message in messages:
            self.script.put(message)


@pytest.fixture
def broker() -> Broker:
    return Broker()


Applied = queue.SimpleQueue[dict[str, Override]]


@pytest.fixture
def applied() -> Applied:
    return queue.SimpleQueue()


@pytest.fixture
def follower(broker: Broker, applied: Applied) -> Iterator[Follower]:
    following = Follower(
        config_of(), lambda found: applied.put(dict(found)), make_consumer=broker, time_s=lambda: NOW_S
    )
    yield following
    assert following.close(60)
    if broker.assigned:
        assert broker.closed.is_set()


def test_nothing_exists_before_it_is_started(broker: Broker, follower: Follower) -> None:
    assert broker.options == {}
    assert not [thread for thread in threading.enumerate() if thread.name == "headrace-control"]
    assert follower.close()


def test_it_reads_one_partition_from_its_beginning_and_applies_at_the_end(
    broker: Broker, follower: Follower, applied: Applied
) -> None:
    broker.sends(ordered(rate_pct=1), ordered("*/shop/a", rate_pct=2), ordered(rate_pct=3), END)
    follower.start()
    assert applied.get(timeout=30) == {"*": Override(3), "a": Override(2)}
    (partition,) = broker.assigned
    assert (partition.topic, partition.partition, partition.offset) == (CONTROL, 0, -2)
    broker.sends(ordered("staging/shop/a", rate_pct=9), ordered("*/shop/a", enabled=False), END)
    assert applied.get(timeout=30) == {"*": Override(3), "a": Override(3, False)}
    broker.sends(Message(b"sampling/*/*/*"))  # the broker need not tell of the end
    assert applied.get(timeout=30) == {"a": Override(None, False)}
    broker.sends(END, END, ordered(rate_pct=1))
    assert applied.get(timeout=30) == {"*": Override(1), "a": Override(1, False)}
    assert applied.empty()


@pytest.mark.parametrize("tells_of_the_end", [True, False])
def test_silence_on_the_way_to_the_newest_order_applies_nothing(
    broker: Broker, follower: Follower, applied: Applied, *, tells_of_the_end: bool
) -> None:
    broker.end_offset = 3 if tells_of_the_end else 2  # the offset of a deleted order is nobody's
    broker.sends(ordered(rate_pct=1))
    follower.start()
    wait_until(lambda: len(broker.silences) > 2, "three polls without a message")
    assert applied.empty()
    broker.sends(ordered(rate_pct=2), *([END] if tells_of_the_end else []))
    assert applied.get(timeout=30) == {"*": Override(2)}
    broker.end_offset = broker.read_offset + 2
    silences = len(broker.silences)
    broker.sends(ordered(rate_pct=3))
    wait_until(lambda: len(broker.silences) > silences + 2, "three polls without a message")
    assert applied.empty()
    broker.sends(ordered(rate_pct=4))
    assert applied.get(timeout=30) == {"*": Override(4)}


def rolled_out(state: RolloutState | None, module: str = "qa", at_ms: int = 0) -> Message:
    rollout = Rollout(
        environment="production",
        module=module,
        rollout_id="r1",
        state=state or "running",
        share=0.5,
        candidate=ProgramVersion("v2", "ab" * 32),
        baseline=ProgramVersion("baseline"),
        updated_at_ms=at_ms,
    )
    return Message(rollout.key, None if state is None else rollout.encoded())


def test_a_rollback_holds_however_far_ahead_it_is_dated(broker: Broker) -> None:
    applied: queue.SimpleQueue[dict[str, str]] = queue.SimpleQueue()
    following = Follower(
        config_of(),
        lambda _: None,
        apply_rollouts=lambda found: applied.put({name: each.state for name, each in found.items()}),
        make_consumer=broker,
        time_s=lambda: NOW_S,
    )
    broker.sends(rolled_out("running"), rolled_out("rolled_back", at_ms=2**45), END)
    following.start()
    assert applied.get(timeout=30) == {"production/qa": "rolled_back"}
    assert following.close(30)


def test_rollouts_are_applied_at_the_end_too_and_it_is_idle_while_nothing_comes(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    applied: queue.SimpleQueue[dict[str, str]] = queue.SimpleQueue()
    idle = threading.Event()
    following = Follower(
        config_of(),
        lambda _: None,
        apply_rollouts=lambda found: applied.put({name: each.state for name, each in found.items()}),
        idle=idle.set,
        make_consumer=broker,
        time_s=lambda: NOW_S,
    )
    damaged = Message(b"rollout/production/qa", b"no record")
    with caplog.at_level(logging.WARNING, "headrace"):
        broker.sends(rolled_out("running"), rolled_out("paused", "other"), rolled_out("promoted"), damaged, END)
        following.start()
        assert applied.get(timeout=30) == {"production/qa": "promoted", "production/other": "paused"}
        assert idle.wait(30)
        broker.sends(rolled_out(None), END)
        assert applied.get(timeout=30) == {"production/other": "paused"}
        assert following.close(60)
    (line,) = caplog.messages
    assert "an order is ignored" in line
    assert "`headrace rollout status` shows" in line


def test_it_is_started_once_by_however_many_threads(broker: Broker, follower: Follower, applied: Applied) -> None:
    threads = [threading.Thread(target=follower.start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    broker.sends(END)
    applied.get(timeout=30)
    assert len(broker.assigned) == 1
    assert len([thread for thread in threading.enumerate() if thread.name == "headrace-control"]) == 1


def test_however_a_signal_interrupts_its_start_it_reaches_the_service_and_the_next_start_follows(
    applied: Applied,
) -> None:
    number, was_struck = 0, True
    while was_struck:
        number += 1
        broker = Broker()
        follower = Follower(config_of(), lambda found: applied.put(dict(found)), make_consumer=broker)
        was_struck = is_struck(Follower.start, number, follower.start)
        follower.start()
        broker.sends(END)
        applied.get(timeout=30)
        assert len(broker.assigned) == 1
        assert not follower.close()
        assert follower.close(30)
        assert broker.closed.is_set()
    assert number > 3


def test_a_look_at_its_thread_that_a_signal_interrupts_makes_it_no_dead_one(
    broker: Broker, follower: Follower, applied: Applied
) -> None:
    broker.sends(END)
    follower.start()
    applied.get(timeout=30)
    assert follower._thread is not None
    looking = getattr(threading.Thread, "_wait_for_tstate_lock", threading.Thread.is_alive)  # its name until 3.12
    number = 0
    while is_struck(looking, number := number + 1, follower._thread.is_alive):
        assert not follower.close()
    wait_until(follower.close, "the end of the thread")


def test_closed_before_its_start_it_never_starts(broker: Broker, follower: Follower) -> None:
    follower.close()
    follower.start()
    assert not broker.asked.is_set()


def test_a_bad_order_is_ignored_with_one_line_and_the_one_before_stays(
    broker: Broker, follower: Follower, applied: Applied, caplog: pytest.LogCaptureFixture
) -> None:
    far = ordered(rate_pct=5, at_s=NOW_S + 86_400)
    broker.sends(ordered(rate_pct=1), far, Message(EVERYTHING.key, b"secret"), Message(b"sampling/x"), END)
    follower.start()
    assert applied.get(timeout=30) == {"*": Override(1)}
    (line,) = caplog.messages
    assert line == (
        f"headrace: an order is ignored ({CONTROL}, offset 7): it is dated more than an hour ahead of this host's "
        "clock; `headrace sampling list` shows those in force"
    )


def test_an_order_of_a_later_release_is_passed_over(
    broker: Broker, follower: Follower, applied: Applied, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        broker.sends(Message(b"routing/x", b"?"), ordered(rate_pct=1), END)
        follower.start()
        assert applied.get(timeout=30) == {"*": Override(1)}
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "headrace: an order of a kind that this release does not know is ignored")
    ]


def test_a_broker_that_is_away_is_told_once_and_again_when_it_goes_once_more(
    broker: Broker, follower: Follower, applied: Applied, caplog: pytest.LogCaptureFixture
) -> None:
    away = Message(error=KafkaError(KafkaError._TRANSPORT))
    refused = Message(error=KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))
    down = Message(error=KafkaError(KafkaError._ALL_BROKERS_DOWN))
    broker.sends(away, away, down, refused, END, away, away, ordered(rate_pct=1), END)
    follower.start()
    assert applied.get(timeout=30) == {}
    assert applied.get(timeout=30) == {"*": Override(1)}
    causes = [record.getMessage().rpartition("(")[2] for record in caplog.records]
    assert causes == ["_TRANSPORT)", "TOPIC_AUTHORIZATION_FAILED)", "_TRANSPORT)"]


def test_a_topic_that_is_missing_names_the_command_that_makes_it(
    broker: Broker, follower: Follower, applied: Applied, caplog: pytest.LogCaptureFixture
) -> None:
    broker.sends(Message(error=KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)), END)
    follower.start()
    applied.get(timeout=30)
    (line,) = caplog.messages
    assert line.endswith("`headrace topics create` makes it")


def test_a_client_that_cannot_be_made_is_one_line_and_close_does_not_wait_for_the_retry(
    broker: Broker, follower: Follower, caplog: pytest.LogCaptureFixture
) -> None:
    broker.raises = KafkaException(KafkaError(KafkaError._INVALID_ARG, "No such option: x"))
    follower.start()
    assert broker.asked.wait(30)
    wait_until(lambda: caplog.messages, "the line")
    assert caplog.messages == ["headrace: orders are not followed: No such option: x"]


def test_what_apply_raises_does_not_reach_the_host(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    def apply(_: Mapping[str, Override]) -> None:
        raise ZeroDivisionError("secret")

    follower = Follower(config_of(), apply, make_consumer=broker, time_s=lambda: NOW_S)
    broker.sends(END)
    follower.start()
    wait_until(lambda: caplog.messages, "the line")
    assert caplog.messages == ["headrace: orders are not followed: ZeroDivisionError"]
    assert follower.close(60)


def test_the_users_options_reach_it_but_not_those_of_a_group() -> None:
    options = consumer_options(
        config_of(
            options={"security.protocol": "SSL", "client.id": "shop"},
            consumer_options={"group.id": "mine", "group.protocol": "consumer", "fetch.wait.max.ms": 100},
        )
    )
    assert (options["security.protocol"], options["client.id"]) == ("SSL", "shop")
    assert options["fetch.wait.max.ms"] == 100
    assert (options["group.id"], options["enable.auto.commit"]) == ("headrace-control", False)
    assert "group.protocol" not in options


def write(servers: str, *messages: Message) -> None:
    producer = Producer(quiet_client(servers))
    for message in messages:
        producer.produce(CONTROL, message.value(), message.key(), partition=0)
    assert producer.flush(30) == 0


def test_a_child_of_a_process_that_is_ordered_off_follows_at_once_and_others_with_their_first_call(
    broker: Broker, follower: Follower, applied: Applied
) -> None:
    broker.sends(ordered(rate_pct=1), END)
    follower.start()
    applied.get(timeout=30)
    parents, follower._stopping = follower._stopping, threading.Event()
    follower.renew()  # as in a child; the parent's thread goes on here
    assert len(broker.assigned) == 1
    broker.sends(ordered(enabled=False), END)
    applied.get(timeout=30)
    follower.renew()
    wait_until(lambda: len(broker.assigned) == 2, "the child's own connection")
    parents.set()


def test_on_a_broker_it_follows_within_a_moment(applied: Applied) -> None:
    import time

    with EmbeddedBroker([CONTROL]) as cluster:
        write(cluster.bootstrap_servers, ordered(rate_pct=1, at_s=time.time()))
        options = {"fetch.wait.max.ms": 100}  # this broker does not answer earlier for an order that comes
        config = config_of(cluster.bootstrap_servers, consumer_options=options)
        follower = Follower(config, lambda found: applied.put(dict(found)))
        follower.start()
        assert applied.get(timeout=30) == {"*": Override(1)}
        write(cluster.bootstrap_servers, ordered(rate_pct=2, at_s=time.time()))
        assert applied.get(timeout=30) == {"*": Override(2)}
        assert follower.close(30)


PROGRAM = """
import json, os, sys, threading
from headrace.config import load
from headrace.control import Follower
applied = threading.Event()
seen = {}
def apply(found):
    seen.update({name: override.rate_pct for name, override in found.items()})
    applied.set()
config = load(None, {"telemetry": {"enabled": True}, "kafka": {"bootstrap_servers": sys.argv[1]}}, {})
follower = Follower(config, apply)
follower.start()
"""

FORKS = """
assert applied.wait(30)
applied.clear()
child = os.fork()
if child:
    assert os.waitpid(child, 0)[1] == 0
else:
    seen.clear()
    follower.start()
    assert applied.wait(30)
print(json.dumps(seen), flush=True)
if not child:
    os._exit(0)
"""


def run(program: str, servers: str, seconds: float = 60) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", PROGRAM + program, servers],
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
        cwd=Path(__file__).parents[4],
        env={name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")},
    )


def test_a_forked_child_follows_on_a_connection_of_its_own() -> None:
    import time

    with EmbeddedBroker([CONTROL]) as cluster:
        write(cluster.bootstrap_servers, ordered(rate_pct=4, at_s=time.time()))
        done = run(FORKS, cluster.bootstrap_servers)
    assert (done.returncode, done.stderr) == (0, "")
    assert [json.loads(line) for line in done.stdout.splitlines()] == [{"*": 4.0}] * 2


@pytest.mark.parametrize("address", [lambda: EmbeddedBroker([CONTROL]), None], ids=["there", "away"])
def test_a_process_ends_while_it_follows(address: Callable[[], EmbeddedBroker] | None) -> None:
    if address is None:
        done = run("", refusing_address())
    else:
        with address() as cluster:
            write(cluster.bootstrap_servers, Message(EVERYTHING.key))
            done = run("assert applied.wait(30)", cluster.bootstrap_servers)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
