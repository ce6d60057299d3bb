"""The loop without a broker: a store that is away, room for what is read, clocks, and what it tells of itself."""

import threading
from collections import deque
from types import SimpleNamespace

import pytest
from confluent_kafka import KafkaError, TopicPartition

from headrace_consumers.dataset.batches import BatchCommitter, BatchLimits
from headrace_consumers.dataset.delta.known_topics import KnownTopic
from headrace_consumers.dataset.errors import Fenced, NoAnswerError, OffsetsGoneError, SourceError, TableError
from headrace_consumers.dataset.kafka.assignment import Assignment
from headrace_consumers.dataset.kafka.kafka_errors import ClientErrors
from headrace_consumers.dataset.kafka.source import Source
from headrace_consumers.dataset.loop import Loop
from headrace_consumers.dataset.retrying import Retrying
from headrace_consumers.dataset.seen.index import NoIndex
from headrace_consumers.dataset.tally import Tally

SOURCE = Source("interactions", "id-1", 2)
KNOWN = KnownTopic("id-1", 2, (0, 5))


class Record:
    """A confluent_kafka.Message."""

    def __init__(self, offset, partition=0, *, error=None, value=b"x" * 10):
        self._values = {"offset": offset, "partition": partition, "error": error, "value": value}

    def offset(self):
        return self._values["offset"]

    def partition(self):
        return self._values["partition"]

    def error(self):
        return self._values["error"]

    def value(self):
        return self._values["value"]

    def set_value(self, value):
        self._values["value"] = value

    def key(self):
        return None

    def timestamp(self):
        return (2, 0)

    def headers(self):
        return None


class Client:
    """A confluent_kafka.Consumer that delivers what is put in `coming`, but nothing of what is paused."""

    def __init__(self, partitions=(0,)):
        self.coming = deque()
        self.paused = set()
        self.committed = []
        self.ends = {}
        self._partitions = [TopicPartition("interactions", p) for p in partitions]
        self._assign = None

    def give(self, partitions):
        self._partitions, self._assign = [TopicPartition("interactions", p) for p in partitions], self._on_assign

    def subscribe(self, _topics, *, on_assign, on_revoke, on_lost):
        self._assign, self.revoke, self.lose = on_assign, on_revoke, on_lost
        self._on_assign = on_assign

    def consume(self, count, _timeout_s):
        if self._assign is not None:
            assign, self._assign = self._assign, None
            assign(self, self._partitions)
        delivered = []
        while self.coming and len(delivered) < count:
            if self.coming[0].partition() in self.paused:
                break
            delivered.append(self.coming.popleft())
        return delivered

    def incremental_assign(self, places):
        self.started = {place.partition: place.offset for place in places}

    def incremental_unassign(self, places):
        pass

    def pause(self, places):
        self.paused |= {place.partition for place in places}

    def resume(self, places):
        self.paused -= {place.partition for place in places}

    def commit(self, offsets, asynchronous):
        assert asynchronous
        self.committed.append({place.partition: place.offset for place in offsets})

    def get_watermark_offsets(self, place, *, cached):
        assert cached
        return (0, self.ends.get(place.partition, -1001))


class Table:
    """Positions, and what a commit takes."""

    store = SimpleNamespace(is_remote=False)
    commit_s = 0.0

    def __init__(self, **positions):
        self.positions = {f"id-1/{name[1:]}": position for name, position in positions.items()}

    def refresh(self):
        pass

    def position(self, app_id):
        return self.positions.get(app_id)


class Committing(BatchCommitter):
    """A committer whose store is away `failures` times."""

    def __init__(self, failures=0):
        self.failures = failures
        self.error = TableError("no room")
        self.batches = []

    def commit(self, messages, starts):
        if self.failures:
            self.failures -= 1
            raise self.error
        self.batches.append(([message.offset for message in messages], dict(starts)))
        return Tally(consumed=len(messages), commits=1)


class Ground:
    """A loop in a world of its own; `each_turn` is called after each turn with the number of turns."""

    def __init__(self, *, failures=0, partitions=(0,), table=None, give_up_after_s=100.0, max_records=10, upkeep=None):
        self.now = 0.0
        self.client = Client(partitions)
        self.committing = Committing(failures)
        self.stop = threading.Event()
        self.client_errors = ClientErrors()
        self.statuses = []
        self.index = NoIndex()
        self.turns = 0
        self.each_turn = lambda _: None
        self.rebalanced_at = []
        assignment = Assignment(
            self.client, SOURCE, KNOWN, table or Table(), note_rebalance=lambda: self.rebalanced_at.append(self.turns)
        )
        self.loop = Loop(
            consumer=self.client,
            source=SOURCE,
            assignment=assignment,
            client_errors=self.client_errors,
            topic_watch=self,
            table=table or Table(),
            index=self.index,
            make_committer=lambda _: self.committing,
            limits=BatchLimits(max_records=max_records, max_bytes=1000, interval_s=5, give_up_after_s=give_up_after_s),
            tally=Tally(),
            clock=lambda: self.now,
            on_progress=self._turned,
            on_status=self.statuses.append,
            upkeep=upkeep,
        )

    def look(self):
        pass

    def look_now(self):
        raise SourceError("it has other partitions")

    def run(self, turns, each_turn=lambda _: None, *, idle_exit_s=None):
        self._last, self.each_turn = turns, each_turn
        self.loop.run(self.stop, idle_exit_s)

    def _turned(self, _tally):
        self.turns += 1
        self.now += 1
        self.each_turn(self.turns)
        if self.turns >= self._last:
            self.stop.set()


def test_a_batch_is_committed_in_time_and_a_partition_starts_at_the_table_or_where_it_began():
    ground = Ground(partitions=(0, 1), table=Table(p0=3))
    ground.client.coming.extend([Record(3), Record(4), Record(7, 1)])
    ground.run(8)
    assert ground.client.started == {0: 3, 1: 5}
    assert ground.committing.batches == [([3, 4, 7], {0: 3, 1: None})]


def test_where_commits_are_slow_a_batch_waits_for_longer():
    table = Table()
    table.commit_s = 2.5  # four times that leaves room for others
    ground = Ground(partitions=(0, 1), table=table)
    ground.client.coming.append(Record(0))
    turns_before = []
    ground.run(20, lambda turns: turns_before.append(turns) if not ground.committing.batches else None)
    assert len(turns_before) in {10, 11}


def test_maintenance_that_takes_long_is_no_idleness():
    def merge(*, has_role, has_backlog):
        assert has_role
        assert not has_backlog
        ground.now += 60

    ground = Ground(upkeep=SimpleNamespace(turn=merge))
    ground.run(20, lambda turns: ground.client.coming.append(Record(0)) if turns == 1 else None, idle_exit_s=3)
    assert ground.committing.batches == [([0], {0: None})]
    assert ground.turns < 20  # and when nothing comes any more it ends


def test_maintenance_is_told_of_a_backlog_while_more_than_five_batches_wait_in_kafka():
    told = []
    ground = Ground(max_records=2, upkeep=SimpleNamespace(turn=lambda **turn: told.append(turn["has_backlog"])))
    ground.client.ends = {0: 12}
    ground.client.coming.extend(Record(offset) for offset in range(12))
    ground.run(12)
    assert told[-1] is False
    assert told.count(True) == 1  # 12 wait, and after a batch of 2 it is 10


def test_a_store_that_is_away_is_tried_again_less_and_less_often_and_nothing_is_dropped():
    ground = Ground(failures=3)
    ground.client.coming.extend(Record(offset) for offset in range(4))
    ground.run(40)
    assert ground.committing.batches == [([0, 1, 2, 3], {0: None})]
    failing = [status.failing_since for status in ground.statuses]
    assert set(failing) == {None, 6.0}
    turns = {status.turned_at for status in ground.statuses if status.failing_since is not None}
    assert len(turns) in range(6, 10)  # 1 + 2 + 4 s
    assert ground.statuses[-1].failing_since is None
    assert ground.statuses[-1].last_error == "no room"


def test_a_broker_that_does_not_answer_in_the_midst_of_a_commit_is_waited_for():
    ground = Ground(failures=1)
    ground.committing.error = NoAnswerError("no answer from Kafka")
    ground.client.coming.append(Record(0))
    ground.run(20)
    assert ground.committing.batches == [([0], {0: None})]
    assert ground.statuses[-1].last_error == "no answer from Kafka"


def test_while_it_is_away_no_more_is_read_than_a_batch():
    ground = Ground(failures=3, max_records=10)
    ground.client.coming.extend(Record(offset) for offset in range(5))
    ground.run(30, lambda turns: ground.client.coming.extend(Record(turns * 5 + number) for number in range(5)))
    failing = [status for status in ground.statuses if status.failing_since is not None]
    assert {status.partitions[0].buffered for status in failing} == {10}
    assert any(status.is_paused for status in failing)
    offsets = [offset for batch, _ in ground.committing.batches for offset in batch]
    assert offsets == list(range(len(offsets)))  # read on afterwards, none left out
    assert len(offsets) > 20


def test_it_gives_up_after_the_time_it_was_given():
    ground = Ground(failures=1000, give_up_after_s=60)
    ground.client.coming.append(Record(0))
    with pytest.raises(TableError, match="no room"):
        ground.run(1000)
    assert 60 <= ground.now <= 60 + 40
    assert ground.committing.failures > 980


def test_told_to_stop_while_the_store_is_away_it_tries_once_more_and_says_so():
    ground = Ground(failures=1000)
    ground.client.coming.append(Record(0))
    with pytest.raises(TableError, match="no room"):
        ground.run(7)
    assert ground.committing.failures == 998


def test_a_partition_that_is_taken_away_is_no_longer_tried():
    ground = Ground(failures=1)
    ground.client.coming.append(Record(0))

    def take(turns):
        if turns == 7:
            ground.client.revoke(ground.client, [TopicPartition("interactions", 0)])

    ground.run(20, take)
    assert ground.committing.batches == []
    assert ground.statuses[-1].failing_since is None


def test_told_to_stop_while_the_seen_set_is_brought_forward_it_leaves_that_for_the_next_time(monkeypatch):
    ground = Ground()
    steps = []

    def for_ever(*_):
        while True:
            steps.append(ground.stop.is_set())
            if len(steps) == 5:
                ground.stop.set()
            yield 1

    monkeypatch.setattr(ground.index, "bring_forward", for_ever)
    ground.run(1000)
    assert len(steps) == 5
    assert ground.client.paused == {0}


def test_a_partition_that_comes_back_while_its_seen_set_is_brought_forward_begins_anew(monkeypatch):
    table = Table(p0=100)
    ground = Ground(table=table)
    asked = []

    def bring(partitions):
        asked.append((partitions, table.position("id-1/0")))
        yield from range(6)

    def lose(turns):
        if turns == 3:
            ground.client.lose(ground.client, [TopicPartition("interactions", 0)])
        if turns == 5:
            table.positions["id-1/0"] = 200  # another member has moved it on
            ground.client.give([0])

    monkeypatch.setattr(ground.index, "bring_forward", bring)
    read = []

    def each(turns):
        lose(turns)
        if not ground.client.paused:
            read.append(len(asked))

    ground.run(20, each)
    assert len(ground.rebalanced_at) == 3  # given, lost, given
    assert asked == [([0], 100), ([0], 200)]
    assert set(read) == {2}
    assert ground.client.started == {0: 200}


def test_while_a_seen_set_is_brought_forward_other_partitions_are_committed(monkeypatch):
    ground = Ground(partitions=(0,), max_records=2)
    steps = []

    def bring(partitions):
        if partitions == [1]:
            for step in range(20):
                steps.append(len(ground.committing.batches))
                yield step

    def more(turns):
        if turns == 2:
            ground.client.give([1])
        ground.client.coming.append(Record(turns))

    monkeypatch.setattr(ground.index, "bring_forward", bring)
    ground.run(30, more)
    assert steps[-1] > steps[0] + 5


@pytest.mark.parametrize("error", [TableError("no room"), Fenced("another member was at it")])
def test_what_fails_at_a_revoke_is_due_still_though_nothing_more_comes(error):
    ground = Ground(partitions=(0, 1))
    ground.committing.error = error
    committed = []

    def fail(turns):
        if turns == 2:
            ground.client.coming.extend([Record(0), Record(1)])
        if turns == 4:
            ground.committing.failures = 1
            ground.client.revoke(ground.client, [TopicPartition("interactions", 1)])
        committed.append(len(ground.committing.batches))

    ground.run(20, fail)
    assert ground.committing.batches == [([0, 1], {0: None})]
    assert committed[12] == 1


def test_a_clock_that_jumps_ahead_commits_early_and_loses_nothing():
    """The monotonic clock does not count a suspended host's time everywhere; where it does, it jumps."""
    ground = Ground()
    ground.client.coming.append(Record(0))

    def jump(turns):
        if turns == 2:
            ground.now += 86_400
            ground.client.coming.append(Record(1))

    ground.run(12, jump)
    assert [batch for batch, _ in ground.committing.batches] in ([[0], [1]], [[0, 1]])


def test_the_lag_is_known_from_fetches_and_nothing_is_left_at_the_end():
    ground = Ground()
    ground.client.ends = {0: 40}
    ground.client.coming.extend(Record(offset) for offset in range(4))

    def end(turns):
        if turns == 10:
            ground.client.coming.append(Record(40, error=KafkaError(KafkaError._PARTITION_EOF)))

    ground.run(14, end)
    told = [(status.lag, status.partitions[0].has_caught_up) for status in ground.statuses if status.partitions]
    assert (40, False) in told
    assert told[-1] == (0, True)  # offsets 4 to 39 hold no record


def test_a_partition_that_was_added_is_not_read():
    ground = Ground(partitions=(0, 2))
    with pytest.raises(SourceError, match="other partitions"):
        ground.run(3)
    assert ground.client.started == {0: 0}


@pytest.mark.parametrize(
    ("code", "kind", "line"),
    [
        (KafkaError._AUTO_OFFSET_RESET, OffsetsGoneError, "interactions/0"),
        (KafkaError.GROUP_AUTHORIZATION_FAILED, SourceError, "interactions"),
        (KafkaError._FATAL, SourceError, "interactions"),
    ],
)
def test_errors_that_do_not_pass_end_it_and_others_do_not(code, kind, line):
    ground = Ground()
    ground.client.coming.extend([Record(0, error=KafkaError(KafkaError._TRANSPORT)), Record(0, error=KafkaError(code))])
    with pytest.raises(kind, match=line):
        ground.run(3)


def test_a_client_that_has_given_up_ends_it_with_what_to_do():
    ground = Ground()

    def give_up(turns):
        if turns == 2:
            ground.client_errors(KafkaError(KafkaError._TRANSPORT))
        if turns == 4:
            reason = "Fatal error: Broker: Static consumer fenced by other consumer with same group.instance.id"
            ground.client_errors(KafkaError(KafkaError._FATAL, reason, fatal=True))

    with pytest.raises(SourceError, match="give each its own"):
        ground.run(10, give_up)
    assert ground.turns == 4


def test_retrying_begins_anew_after_a_success():
    retrying = Retrying(100)
    assert [retrying.failed(0.0), retrying.failed(1.0), retrying.failed(3.0)] == [1.0, 2.0, 4.0]
    assert (retrying.is_due(6.9), retrying.is_due(7.0)) == (False, True)
    retrying.succeeded()
    assert (retrying.failed(200.0), retrying.since) == (1.0, 200.0)
    assert retrying.failed(300.0) is None
