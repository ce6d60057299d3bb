"""Up, down, and up again: when records go to disk, what finds out that the broker is back, what goes first."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import KafkaError

from headrace.delivery.link import Link
from headrace_schemas import topics
from tests.unit.headrace.outage_world import CAPACITY, Process, World, statistics_of


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def process(world: World) -> Iterator[Process]:
    process = world.start()
    yield process
    process.outbox.abandon()


def confirm(process: Process) -> None:
    process.send(0)
    process.client.acknowledge(1)


def ids(process: Process) -> list[str]:
    from tests.unit.headrace.outage_world import CODECS

    return [CODECS[m.topic].decode(m.value())["event_id"] for m in process.client.waiting]


def test_records_go_to_the_broker_while_nothing_speaks_against_it(world: World, process: Process) -> None:
    for number in range(3):
        process.send(number)
    process.client.acknowledge(3)
    assert world.broker.stored == ["event-0", "event-1", "event-2"]
    assert process.ledger.stats().delivered == 3
    assert not world.root.exists()


def test_with_no_broker_there_records_go_to_disk(world: World, process: Process) -> None:
    confirm(process)
    process.send(1)
    process.client.lose_all_brokers()
    process.send(2)
    process.send(3)
    assert world.on_disk() == ["event-2", "event-3"]
    stats = process.ledger.stats()
    assert (stats.delivered, stats.in_flight, stats.spooled) == (1, 1, 2)


def test_what_the_client_has_not_sent_goes_to_disk_when_doubt_begins(world: World, process: Process) -> None:
    for number in range(4):
        process.send(number)
    process.client.in_flight = 1
    process.client.lose_all_brokers()
    process.tick()  # takes back ...
    process.tick()  # ... and is told
    assert (ids(process), world.on_disk()) == (["event-0"], ["event-1", "event-2", "event-3"])
    assert not process.ledger.wait(0)  # event-0 is in memory only
    process.client.acknowledge(1)
    assert process.ledger.wait(0)
    assert world.broker.stored == ["event-0"]


def test_a_flush_does_not_wait_for_a_record_that_is_on_disk(process: Process, world: World) -> None:
    process.send(1)
    process.client.fail(1, KafkaError._MSG_TIMED_OUT)
    world.now_s += 1
    process.tick()
    assert ids(process) == ["event-1"]
    assert process.ledger.stats().in_flight == 1
    assert process.ledger.wait(0)


def test_a_broker_that_is_silent_for_five_seconds_is_in_doubt(world: World, process: Process) -> None:
    process.send(1)
    world.now_s += 4.9
    process.send(2)
    world.now_s += 0.2
    process.send(3)
    assert (ids(process), world.on_disk()) == (["event-1", "event-2"], ["event-3"])


def test_a_full_client_is_no_reason_to_wait(world: World, process: Process) -> None:
    for number in range(CAPACITY + 2):
        process.send(number)
    assert world.on_disk() == [f"event-{CAPACITY}", f"event-{CAPACITY + 1}"]


def test_a_client_that_cannot_be_made_is_no_loss(world: World) -> None:
    world.config.kafka.producer_options["no.such.option"] = 1
    process = world.start()
    process.sink._make_producer = None  # type: ignore[assignment]
    from headrace.delivery.sinks.kafka import _confluent_producer

    process.sink._make_producer = _confluent_producer
    process.send(1)
    process.send(2)
    assert world.on_disk() == ["event-1", "event-2"]
    assert process.ledger.stats().spooled == 2


def test_what_the_client_gives_up_on_goes_to_disk(world: World, process: Process) -> None:
    process.send(1)
    process.send(2)
    process.client.fail(2, KafkaError._MSG_TIMED_OUT)
    assert world.on_disk() == ["event-1", "event-2"]
    assert process.ledger.stats().spooled == 2


def test_one_record_at_a_time_looks_whether_the_broker_is_back(world: World, process: Process) -> None:
    for number in range(3):
        process.send(number)
    process.client.fail(3, KafkaError._MSG_TIMED_OUT)
    process.tick()
    assert ids(process) == []  # it was tried just now
    world.now_s += 1
    process.tick()
    process.tick()
    assert ids(process) == ["event-0"]
    process.send(3)
    assert ids(process) == ["event-0"]
    process.client.acknowledge(1)
    process.tick()
    assert ids(process) == ["event-1", "event-2"]  # oldest first
    process.client.acknowledge(2)
    process.tick()
    process.tick()
    process.client.acknowledge(1)
    process.tick()
    assert world.broker.stored == ["event-0", "event-1", "event-2", "event-3"]
    assert process.ledger.stats().delivered == 4
    assert not list(world.root.glob("*/*.jsonl"))


def test_a_live_record_looks_where_the_disk_takes_none(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("not a folder")
    world = World(tmp_path)
    process = world.start()
    process.send(0)
    process.client.fail(1, KafkaError._MSG_TIMED_OUT)
    process.send(1)
    assert process.ledger.stats().dropped == {"spool_EEXIST": 2}
    world.now_s += 1
    process.send(2)
    process.client.acknowledge(1)
    process.send(3)
    assert ids(process) == ["event-3"]


def test_waiting_statistics_do_not_keep_a_live_record_from_looking(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("not a folder")
    world = World(tmp_path)
    process = world.start()
    process.send(0)
    process.outbox.publish(statistics_of(1), lambda: None)
    process.client.fail(2, KafkaError._MSG_TIMED_OUT)
    assert process.outbox.has_backlog()
    world.now_s += 1
    process.send(1)
    assert ids(process) == ["event-1"]
    process.outbox.abandon()


def test_live_records_are_not_kept_waiting_by_the_spool(world: World, process: Process) -> None:
    confirm(process)
    process.client.lose_all_brokers()
    world.now_s += 1
    process.send(1)  # to see; it gets through
    for number in range(2, 50):
        process.send(number)
    process.client.acknowledge(1)
    for number in range(100, 104):
        process.send(number)
        process.tick(1)  # as the worker does after each call
    assert ids(process) == [
        "event-100",
        "event-2",
        "event-101",
        "event-3",
        "event-102",
        "event-4",
        "event-103",
        "event-5",
    ]


def test_a_topic_that_is_missing_holds_up_no_other(world: World, process: Process) -> None:
    world.broker.missing = {topics.FEEDBACK}
    process.send(1, "feedback")
    process.client.acknowledge(1)
    process.send(2, "feedback")
    process.send(3)
    process.client.acknowledge(1)
    process.send(4)
    process.client.acknowledge(1)
    assert world.broker.stored == ["event-3", "event-4"]
    assert world.on_disk() == ["feedback-1", "feedback-2"]
    world.broker.missing = set()
    for _ in range(5):
        world.now_s += 2
        process.tick()
        process.client.acknowledge(CAPACITY)
    assert world.broker.stored[2:] == ["feedback-1", "feedback-2"]


def test_a_record_that_can_never_be_delivered_is_dropped(world: World, process: Process) -> None:
    process.send(1)
    process.client.fail(1, KafkaError.MSG_SIZE_TOO_LARGE)
    assert process.ledger.stats().dropped == {"kafka:MSG_SIZE_TOO_LARGE": 1}
    assert not world.root.exists()
    process.send(2)
    assert ids(process) == ["event-2"]


def test_exit_waits_for_the_broker_and_puts_the_rest_on_disk(world: World, process: Process) -> None:
    process.send(1)
    process.exit()
    assert world.broker.stored == ["event-1"]
    down = world.start()
    down.send(2)
    down.send(3)
    world.broker.is_up = False
    down.exit()
    assert world.on_disk() == ["event-2", "event-3"]
    stats = down.ledger.stats()
    assert (stats.spooled, stats.in_flight, stats.dropped) == (2, 0, {})
    world.broker.is_up = True
    heir = world.start()
    confirm(heir)
    for _ in range(3):
        heir.tick()
        heir.client.acknowledge(CAPACITY)
    assert world.broker.stored == ["event-1", "event-0", "event-2", "event-3"]
    assert heir.ledger.stats().adopted == 2


def test_exit_with_the_broker_known_to_be_down_does_not_wait(world: World, process: Process) -> None:
    process.send(1)
    process.client.lose_all_brokers()
    process.exit()
    assert world.broker.stored == []  # though it would have answered: no time is spent on it
    assert world.on_disk() == ["event-1"]


def test_exit_in_the_middle_of_a_replay_loses_and_doubles_nothing(world: World, process: Process) -> None:
    for number in range(CAPACITY + 9):
        process.send(number)
    process.client.acknowledge(CAPACITY)
    process.tick()
    assert len(process.client) == CAPACITY  # and one more is held
    process.client.acknowledge(2)
    world.broker.is_up = False
    process.exit()
    assert world.on_disk() == [f"event-{number}" for number in range(CAPACITY + 2, CAPACITY + 9)]
    assert process.ledger.stats().spooled == 7


def test_exit_right_after_the_last_acknowledgement_leaves_no_file(world: World, process: Process) -> None:
    process.send(1)
    process.client.fail(1, KafkaError._MSG_TIMED_OUT)
    world.now_s += 1
    process.tick()
    process.client.acknowledge(1)
    assert world.broker.stored == ["event-1"]
    process.exit()
    assert list(world.root.iterdir()) == []


def test_a_late_exit_drops_and_counts(world: World, process: Process) -> None:
    process.send(1)
    world.broker.is_up = False
    process.exit(0)
    assert process.ledger.stats().dropped == {"exit": 1}
    assert not world.root.exists()


def test_when_it_is_settled_nothing_is_in_flight_and_statistics_may_still_go(world: World, process: Process) -> None:
    process.send(1)
    process.outbox.hasten(5)
    process.outbox.settle(5)
    assert (process.ledger.stats().delivered, process.ledger.stats().in_flight) == (1, 0)
    process.outbox.publish(statistics_of(1, is_last=True), lambda: None)
    process.outbox.close(5)
    assert world.broker.stored == ["event-1", "1"]
    down = world.start()
    down.send(2)
    world.broker.is_up = False
    down.outbox.hasten(5)
    down.outbox.settle(5)
    assert (down.ledger.stats().spooled, down.ledger.stats().in_flight) == (1, 0)


def test_of_statistics_only_the_newest_are_kept_while_the_broker_is_away(world: World, process: Process) -> None:
    process.outbox.publish(statistics_of(1), lambda: None)
    process.client.acknowledge(1)
    process.outbox.publish(statistics_of(2), lambda: None)
    process.client.fail(1, KafkaError._MSG_TIMED_OUT)
    for sequence in (3, 4, 5):
        process.outbox.publish(statistics_of(sequence), lambda: None)
    assert len(process.client) == 0
    world.now_s += 1
    process.tick()
    process.client.acknowledge(CAPACITY)
    assert world.broker.stored == ["1", "5"]
    assert not world.root.exists()
    assert process.ledger.stats().sampled == 0


def test_the_last_statistics_go_to_disk_and_are_sent_by_the_heir(world: World, process: Process) -> None:
    process.outbox.publish(statistics_of(1), lambda: None)
    process.client.lose_all_brokers()
    process.outbox.publish(statistics_of(2, is_last=True), lambda: None)
    world.broker.is_up = False
    process.exit()
    assert world.on_disk() == ["2"]
    world.broker.is_up = True
    heir = world.start()
    confirm(heir)
    for _ in range(3):
        heir.tick()
        heir.client.acknowledge(CAPACITY)
    assert world.broker.stored == ["event-0", "2"]
    assert heir.ledger.stats().adopted == 0  # they are no calls
    assert heir.ledger.stats().balanced


def test_a_link_is_optimistic_before_anything_is_known() -> None:
    link = Link(lambda: 0.0)
    assert link.is_up()
    assert not link.is_confirmed()
    assert link.may_probe()


def test_a_failure_is_the_records_own_where_others_got_through_since() -> None:
    now = [0.0]
    link = Link(lambda: now[0])
    bad = link.send()
    now[0] = 1
    good = link.send()
    assert not link.fail(bad)
    again = link.send()
    now[0] = 2
    link.acknowledge(good)
    assert link.fail(again)
