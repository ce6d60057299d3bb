"""One segment, acknowledgements and returns in any order: each record leaves it once, and the end is seen."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from headrace.delivery.outgoing import Outgoing
from headrace.delivery.spool import Spool
from headrace.delivery.spool.replay import Replay
from headrace.ledger import Ledger
from tests.unit.headrace.test_sinks import record_of

RECORDS = 8


class ReplayMachine(RuleBasedStateMachine):
    """Takes, acknowledges, gives back; the model is the set of records that are not delivered yet."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.ledger = Ledger()
        self.under_way: list[tuple[int, str]] = []
        self.delivered: list[str] = []

    @initialize(is_adopted=st.booleans())
    def begin(self, is_adopted: bool) -> None:
        self.is_adopted = is_adopted
        self.spool = Spool(self.folder, "host-1")
        for number in range(RECORDS):
            assert self.spool.append(Outgoing("interaction", record_of(number))) is None
        if is_adopted:
            self.spool.abandon()
            self.spool = Spool(self.folder, "host-2")
            assert self.spool.adopt()
        else:
            for _ in range(RECORDS):
                self.ledger.open().spool()
        segment = self.spool.next_segment("interaction")
        assert segment is not None
        self.replay = Replay(segment, self.ledger)

    @rule(count=st.integers(1, RECORDS))
    def take(self, count: int) -> None:
        for _ in range(count):
            if (taken := self.replay.take()) is not None:
                self.under_way.append((taken[0], taken[1].id))

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def deliver(self, data: Any) -> None:
        place, id_ = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        self.replay.deliver(place)
        self.delivered.append(id_)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def give_back(self, data: Any) -> None:
        place, _ = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        self.replay.give_back(place, "kafka:_MSG_TIMED_OUT", is_its_own_fault=False)

    @invariant()
    def each_record_is_in_one_place(self) -> None:
        assert len(set(self.delivered)) == len(self.delivered)
        stats = self.ledger.stats()
        assert stats.balanced
        assert (stats.delivered, stats.in_flight) == (len(self.delivered), len(self.under_way))
        assert stats.spooled >= 0

    def teardown(self) -> None:
        try:
            if hasattr(self, "replay"):
                self._drain()
        finally:
            if hasattr(self, "replay"):
                self.replay.abandon()
                self.spool.abandon()
            shutil.rmtree(self.folder)

    def _drain(self) -> None:
        for _ in range(3 * RECORDS):
            while self.under_way:
                place, id_ = self.under_way.pop()
                self.replay.deliver(place)
                self.delivered.append(id_)
            self.take(1)
        assert self.replay.close()
        assert sorted(self.delivered) == sorted(f"event-{number}" for number in range(RECORDS))
        assert (self.ledger.stats().spooled, self.ledger.stats().delivered) == (0, RECORDS)


TestReplay: Any = ReplayMachine.TestCase
TestReplay.settings = settings(max_examples=150, stateful_step_count=30)
