"""Whatever a broker, a disk and a kill do, in any order: the ledger says what is in the broker and in the spool.

A state machine plays several processes that share one spool. After each step the ledger of each is compared with what
really is in the broker, in the files and in the client's memory. What only memory had is the one thing that a crash
loses. At the end the broker comes back, and each record that no ledger counts as dropped, and no crash lost, is there.
"""

import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaError
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from headrace.delivery.outgoing import Kind
from tests.unit.headrace.outage_world import CAPACITY, Process, World, lines_in

REASONS = {"spool_full", "spool_torn", "kafka:MSG_SIZE_TOO_LARGE", "kafka:_MSG_TIMED_OUT", "kafka:_UNKNOWN_TOPIC"}
COUNTS = st.integers(1, CAPACITY)
PROCESSES = st.integers(0, 2)


class OutageMachine(RuleBasedStateMachine):
    """Three processes on one spool; each may crash or exit, and another takes its place."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.sent: list[str] = []
        self.lost: set[str] = set()
        self.gone: list[Process] = []

    @initialize(max_records=st.sampled_from([2, 5, 1000]), room=st.sampled_from([8, 1000]))
    def begin(self, max_records: int, room: int) -> None:
        line_mb = 1.2e-3  # about
        self.world = World(self.folder, rotation={"max_size_mb": max_records * line_mb}, max_total_mb=room * line_mb)
        self.processes = [self.world.start() for _ in range(3)]

    @rule(at=PROCESSES, count=COUNTS, kind=st.sampled_from(["interaction", "interaction", "feedback"]))
    def send(self, at: int, count: int, kind: Kind) -> None:
        for _ in range(count):
            self.sent.append(self.processes[at].send(len(self.sent), kind))

    @rule(at=PROCESSES, records=st.sampled_from([1, 3, 100]))
    def tick(self, at: int, records: int) -> None:
        self.processes[at].tick(records)

    @rule(seconds=st.sampled_from([0.5, 2.0, 6.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.now_s += seconds

    @rule()
    def the_broker_goes_down(self) -> None:
        self.world.broker.is_up = False

    @rule()
    def the_broker_comes_up(self) -> None:
        self.world.broker.is_up = True

    @precondition(lambda self: self.world.broker.is_up)
    @rule(at=PROCESSES, count=COUNTS)
    def it_acknowledges(self, at: int, count: int) -> None:
        for client in self.processes[at].clients[-1:]:
            client.acknowledge(count)

    @precondition(lambda self: self.world.broker.is_up)
    @rule(at=PROCESSES, count=COUNTS)
    def it_stores_and_the_acknowledgement_is_lost(self, at: int, count: int) -> None:
        for client in self.processes[at].clients[-1:]:
            client.fail(count, KafkaError._MSG_TIMED_OUT, is_stored=True)

    @rule(at=PROCESSES, count=COUNTS)
    def records_come_back(self, at: int, count: int) -> None:
        for client in self.processes[at].clients[-1:]:
            client.fail(count, KafkaError._MSG_TIMED_OUT)

    @rule(at=PROCESSES)
    def a_record_is_refused_for_good(self, at: int) -> None:
        for client in self.processes[at].clients[-1:]:
            client.fail(1, KafkaError.MSG_SIZE_TOO_LARGE)

    @rule(at=PROCESSES, count=COUNTS)
    def the_client_sends(self, at: int, count: int) -> None:
        for client in self.processes[at].clients[-1:]:
            client.in_flight = count

    @precondition(lambda self: not self.world.broker.is_up)
    @rule(at=PROCESSES)
    def the_client_sees_no_broker(self, at: int) -> None:
        for client in self.processes[at].clients[-1:]:
            client.lose_all_brokers()

    @rule(at=PROCESSES, tears=st.booleans())
    def crash(self, at: int, tears: bool) -> None:
        process = self.processes[at]
        lost = process.crash()
        assert len(lost) <= CAPACITY
        if tears:
            for segment in sorted(process.folder.glob("*.jsonl"))[-1:]:
                with segment.open("ab") as file:
                    file.write(b'{"kind":"interaction","record":{"event_id":"event-')
        safe = {*self.world.broker.stored, *self.world.on_disk()}
        self.lost |= set(lost) - safe  # what is replayed at the crash is in its file still
        self._replace(at)

    @rule(at=PROCESSES, timeout_s=st.sampled_from([0.0, 5.0]))
    def exit(self, at: int, timeout_s: float) -> None:
        process = self.processes[at]
        process.exit(timeout_s)
        assert process.ledger.stats().in_flight == 0
        self._replace(at)

    @invariant()
    def each_ledger_balances_and_tells_what_is_there(self) -> None:
        for process in self.processes:
            stats = process.ledger.stats()
            assert stats.balanced
            replays = [r.replay for r in process.outbox._replayers.values() if r.replay]
            under_way = sum(replay.under_way for replay in replays)
            done = {
                (f"{replay.segment.kind}-{replay.segment.begun_ms}", place)
                for replay in replays
                for place in replay._ends
                if place in replay._done
            }
            passed = {f"{r.segment.kind}-{r.segment.begun_ms}": r._position for r in replays}
            own = [
                place
                for place, _ in (lines_in(process.folder) if process.folder.is_dir() else ())
                if place not in done and place[1] >= passed.get(place[0], 0)
            ]
            adopted = sum(len(r._ends) - len(r._done) for r in replays if r.segment.is_adopted)
            assert stats.spooled == len(own) + adopted - under_way
            waiting = sum(len(client.waiting) for client in process.clients)
            held = sum(replayer.held for replayer in process.outbox._replayers.values())
            assert stats.in_flight == waiting + held
            assert stats.delivered == sum(len(client.acknowledged) for client in process.clients)
            assert stats.dropped.keys() <= REASONS | {"exit"}

    @invariant()
    def nothing_is_missing_that_nobody_counted(self) -> None:
        waiting = [m for p in self.processes for c in p.clients for m in c.waiting]
        memory = len(waiting)
        missing = set(self.sent) - {*self.world.broker.stored, *self.world.on_disk()} - self.lost
        assert len(missing) <= memory + self._dropped()

    def teardown(self) -> None:
        try:
            if hasattr(self, "world"):
                self._drain()
        finally:
            for process in getattr(self, "processes", []):
                process.outbox.abandon()
            shutil.rmtree(self.folder)

    def _drain(self) -> None:
        """The broker comes back for good, and new processes take over what the old ones left."""
        self.world.broker.is_up = True
        for at in range(3):
            self.processes[at].exit()
            self._replace(at)
            self.send(at, 1, "interaction")  # a process that captures nothing has no thread, and adopts nothing
        for _ in range(2000):
            self.world.now_s += 6
            for process in self.processes:
                process.tick()
                for client in process.clients:
                    client.acknowledge(CAPACITY)
            if not list(self.world.root.glob("*/*.jsonl*")):
                break
        self.each_ledger_balances_and_tells_what_is_there()
        assert self.world.on_disk() == []
        missing = set(self.sent) - set(self.world.broker.stored) - self.lost
        assert len(missing) <= self._dropped()
        assert not [path for path in self.world.root.glob("*") if path.name != self.world.root.name]

    def _dropped(self) -> int:
        """What all ledgers count as dropped, but for torn lines: the record that was being written was in memory."""
        dropped: Counter[str] = Counter()
        for process in (*self.gone, *self.processes):
            dropped.update(process.ledger.stats().dropped)
        del dropped["spool_torn"]
        return dropped.total()

    def _replace(self, at: int) -> None:
        self.gone.append(self.processes[at])
        self.processes[at] = self.world.start()


TestOutage: Any = OutageMachine.TestCase
TestOutage.settings = settings(max_examples=60, stateful_step_count=40)
