"""A topic's spooled records back to the broker, oldest first, as far as it takes them.

While the broker is in doubt one record at a time goes to see; the disk has it, so nobody waits for it.
"""

from typing import TYPE_CHECKING

from headrace.delivery.gate import Gate
from headrace.delivery.sinks.protocol import Returned
from headrace.delivery.spool import Spool
from headrace.delivery.spool.replay import Replay
from headrace.ledger import Ledger

if TYPE_CHECKING:
    from headrace.delivery.outgoing import Outgoing

__all__ = ["Replayer"]


class Replayer:
    """Replays one kind of record.

    Args:
        gate: the way to the broker.
        spool: where the records are.
        ledger: is told what becomes of them.
    """

    def __init__(self, gate: Gate, spool: Spool, ledger: Ledger) -> None:
        self._gate = gate
        self._spool = spool
        self._ledger = ledger
        self._replay: Replay | None = None
        self._held: tuple[int, Outgoing] | None = None  # taken out of the spool, and the client was full

    @property
    def replay(self) -> Replay | None:
        """The segment in hand."""
        return self._replay

    @property
    def held(self) -> int:
        """How many records are taken out of the spool and wait for room in the client."""
        return int(self._held is not None)

    def has_backlog(self) -> bool:
        """Tell whether records of this kind wait."""
        return self._replay is not None or self._spool.has_backlog(self._gate.kind)

    def work(self, records: int) -> int:
        """Send up to so many; return how many."""
        sent = 0
        try:
            while sent < records and self._may_send() and self._open():
                if self._send_one():
                    sent += 1
                elif not self._finish():
                    break
        except OSError as error:
            self._lose(error)
        return sent

    def close(self) -> None:
        """Leave what is not replayed to the next process."""
        replay, held = self._replay, self._held
        self._replay = self._held = None
        if replay is not None:
            if held is not None:
                replay.give_back(held[0], "exit", is_its_own_fault=False)
            leave = self._spool.finish if replay.close() else self._spool.put_back
            leave(replay.segment)

    def abandon(self) -> None:
        """In a forked child: let go of the parent's file."""
        if self._replay is not None:
            self._replay.abandon()

    def _may_send(self) -> bool:
        gate = self._gate
        return (gate.is_open() and gate.link.is_confirmed()) or gate.may_probe()

    def _open(self) -> bool:
        if self._replay is None:
            segment = self._spool.next_segment(self._gate.kind)
            if segment is not None:
                self._replay = Replay(segment, self._ledger)
        return self._replay is not None

    def _send_one(self) -> bool:
        replay = self._replay
        taken = self._held or (replay and replay.take())
        if replay is None or not taken:
            return False
        place, outgoing = taken

        def ended(lost_for: str | None, returned: Returned | None, is_its_own_fault: bool) -> None:  # noqa: FBT001  # see `Ended`
            if lost_for is None:
                replay.deliver(place)
            elif returned is None:
                replay.drop(place, lost_for)
            else:
                replay.give_back(place, lost_for, is_its_own_fault=is_its_own_fault)

        self._held = None
        if self._gate.offer(outgoing, ended):
            return True
        self._held = taken
        return False

    def _finish(self) -> bool:
        """Let go of the segment in hand if it is replayed to its end; tell whether it is."""
        if self._replay is None or not self._replay.is_finished:
            return False
        self._replay.close()
        self._spool.finish(self._replay.segment)
        self._replay = None
        return True

    def _lose(self, error: OSError) -> None:
        replay, held = self._replay, self._held
        self._replay = self._held = None
        if replay is not None:
            if held is not None:
                replay.drop(held[0], "spool_unreadable")
            self._ledger.forget("spool_unreadable", replay.segment.records)
            replay.segment.records = 0
            replay.close()
            self._spool.set_aside(replay.segment, error)
