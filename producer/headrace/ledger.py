"""The loss ledger: what became of every sampled call, and of every record taken over from a dead process's spool.

    sampled + adopted = delivered + spooled + in_flight + dropped{reason}       at every moment

    open() --Entry--> deliver() | spool() | drop(reason)    each entry ends once
    unspool() --Entry-->                                    a spooled record is under way again
    adopt() --Entry-->                                      ... out of a dead process's spool
    refuse(reason)                                          dropped without ever being in flight
    forget(reason, records)                                 spooled records that are lost on disk
    lose_adopted(reason, records)                           ... of a dead process
    abandon(reason)                                         gives up on all that is still in flight
    Entry.hand_over()                                       another ledger counts it, and this one never did

Each term is counted where it happens: `in_flight` is a counter of its own, not a difference, so a bookkeeping error
shows as an imbalance rather than hiding in a subtraction.
"""

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Entry", "Ledger", "Stats"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """What became of the sampled calls of one process, and what redaction replaced in them.

    Attributes:
        sampled: calls that were chosen for capture, and feedback that was given.
        adopted: records taken over from the spools of dead processes.
        delivered: records that the broker acknowledged or the log took.
        spooled: records that wait on disk.
        in_flight: calls in the queue, in work, or on their way to the broker.
        dropped: calls that were lost, by reason.
        redactions: substrings that were replaced, by kind.
        program_failures: program versions that the router did not use, by reason; see docs/rollout.md.
        instance: the producer process, as in its records; new after a fork.
    """

    sampled: int = 0
    adopted: int = 0
    delivered: int = 0
    spooled: int = 0
    in_flight: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    redactions: dict[str, int] = field(default_factory=dict)
    program_failures: dict[str, int] = field(default_factory=dict)
    instance: str = ""

    @property
    def balanced(self) -> bool:
        """Whether the terms add up."""
        ended = self.delivered + self.spooled + sum(self.dropped.values())
        return self.sampled + self.adopted == ended + self.in_flight


class Ledger:
    """Counts sampled calls; thread-safe.

    Args:
        instance: the producer process's name.
    """

    def __init__(self, instance: str = "") -> None:
        self._instance = instance
        # Reentrant: a signal handler or finalizer that submits a call may run while its own thread holds the lock.
        # Taken by itself: a Condition's `__enter__` is Python, and interrupted by a signal it keeps the lock for good.
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._sampled = self._adopted = self._delivered = self._spooled = self._in_flight = 0
        self._on_disk = 0  # of those in flight
        self._dropped: Counter[str] = Counter()
        self._redactions: Counter[str] = Counter()
        self._program_failures: Counter[str] = Counter()
        # A flush waits for the calls before it only, so that steady traffic cannot keep it waiting: each flush starts
        # a new epoch, and open entries are counted by epoch.
        self._epoch = 0
        self._open_by_epoch: Counter[int] = Counter()
        self._abandoned = 0
        self._abandoned_for = ""

    def entry(self) -> "Entry":
        """Return the entry of a sampled call, which is not counted before its `open`."""
        return Entry(self)

    def open(self) -> "Entry":
        """Count a sampled call in flight; the entry ends it."""
        return self.entry().open()

    def unspool(self) -> "Entry":
        """Count a spooled record in flight again."""
        with self._lock:
            self._spooled -= 1
            return self._enter(Entry(self, is_on_disk=True))

    def adopt(self) -> "Entry":
        """Count a record of a dead process's spool in flight."""
        with self._lock:
            self._adopted += 1
            return self._enter(Entry(self, is_on_disk=True))

    def forget(self, reason: str, records: int) -> None:
        """Count spooled records as lost."""
        if records:
            with self._lock:
                self._spooled -= records
                self._dropped[reason] += records

    def lose_adopted(self, reason: str, records: int) -> None:
        """Count records of dead processes' spools that are lost before any was taken over."""
        if records:
            with self._lock:
                self._adopted += records
                self._dropped[reason] += records

    def refuse(self, reason: str) -> None:
        """Count a sampled call that is lost at once."""
        with self._lock:
            self._sampled += 1
            self._dropped[reason] += 1

    def abandon(self, reason: str) -> int:
        """Drop all that is in flight, and return how much that was; entries still open no longer count.

        What is in flight out of the spool still is on disk: it counts as spooled.
        """
        with self._lock:
            lost = self._in_flight - self._on_disk
            if lost:
                self._dropped[reason] += lost
            self._spooled += self._on_disk
            self._in_flight = self._on_disk = 0
            self._open_by_epoch.clear()
            self._abandoned += 1
            self._abandoned_for = reason
            self._changed.notify_all()
            return lost

    def add_redactions(self, by_kind: Mapping[str, int]) -> None:
        """Count replaced substrings."""
        if by_kind:
            with self._lock:
                self._redactions.update(by_kind)

    def add_program_failure(self, reason: str) -> None:
        """Count a program version that was not used."""
        with self._lock:
            self._program_failures[reason] += 1

    def wait(self, timeout_s: float) -> bool:
        """Wait until every entry opened before this call has ended; tell whether that was so in time.

        What is in flight out of the spool is on disk, and not waited for.
        """
        with self._lock:
            last, self._epoch = self._epoch, self._epoch + 1
            return self._changed.wait_for(lambda: all(epoch > last for epoch in self._open_by_epoch), timeout_s)

    def stats(self) -> Stats:
        """Return the figures of this moment; they balance."""
        with self._lock:
            return Stats(
                sampled=self._sampled,
                adopted=self._adopted,
                delivered=self._delivered,
                spooled=self._spooled,
                in_flight=self._in_flight,
                dropped=dict(self._dropped),
                redactions=dict(self._redactions),
                program_failures=dict(self._program_failures),
                instance=self._instance,
            )

    def _open(self, entry: "Entry") -> None:
        with self._lock:
            open_before = self._open_by_epoch[self._epoch]
            # From here on nothing is called: a signal handler's exception comes before all of it or after.
            self._sampled += 1
            self._in_flight += 1
            self._open_by_epoch[self._epoch] = open_before + 1
            entry.epoch, entry.abandoned, entry.ended = self._epoch, self._abandoned, False

    def _enter(self, entry: "Entry") -> "Entry":
        self._in_flight += 1
        self._on_disk += 1
        entry.epoch, entry.abandoned, entry.ended = self._epoch, self._abandoned, False
        return entry

    def _close(self, entry: "Entry", *, to: str, reason: str = "") -> None:
        with self._lock:
            if entry.ended or entry.abandoned != self._abandoned:
                entry.ended = True
                return
            dropped_before = self._dropped[reason] if reason else 0
            entry.ended = True
            self._in_flight -= 1
            if to == "delivered":
                self._delivered += 1
            elif to == "spooled":
                self._spooled += 1
            else:
                self._dropped[reason] = dropped_before + 1
            if entry.is_on_disk:
                self._on_disk -= 1
                return
            self._leave(entry)

    def _take_out(self, entry: "Entry") -> bool:
        with self._lock:
            if entry.ended:
                return False
            entry.ended = True
            self._sampled -= 1
            if entry.abandoned != self._abandoned:
                self._dropped[self._abandoned_for] -= 1
                self._dropped += Counter()  # without what is none any more
                return True
            self._in_flight -= 1
            self._leave(entry)
            return True

    def _leave(self, entry: "Entry") -> None:
        self._open_by_epoch[entry.epoch] -= 1
        if not self._open_by_epoch[entry.epoch]:
            del self._open_by_epoch[entry.epoch]
            self._changed.notify_all()


class Entry:
    """One record in flight. The first ending counts; a second one, or one after `abandon`, changes nothing."""

    __slots__ = ("_is_claimed", "_ledger", "abandoned", "ended", "epoch", "is_on_disk")

    def __init__(self, ledger: Ledger, *, is_on_disk: bool = False) -> None:
        self._ledger = ledger
        self._is_claimed = False
        self.epoch = self.abandoned = 0
        self.is_on_disk = is_on_disk
        self.ended = True  # until it is counted

    def open(self) -> "Entry":
        """Count it in flight, as a sampled call."""
        self._ledger._open(self)  # noqa: SLF001  # one class in two parts
        return self

    def claim(self) -> bool:
        """Take it in hand; False where it has been withdrawn or dropped."""
        with self._ledger._lock:  # noqa: SLF001
            self._is_claimed = not self.ended
            return self._is_claimed

    def withdraw(self, reason: str) -> None:
        """Count it as lost, unless somebody has it in hand already."""
        with self._ledger._lock:  # noqa: SLF001
            if not self._is_claimed:
                self.drop(reason)

    def hand_over(self) -> bool:
        """Count it no more: another ledger will, from its beginning. False where it has ended, or somebody has it."""
        with self._ledger._lock:  # noqa: SLF001
            return not self._is_claimed and self._ledger._take_out(self)  # noqa: SLF001

    def deliver(self) -> None:
        """Count it as delivered."""
        self._ledger._close(self, to="delivered")  # noqa: SLF001  # one class in two parts

    def spool(self) -> None:
        """Count it as safe on disk."""
        self._ledger._close(self, to="spooled")  # noqa: SLF001

    def drop(self, reason: str) -> None:
        """Count it as lost."""
        self._ledger._close(self, to="dropped", reason=reason)  # noqa: SLF001
