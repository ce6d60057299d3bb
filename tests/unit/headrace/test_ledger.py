"""The ledger balances after any sequence of events, and a wait ends when what was before it has ended."""

import sys
import threading
from collections import Counter
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from headrace.ledger import Entry, Ledger, Stats
from tests.support.waiting import wait_until

REASONS = st.sampled_from(["queue_full", "kafka:_MSG_TIMED_OUT", "log_ENOSPC"])


class LedgerMachine(RuleBasedStateMachine):
    """Any order of events; the model counts on its own."""

    entries = Bundle("entries")
    ended = Bundle("ended")

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger("host-1")
        self.terms: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self.open: set[int] = set()
        self.on_disk: set[int] = set()
        self.kept: list[Entry] = []  # or another entry could get the id of one that is gone

    @rule(target=entries)
    def submit(self) -> Entry:
        entry = self.ledger.open()
        self.terms["sampled"] += 1
        self.open.add(id(entry))
        return entry

    @rule(target=entries)
    def adopt(self) -> Entry:
        entry = self.ledger.adopt()
        self.terms["adopted"] += 1
        self.open.add(id(entry))
        self.on_disk.add(id(entry))
        return entry

    @precondition(lambda self: self.terms["spooled"])
    @rule(target=entries)
    def unspool(self) -> Entry:
        entry = self.ledger.unspool()
        self.terms["spooled"] -= 1
        self.open.add(id(entry))
        self.on_disk.add(id(entry))
        return entry

    @precondition(lambda self: self.terms["spooled"])
    @rule(reason=REASONS)
    def forget(self, reason: str) -> None:
        self.ledger.forget(reason, self.terms["spooled"])
        self.dropped[reason] += self.terms["spooled"]
        self.terms["spooled"] = 0

    @rule(reason=REASONS)
    def refuse(self, reason: str) -> None:
        self.ledger.refuse(reason)
        self.terms["sampled"] += 1
        self.dropped[reason] += 1

    @rule(target=ended, entry=consumes(entries))
    def deliver(self, entry: Entry) -> Entry:
        entry.deliver()
        self.terms["delivered"] += self._end(entry)
        return entry

    @rule(target=ended, entry=consumes(entries))
    def spool(self, entry: Entry) -> Entry:
        entry.spool()
        self.terms["spooled"] += self._end(entry)
        return entry

    @rule(target=ended, entry=consumes(entries), reason=REASONS)
    def drop(self, entry: Entry, reason: str) -> Entry:
        entry.drop(reason)
        self.dropped[reason] += self._end(entry)
        return entry

    @rule(target=ended, entry=consumes(entries))
    def hand_over(self, entry: Entry) -> Entry:
        if id(entry) in self.on_disk:  # what is out of the spool is nobody else's
            entry.drop("kept")
            self.dropped["kept"] += self._end(entry)
            return entry
        was_given_up = not self._end(entry)
        assert entry.hand_over()
        self.terms["sampled"] -= 1
        self.dropped["exit"] -= was_given_up
        return entry

    @rule(entry=ended, reason=REASONS)
    def a_second_end_changes_nothing(self, entry: Entry, reason: str) -> None:
        entry.deliver()
        entry.drop(reason)
        assert not entry.hand_over()

    @rule()
    def abandon(self) -> None:
        in_memory = self.open - self.on_disk
        assert self.ledger.abandon("exit") == len(in_memory)
        self.dropped["exit"] += len(in_memory)
        self.terms["spooled"] += len(self.open & self.on_disk)
        self.open.clear()

    @rule()
    def a_wait_succeeds_only_with_nothing_in_flight_that_is_not_on_disk(self) -> None:
        assert self.ledger.wait(0) == (not self.open - self.on_disk)

    @invariant()
    def it_balances_and_each_term_is_right(self) -> None:
        stats = self.ledger.stats()
        assert stats.balanced
        assert stats.in_flight == len(self.open)
        assert (stats.sampled, stats.adopted, stats.delivered, stats.spooled) == (
            self.terms["sampled"],
            self.terms["adopted"],
            self.terms["delivered"],
            self.terms["spooled"],
        )
        assert Counter(stats.dropped) == +self.dropped

    def _end(self, entry: Entry) -> int:
        was_open = id(entry) in self.open
        self.kept.append(entry)
        self.open.discard(id(entry))
        return int(was_open)


TestLedger = LedgerMachine.TestCase
TestLedger.settings = settings(max_examples=60, stateful_step_count=40)


def test_figures_that_do_not_add_up_are_not_balanced() -> None:
    assert Stats(sampled=3, delivered=1, spooled=1, dropped={"exit": 1}).balanced
    assert not Stats(sampled=3, delivered=1, in_flight=1).balanced


def test_a_wait_does_not_wait_for_calls_that_came_after_it() -> None:
    ledger = Ledger()
    before = ledger.open()
    results: list[bool] = []
    waiter = threading.Thread(target=lambda: results.append(ledger.wait(30)))
    waiter.start()
    wait_until(lambda: ledger._epoch > 0, "the waiter to begin")
    ledger.open()
    before.deliver()
    waiter.join(60)
    assert results == [True]
    assert ledger.stats().in_flight == 1


def test_a_wait_ends_when_all_is_abandoned() -> None:
    ledger = Ledger()
    ledger.open()
    assert not ledger.wait(0.01)
    waiter = threading.Thread(target=ledger.wait, args=(600,), daemon=True)
    waiter.start()
    ledger.abandon("exit")
    waiter.join(60)
    assert not waiter.is_alive()


def test_a_finalizer_may_count_while_its_own_thread_is_counting() -> None:
    ledger = Ledger()

    class Submits:
        def __del__(self) -> None:
            ledger.open().deliver()

    with ledger._changed:  # as in the middle of open(): garbage collection can run there
        Submits()
    assert ledger.stats().delivered == 1


def test_threads_lose_no_count() -> None:
    ledger = Ledger()

    def work() -> None:
        for _ in range(2_000):
            ledger.open().deliver()
            ledger.refuse("queue_full")
            ledger.add_redactions({"email": 2})

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ledger.stats() == Stats(
        sampled=16_000, delivered=8_000, dropped={"queue_full": 8_000}, redactions={"email": 16_000}
    )


def test_an_interruption_as_its_lock_is_taken_does_not_keep_it() -> None:
    ledger, figures = Ledger("here"), []

    def profile(frame: Any, event: str, _: Any) -> None:
        if event == "return" and frame.f_code.co_name == "__enter__":  # where Python would run a signal handler
            sys.setprofile(None)
            raise TimeoutError

    sys.setprofile(profile)
    try:
        ledger.refuse("r")
    except TimeoutError:
        pass
    finally:
        sys.setprofile(None)
    other = threading.Thread(target=lambda: figures.append(ledger.stats()), daemon=True)
    other.start()
    other.join(60)
    assert figures
