"""What the loop does when partitions come and go, and which offsets are committed when."""

import threading
from typing import Any

import pytest
from confluent_kafka import KafkaError, TopicPartition

from headrace_consumers.metrics.counting import StatisticsCounting
from headrace_consumers.metrics.errors import MetricsError
from headrace_consumers.metrics.labels import Labels
from headrace_consumers.metrics.loop import Loop
from headrace_consumers.metrics.offsets import Offsets
from headrace_consumers.metrics.state import State
from headrace_consumers.metrics.totals import Totals
from headrace_consumers.statistics.place import Position
from headrace_schemas import statistics_codec
from tests.support.statistics import NOW_MS, Program
from tests.support.waiting import wait_until
from tests.unit.metrics.fake_kafka import FakeConsumer, FakeMessage, end_of

TOPIC = "statistics"
CALLS = ("headrace_calls_total", ("support", "v1", "Triage", "production"))


class _World:
    def __init__(self, **consumer: Any) -> None:
        self.consumer = FakeConsumer(**consumer)
        totals = Totals()
        self.now_ms = NOW_MS
        self.silent_s = 0.0
        statistics = StatisticsCounting(TOPIC, totals, Labels(lambda: 0.0), lambda: NOW_MS)
        self.state = State(totals, statistics)
        self.offsets = Offsets(self.consumer, lambda: self.now_ms)
        self.standings: list[Any] = []
        self.stop = threading.Event()
        self.program = Program("p", NOW_MS - 10_000)
        self.offset = 0
        self.loop = Loop(
            consumer=self.consumer,
            topics=[TOPIC],
            recalled=[TOPIC],
            state=self.state,
            offsets=self.offsets,
            clock=lambda: 0.0,
            on_standing=self.standings.append,
            kafka_silent_s=lambda: self.silent_s,
        )

    def message(self, calls: int, partition: int = 0) -> FakeMessage:
        self.offset += 1
        value = statistics_codec().encode(self.program.report(calls=calls))
        return FakeMessage(TOPIC, partition, self.offset - 1, value)

    def play(self, *polls: Any) -> None:
        self.consumer.polls.extend([*polls, self.stop.set])
        self.loop.run(self.stop)

    def scrape(self) -> None:
        """Ask as a scrape does; its thread would wait for the loop's turn."""
        self.offsets._asked.append((self.state.show().positions, threading.Event()))

    def shown(self) -> list[float] | None:
        self.state.show()
        return self.state.show().series.get(CALLS)


def test_an_offset_is_committed_when_a_scrape_has_shown_what_is_before_it() -> None:
    world = _World()
    world.play(
        lambda: world.consumer.give(TOPIC, 0),
        [world.message(5)],
        world.scrape,  # zeros
        [],
        lambda: world.consumer.commits.append((-1, -1, True)),
        world.scrape,
        [],
    )
    assert world.consumer.commits == [(-1, -1, True), (0, 1, True)]
    assert world.consumer.offsets[0] == (1, str(NOW_MS))


def test_what_was_acknowledged_is_not_committed_again_and_what_was_not_is() -> None:
    world = _World()
    world.play(lambda: world.consumer.give(TOPIC, 0), [world.message(5)], world.scrape, world.scrape, world.scrape)
    assert world.consumer.commits == [(0, 1, True)] * 2
    world.offsets.on_commit(None, world.consumer.committed([TopicPartition(TOPIC, 0)]))
    world.scrape()
    world.offsets.commit_asked({(TOPIC, 0)})
    assert world.consumer.commits == [(0, 1, True)] * 2


def test_a_revoked_partition_is_committed_whole_and_still_shown() -> None:
    world = _World()
    world.play(
        lambda: world.consumer.give(TOPIC, 0),
        [world.message(5), world.message(2)],
        lambda: world.consumer.take_away(TOPIC, 0),
    )
    assert world.consumer.commits == [(0, 2, False)]
    assert world.shown() == [7]
    assert world.consumer.assigned == {}


@pytest.mark.parametrize("how", ["cannot be committed", "lost", "leaving"])
def test_what_the_next_owner_will_count_is_not_shown_here(how: str) -> None:
    world = _World()

    def take_away() -> None:
        world.consumer.fails_to_commit = how == "cannot be committed"
        if how == "leaving":
            world.stop.set()
        world.consumer.take_away(TOPIC, 0, how="on_lost" if how == "lost" else "on_revoke")

    world.play(lambda: world.consumer.give(TOPIC, 0), [world.message(5)], take_away)
    assert world.consumer.commits == []
    assert world.shown() is None


def test_what_was_shown_and_could_not_be_committed_is_not_counted_again_here() -> None:
    """Kafka was away for longer than the session: the partition comes back from an offset before what was shown."""
    world = _World()

    def away() -> None:
        world.consumer.fails_to_commit = True

    message = world.message(5)
    world.play(
        lambda: world.consumer.give(TOPIC, 0),
        [message],
        away,
        world.scrape,
        world.scrape,
        lambda: world.consumer.take_away(TOPIC, 0, how="on_lost"),
        lambda: world.consumer.give(TOPIC, 0),
        [message, world.message(2)],
    )
    assert world.shown() == [7]
    assert world.consumer.offsets == {}


def test_it_tells_for_how_long_nobody_scraped_and_when_kafka_acknowledged() -> None:
    world = _World()

    def later() -> None:
        world.now_ms += 400_000
        world.silent_s = 45.0

    def scraped() -> None:
        world.scrape()
        world.offsets.asked_at_ms = world.now_ms  # its thread does
        world.offsets.on_commit(None, [TopicPartition(TOPIC, 0, 1)])

    world.play(lambda: world.consumer.give(TOPIC, 0), [world.message(5)], later, scraped)
    before, after = world.standings[-3], world.standings[-2]
    assert (before.unscraped_s, before.scraped_at_ms, before.committed_at_ms) == (400, None, None)
    assert before.kafka_silent_s == 45
    assert (after.unscraped_s, after.scraped_at_ms, after.committed_at_ms) == (0, world.now_ms, world.now_ms)


def test_a_scrape_before_a_rebalance_commits_nothing_after_it() -> None:
    world = _World()
    world.play(
        lambda: world.consumer.give(TOPIC, 0),
        [world.message(5)],
        world.state.show,
        [world.message(1)],
        lambda: [world.scrape(), world.consumer.take_away(TOPIC, 0)],
        [],
    )
    assert world.consumer.commits == [(0, 2, False)]


def test_records_before_the_committed_offset_are_only_remembered() -> None:
    world = _World(committed={0: (2, str(NOW_MS))})
    world.play(lambda: world.consumer.give(TOPIC, 0), [world.message(5), world.message(2), world.message(4)])
    assert world.consumer.assigned == {0: 0}
    assert world.shown() == [4]
    assert world.state.show().records == {TOPIC: 1}


def test_it_has_caught_up_at_the_end_of_each_partition() -> None:
    world = _World()
    world.play(lambda: world.consumer.give(TOPIC, 0, 1), [world.message(5)], [end_of(TOPIC, 0)], [end_of(TOPIC, 1)])
    caught_up = [[each.has_caught_up for each in standing.partitions.values()] for standing in world.standings]
    assert caught_up[:4] == [[False, False], [False, False], [True, False], [True, True]]
    assert [each.lag for each in world.standings[1].partitions.values()] == [99, 100]
    assert [each.lag for each in world.standings[3].partitions.values()] == [0, 0]


def test_idle_it_ends() -> None:
    world = _World()
    world.consumer.polls.extend([lambda: world.consumer.give(TOPIC, 0), [end_of(TOPIC, 0)]])
    world.loop.run(world.stop, idle_exit_s=0)
    assert world.stop.is_set()


def test_a_broker_that_does_not_say_where_to_go_on_is_asked_again_and_then_is_the_end() -> None:
    world = _World()
    world.consumer.fails_to_answer = 2
    world.play(lambda: world.consumer.give(TOPIC, 0))
    assert world.consumer.assigned == {0: 0}
    world = _World()
    world.consumer.fails_to_answer = 3
    with pytest.raises(MetricsError, match="does not say where to go on"):
        world.play(lambda: world.consumer.give(TOPIC, 0))


def test_a_missing_topic_is_the_end_and_a_passing_error_is_told() -> None:
    world = _World()
    passing = FakeMessage(TOPIC, 0, 0, None, KafkaError(KafkaError._TRANSPORT, "gone for a moment"))
    world.play([passing])
    assert world.standings[-1].last_error == "gone for a moment"
    missing = FakeMessage(TOPIC, 0, 0, None, KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART, "no such topic"))
    world = _World()
    with pytest.raises(MetricsError, match=f"{TOPIC}: no such topic; see `headrace topics check`"):
        world.play([missing])


REFUSED = KafkaError(KafkaError._AUTHENTICATION, "sasl_ssl://b:1: wrong password (after 3ms in state AUTH_REQ)")
CUT = KafkaError(KafkaError._TRANSPORT, "connection refused")
ALL_DOWN = KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down")


def test_a_broker_that_lets_nobody_in_at_the_start_is_the_end_with_its_own_words() -> None:
    world = _World()
    with pytest.raises(MetricsError) as ended:
        world.play(lambda: world.loop.on_error(REFUSED), lambda: world.loop.on_error(ALL_DOWN), [])
    assert str(ended.value) == (
        "Kafka does not let this client in: sasl_ssl://b:1: wrong password; see kafka.options for its security"
    )


@pytest.mark.parametrize("errors", [[CUT, ALL_DOWN], [REFUSED]], ids=["away", "one of several"])
def test_brokers_that_are_away_or_a_single_one_that_refuses_are_waited_for(errors: list[KafkaError]) -> None:
    world = _World()
    for error in errors:
        world.consumer.polls.append(lambda error=error: world.loop.on_error(error))
    world.play([], lambda: world.consumer.give(TOPIC, 0), [world.message(5)])
    assert world.shown() == [5]


def test_who_was_let_in_goes_on_showing_what_was_counted_when_the_password_is_changed() -> None:
    world = _World()
    world.play(
        lambda: world.consumer.give(TOPIC, 0),
        [world.message(5)],
        lambda: world.loop.on_error(REFUSED),
        lambda: world.loop.on_error(ALL_DOWN),
        [],
    )
    assert world.shown() == [5]
    assert world.standings[-1].last_error == ALL_DOWN.str()


def test_a_scrape_that_waited_in_vain_is_not_committed_behind_its_back() -> None:
    world = _World()
    position = {(TOPIC, 0): Position(1, NOW_MS)}
    assert not world.offsets.ask(position, 0.0)
    world.offsets.commit_asked({(TOPIC, 0)})
    assert world.consumer.commits == []
    asking = threading.Thread(target=world.offsets.ask, args=(position, 60.0))
    asking.start()
    wait_until(lambda: world.offsets.commit_asked({(TOPIC, 0)}) or world.consumer.commits, "the commit")
    asking.join()
    assert world.consumer.commits == [(0, 1, True)]
