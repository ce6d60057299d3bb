"""What the table remembers of its topic, and when the topic may go on into it."""

import time
from concurrent.futures import Future
from datetime import UTC, datetime

import pytest
from confluent_kafka import KafkaError, KafkaException

from headrace_consumers.dataset.delta.known_topics import Gap, KnownTopic, KnownTopics
from headrace_consumers.dataset.delta.moves import Move, app_id
from headrace_consumers.dataset.delta.table import InteractionTable
from headrace_consumers.dataset.delta.torn import is_whole
from headrace_consumers.dataset.errors import OffsetsGoneError, OtherTopicError, SourceError, TableError
from headrace_consumers.dataset.kafka.admission import admit
from headrace_consumers.dataset.kafka.source import Source
from headrace_consumers.dataset.kafka.watch import TopicWatch

SOURCE = Source("interactions", "id-1", 2)
FACT = KnownTopic("id-1", 2, (0, 5))


class Held:
    """What Kafka holds: partition -> (oldest offset, end)."""

    def __init__(self, **bounds):
        self.bounds = {int(name[1:]): bound for name, bound in bounds.items()}

    def oldest(self, source):
        return {p: self.bounds[p][0] for p in range(source.partition_count)}

    def ends(self, source):
        return {p: self.bounds[p][1] for p in range(source.partition_count)}


@pytest.fixture
def table(tmp_path):
    return InteractionTable(tmp_path / "table", sleep=lambda _: None)


def admitted(table, held, source=SOURCE, *, accept_gap=False):
    now = datetime(2026, 11, 27, tzinfo=UTC)
    return admit(source, table, held, accept_gap=accept_gap, now=lambda: now)


def move(table, **positions):
    moves = [
        Move(app_id("id-1", int(name[1:])), table.position(app_id("id-1", int(name[1:]))), target)
        for name, target in positions.items()
    ]
    table.commit([], moves)


def test_facts_survive_the_properties_and_a_gap_that_grows_is_one():
    gap = Gap("interactions", "id-1", 1, 5, 9, "2026-11-27T00:00:00+00:00")
    grown = Gap("interactions", "id-1", 1, 5, 12, "2026-11-28T00:00:00+00:00")
    facts = KnownTopics().with_topic("interactions", FACT).with_gaps(gap).with_gaps(grown)
    assert KnownTopics.of(facts.as_properties()) == facts
    assert facts.gaps == (grown,)
    assert KnownTopics.of({}) == KnownTopics()


@pytest.mark.parametrize("text", ["[1]", "{", '{"a": 1}', '{"a": {"topic_id": "x"}}'])
def test_facts_that_somebody_else_wrote_are_one_line(table, text):
    table._table.alter.set_table_properties({"headrace.topics": text}, raise_if_not_exists=False)
    with pytest.raises(TableError, match=r"headrace\.topics .*not what Headrace writes"):
        admitted(table, Held(p0=(0, 0), p1=(0, 0)))


def test_the_first_start_remembers_where_each_partition_begins(table):
    assert admitted(table, Held(p0=(0, 9), p1=(5, 9))) == FACT
    assert InteractionTable(table.path).properties.known_topics().topics == {"interactions": FACT}
    version = table.version
    assert is_whole((table.path / "_delta_log" / f"{version:020}.json").read_bytes())
    assert admitted(table, Held(p0=(0, 9), p1=(5, 9))) == FACT
    assert table.version == version  # nothing new, nothing written


def test_two_members_that_start_at_once_remember_one_thing(tmp_path):
    handles = [InteractionTable(tmp_path / "table", sleep=lambda _: None) for _ in range(2)]
    first = admitted(handles[0], Held(p0=(0, 9), p1=(5, 9)))
    assert admitted(handles[1], Held(p0=(3, 9), p1=(6, 9)), accept_gap=True) == first
    assert len(handles[1].properties.known_topics().gaps) == 2


def test_another_topic_into_the_same_table_is_how_one_grows(table):
    admitted(table, Held(p0=(0, 9), p1=(5, 9)))
    wider = Source("interactions.2", "id-2", 4)
    held = Held(p0=(0, 0), p1=(0, 0), p2=(0, 0), p3=(0, 0))
    assert admitted(table, held, wider).partitions == 4
    assert set(table.properties.known_topics().topics) == {"interactions", "interactions.2"}


def test_another_topic_of_that_name_is_refused_before_anything_is_written(table):
    admitted(table, Held(p0=(0, 9), p1=(5, 9)))
    version = table.version
    with pytest.raises(OtherTopicError, match="deleted and created again"):
        admitted(table, Held(p0=(0, 0), p1=(0, 0)), Source("interactions", "id-2", 2))
    assert table.version == version


def test_what_the_old_topic_still_held_is_a_gap_of_unknown_length(table):
    admitted(table, Held(p0=(0, 9), p1=(5, 9)))
    move(table, p0=7)
    admitted(table, Held(p0=(0, 0)), Source("interactions", "id-2", 1), accept_gap=True)
    gaps = table.properties.known_topics().gaps
    assert [(gap.topic_id, gap.partition, gap.from_offset, gap.to_offset) for gap in gaps] == [
        ("id-1", 0, 7, None),
        ("id-1", 1, 5, None),
    ]


@pytest.mark.parametrize("count", [1, 3])
def test_other_partitions_are_refused_whatever_is_accepted(table, count):
    admitted(table, Held(p0=(0, 9), p1=(5, 9)))
    held = Held(p0=(0, 9), p1=(5, 9), p2=(0, 9))
    with pytest.raises(SourceError, match=f"it has {count} partitions, and .* was built with 2"):
        admitted(table, held, Source("interactions", "id-1", count), accept_gap=True)


def test_a_gap_is_refused_or_remembered_and_passed_over(table):
    admitted(table, Held(p0=(0, 9), p1=(5, 9)))
    move(table, p0=7)
    held = Held(p0=(8, 20), p1=(9, 20))
    with pytest.raises(OffsetsGoneError, match=r"interactions/0 from 7 to 7, interactions/1 from 5 to 8\."):
        admitted(table, held)
    admitted(table, held, accept_gap=True)
    assert [table.position(app_id("id-1", p)) for p in (0, 1)] == [8, 9]
    assert [(gap.partition, gap.from_offset, gap.to_offset) for gap in table.properties.known_topics().gaps] == [
        (0, 7, 8),
        (1, 5, 9),
    ]
    admitted(table, held)


def test_a_gap_that_was_remembered_and_not_passed_over_is_found_again(table):
    """Killed in between."""
    admitted(table, Held(p0=(0, 9), p1=(5, 9)))
    held = Held(p0=(0, 20), p1=(9, 20))
    real, table.commit = table.commit, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        admitted(table, held, accept_gap=True)
    table.commit = real
    with pytest.raises(OffsetsGoneError):
        admitted(table, held)
    admitted(table, Held(p0=(0, 20), p1=(11, 20)), accept_gap=True)
    assert [(gap.from_offset, gap.to_offset) for gap in table.properties.known_topics().gaps] == [(5, 11)]


def test_a_topic_that_lost_its_end_is_refused_whatever_is_accepted(table):
    admitted(table, Held(p0=(0, 9), p1=(5, 9)))
    move(table, p0=7)
    with pytest.raises(SourceError, match="interactions/0 ends at 6, and was read to 7"):
        admitted(table, Held(p0=(0, 6), p1=(5, 9)), accept_gap=True)


class Asked:
    """A broker that answers when it is told to."""

    def __init__(self):
        self.futures = []

    def ask(self):
        self.futures.append(Future())
        return self.futures[-1]

    def understood(self, asked):
        return asked.result(0)

    def describe(self):
        return Source("interactions", "id-1", 5)


@pytest.fixture
def watched(tmp_path):
    now, asked = [0.0], Asked()
    return now, asked, TopicWatch(asked, FACT, tmp_path, clock=lambda: now[0], interval_s=10)


def test_a_watch_asks_now_and_then_and_never_waits(watched):
    now, asked, watch = watched
    watch.look()
    assert asked.futures == []
    now[0] = 10
    for _ in range(3):
        watch.look()
    assert len(asked.futures) == 1
    asked.futures[0].set_result(SOURCE)
    watch.look()
    now[0] = 20
    watch.look()
    assert len(asked.futures) == 2


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (Source("interactions", "id-1", 3), "it has 3 partitions"),
        (Source("interactions", "id-2", 2), "deleted and created again"),
    ],
)
def test_a_watch_refuses_what_has_changed(watched, answer, line):
    now, asked, watch = watched
    now[0] = 10
    watch.look()
    asked.futures[0].set_result(answer)
    with pytest.raises(SourceError, match=line):
        watch.look()


def test_a_watch_waits_for_a_broker_that_is_away_and_not_for_a_topic_that_is_gone(watched):
    now, asked, watch = watched
    for number, code in enumerate((KafkaError._TIMED_OUT, KafkaError.UNKNOWN_TOPIC_OR_PART)):
        now[0] += 10
        watch.look()
        asked.futures[number].set_exception(KafkaException(KafkaError(code)))
        if not number:
            watch.look()
    with pytest.raises(SourceError, match="gone from Kafka"):
        watch.look()


def test_a_wall_clock_that_jumps_changes_no_row_and_no_offset(table, monkeypatch):
    """Rows are dated by the broker; this process's clock only dates files and gaps."""
    for year, target in ((2001, 3), (2090, 4), (2026, 5)):
        monkeypatch.setattr(time, "time_ns", lambda year=year: int(datetime(year, 1, 1, tzinfo=UTC).timestamp() * 1e9))
        move(table, p0=target)
    assert InteractionTable(table.path).position(app_id("id-1", 0)) == 5
