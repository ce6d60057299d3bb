"""A batch that was begun comes to the same as one that was not, whatever became of it meanwhile."""

import threading

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.config import load
from headrace_consumers.dataset.commit import Committer
from headrace_consumers.dataset.delta.table import InteractionTable
from headrace_consumers.dataset.errors import TableError
from headrace_consumers.dataset.judging.filter import Filter
from headrace_consumers.dataset.kafka.messages import Messages
from headrace_consumers.dataset.kafka.partitions import OwnedPartitions
from headrace_consumers.dataset.kafka.source import Source
from headrace_consumers.dataset.landing import Landing
from headrace_consumers.dataset.records.columnar import ColumnarDecoder
from headrace_consumers.dataset.seen.seen_file import Origin
from headrace_consumers.dataset.seen.seen_set import DuckDbSeenSet
from headrace_consumers.dataset.sightings import SIGHTINGS
from headrace_consumers.dataset.sightings_table import SightingsTable
from headrace_schemas.keys import partition_of
from tests.support.interactions import MemoryDeadLetters, interaction, message_of

SOURCE = Source("topic", "id", 2)
DECODER = ColumnarDecoder()
FILTER = Filter(load(None, {}, {}).filters)


class Ground:
    """A committer over a real table and a real seen-set in a folder."""

    def __init__(self, folder, chunk_records=3):
        self.table = InteractionTable(folder / "t", sleep=lambda _: None)
        self.sightings = InteractionTable(folder / "t-sightings", SIGHTINGS, sleep=lambda _: None)
        self.seen = DuckDbSeenSet(folder, Origin(self.table.id, "id", 2))
        self.dead_letters = MemoryDeadLetters()
        self.committer = Committer(
            landing=Landing(
                source=SOURCE, table=self.table, dead_letters=self.dead_letters, report_offsets=lambda _: None
            ),
            source=SOURCE,
            seen=self.seen,
            decoder=DECODER,
            filter_=FILTER,
            sightings=SightingsTable(self.sightings, SOURCE),
            chunk_records=chunk_records,
        )

    def commit(self, messages):
        return self.committer.commit(messages, dict.fromkeys(set(messages.partitions.tolist())))

    def came_to(self, tally):
        """All that is left of a batch."""
        rows = pl.scan_delta(str(self.table.path)).sort("partition", "offset").collect().rows()
        copies = pl.scan_delta(str(self.sightings.path)).sort("partition", "offset").collect().rows()
        return (
            rows,
            copies,
            tally,
            sorted((letter["partition"], letter["offset"]) for letter in self.dead_letters.letters),
        )

    def files(self):
        return sorted(self.table.path.glob("ingest_date=*/*"))

    def close(self):
        self.committer.forget()
        self.seen.close()


@pytest.fixture
def ground(tmp_path):
    ground = Ground(tmp_path)
    yield ground
    ground.close()


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("headrace-rows")]


def drawn(questions):
    """Messages where Kafka would put them; of a question that is negative the call failed, and 0 is no record."""
    messages, next_offsets = [], {0: 0, 1: 0}
    for question in questions:
        record = interaction(abs(question), success=question > 0, request_id=f"request {question}")
        key = record["dedup_key"].encode()
        partition = partition_of(key, 2)
        messages.append(message_of(record if question else b"no record", next_offsets[partition], partition, key=key))
        next_offsets[partition] += 2  # offsets have gaps
    return messages


def batch_of(messages):
    """As the loop makes one: a partition behind the other."""
    return Messages.of(sorted(messages, key=lambda message: (message.partition, message.offset)))


QUESTIONS = st.lists(st.integers(-4, 6), min_size=1, max_size=25)


@settings(max_examples=12, deadline=None)
@given(QUESTIONS, st.data())
def test_it_comes_to_the_same_as_a_batch_that_was_not_begun(tmp_path_factory, questions, data):
    messages = drawn(questions)
    plain, begun = (Ground(tmp_path_factory.mktemp("g")) for _ in range(2))
    first = data.draw(st.integers(0, len(messages)))
    second = data.draw(st.integers(first, len(messages)))
    for part in (messages[:first], messages[first:second]):
        begun.committer.begin(batch_of(part))
    results = [each.came_to(each.commit(batch_of(messages))) for each in (plain, begun)]
    assert results[0] == results[1]
    assert results[0][2].balances
    for each in (plain, begun):
        each.close()


def test_a_partition_that_was_taken_away_leaves_nothing_of_itself(ground, tmp_path):
    messages = drawn(range(1, 20))
    ground.committer.begin(batch_of(messages))
    left = [message for message in messages if message.partition == 1]
    result = ground.came_to(ground.commit(batch_of(left)))
    other = Ground(tmp_path / "other")
    assert result == other.came_to(other.commit(batch_of(left)))
    assert len(ground.files()) == 1
    other.close()


@pytest.mark.parametrize("begins_at", [1, 5])
def test_a_batch_that_begins_elsewhere_is_judged_anew(ground, begins_at):
    messages = [message for message in drawn(range(1, 40)) if message.partition == 0]
    ground.committer.begin(batch_of(messages[:5]))
    tally = ground.commit(batch_of(messages[begins_at:]))
    assert tally.kept == tally.consumed == len(messages) - begins_at
    assert len(ground.files()) == 1


@pytest.mark.parametrize("by_another_member", [False, True])
def test_whoever_is_erased_meanwhile_is_in_no_row(ground, by_another_member):
    messages = drawn(range(1, 10))
    ground.committer.begin(batch_of(messages))
    table = InteractionTable(ground.table.path) if by_another_member else ground.table
    table.properties.suppress([], ["request 4"], "2026-11-27T00:00:00Z")
    tally = ground.commit(batch_of(messages))
    assert (tally.kept, tally.rejected) == (8, {"suppressed": 1})
    assert "request 4" not in pl.scan_delta(str(ground.table.path)).collect()["request_id"].to_list()


def test_what_is_forgotten_leaves_no_file(ground):
    ground.committer.begin(batch_of(drawn(range(1, 10))))
    ground.committer.forget()
    assert ground.files() == []


def test_a_disk_that_is_full_is_told_by_the_commit_alone(ground):
    messages = batch_of(drawn(range(1, 10)))
    date = pl.select(pl.from_epoch(pl.lit(messages[0].append_time_ms), "ms").dt.date()).item()
    folder = ground.table.path / f"ingest_date={date.isoformat()}"
    folder.write_text("a file where the folder should be")
    ground.committer.begin(messages)
    ground.committer.begin(messages)
    with pytest.raises(TableError, match="nothing is lost"):
        ground.commit(messages)
    folder.unlink()
    assert ground.commit(messages).kept == 9


def test_each_message_is_begun_once_and_only_of_partitions_that_are_ready():
    owned = OwnedPartitions()
    for partition in (0, 1):
        owned.assign(partition, None)
    owned.ready([0])
    for first in range(0, 12, 4):
        for partition in (0, 1):
            owned.add(Messages.of([message_of(b"x", offset, partition) for offset in range(first, first + 4)]))
    assert [message.offset for message in owned.chunk(9, 10**9)] == list(range(8))
    assert owned.chunk(9, 10**9) is None
    assert [message.offset for message in owned.chunk(9, 4)] == list(range(8, 12))
    owned.begin_anew()
    owned.ready([1])
    assert len(owned.chunk(24, 10**9)) == 24
