"""A finished record's way out: to the broker while it is up, else to disk; and from disk when it is back.

    send --> gate open? --> sink --> acknowledged: delivered
               | no          `----> came back:    spool
               `--> spool --> replayer --> gate --> sink --> ...

Each topic has a gate of its own: a feedback topic that is missing does not hold up interactions. Live records go first.
While they come, one spooled record follows each of them; while none comes, the spool has the client to itself. No more
than `Replay` allows are under way out of the spool. Without a spool (JSON Lines, tests) records go to the sink alone.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast

from headrace.delivery.complaints import Complaints
from headrace.delivery.gate import Gate
from headrace.delivery.outgoing import Kind, Outgoing
from headrace.delivery.replayer import Replayer
from headrace.delivery.sinks.protocol import Returned, Sink
from headrace.delivery.spool import Spool
from headrace.delivery.spool.lines import KINDS
from headrace.ledger import Entry, Ledger

if TYPE_CHECKING:
    from headrace_schemas import Statistics

__all__ = ["Outbox"]

_ADOPT_EVERY_S: Final = 5.0
_KAFKA_SHARE: Final = 0.6
"""Of the time for exit, this much waits for acknowledgements; the rest is for writing what is left to disk."""


class Outbox:
    """Sends records; used by one thread only.

    Args:
        sink: where records go.
        ledger: is told what becomes of them.
        spool: keeps them while the sink's broker is away; None: they are lost then.
        complaints: logs trouble.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        sink: Sink,
        ledger: Ledger,
        spool: Spool | None,
        *,
        complaints: Complaints,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sink = sink
        self._ledger = ledger
        self._spool = spool
        self._complaints = complaints
        self._clock = clock
        self._gates: dict[Kind, Gate] = {kind: Gate(kind, sink, complaints, clock) for kind in KINDS}
        self._replayers: dict[Kind, Replayer] = (
            {} if spool is None else {kind: Replayer(gate, spool, ledger) for kind, gate in self._gates.items()}
        )
        self._newest_statistics: Outgoing | None = None
        self._adopted_s = float("-inf")
        self._keep_until_s = float("inf")

    def send(self, outgoing: Outgoing, entry: Entry) -> bool:
        """Send or keep a record; False where there is no room for it: then offer it again."""
        gate = self._gates[outgoing.kind]

        def ended(lost_for: str | None, returned: Returned | None, _: bool) -> None:  # noqa: FBT001  # see `Ended`
            if lost_for is None:
                entry.deliver()
            elif returned is None or self._spool is None:
                entry.drop(lost_for)
            else:
                self._keep_returned(self._spool, lost_for, returned, entry)

        if self._spool is None:
            return gate.offer(outgoing, ended)
        # In doubt a record that is on disk already looks whether the broker is back, if there is one.
        may_go = gate.is_open() or (gate.may_probe() and not self._replayers[outgoing.kind].has_backlog())
        if not may_go or not gate.offer(outgoing, ended):
            self._keep(self._spool, outgoing, entry)
        return True

    def publish(self, statistics: Outgoing, ended: Callable[[], object]) -> None:
        """Send statistics, which no ledger counts. While the broker is away only the newest are kept, in memory.

        Those of the exit (`is_last`) go to disk then.

        Args:
            statistics: the record.
            ended: called when it is acknowledged, lost, or kept here.
        """
        self._newest_statistics = statistics
        self._send_statistics(ended)

    def poll(self, timeout_s: float) -> None:
        """Let acknowledgements be told; wait for the first of them, at most so long."""
        self._sink.poll(timeout_s)
        closed = [gate for gate in self._gates.values() if gate.has_closed()]
        if closed and self._spool is not None:
            self._sink.take_back()  # what the client has not sent goes to disk: no memory need wait for the broker
        if self._newest_statistics is not None:
            self._send_statistics()

    def push(self, timeout_s: float) -> None:
        """Let the sink send at once what it has taken: somebody waits for it. Wait at most so long."""
        self._sink.push(timeout_s)

    def replay(self, records: int) -> int:
        """Send up to so many spooled records of each topic, as far as the broker takes them; return how many."""
        if self._spool is None:
            return 0
        sent = sum(replayer.work(records) for replayer in self._replayers.values())
        self._spool.tend(self._ledger)
        if self._clock() - self._adopted_s >= _ADOPT_EVERY_S and self._has_seen_the_broker():
            self._adopted_s = self._clock()
            self._spool.adopt()
        return sent

    def spool_bytes(self) -> int:
        """Return how much this process has on disk."""
        return 0 if self._spool is None else self._spool.size_bytes()

    def pending(self) -> int:
        """Return how many records are with the sink."""
        return self._sink.pending()

    def is_replaying(self) -> bool:
        """Tell whether spooled records are under way to a broker that takes them: more follow when they end."""
        return any(
            replayer.replay is not None and replayer.replay.under_way and self._gates[kind].is_open()
            for kind, replayer in self._replayers.items()
        )

    def has_backlog(self) -> bool:
        """Tell whether records wait here or on disk."""
        return self._newest_statistics is not None or any(r.has_backlog() for r in self._replayers.values())

    def needs_room(self) -> bool:
        """Tell whether statistics wait for room in the sink, and have nowhere else to go."""
        return self._spool is None and self._newest_statistics is not None

    def hasten(self, timeout_s: float) -> None:
        """The process exits in so many seconds: what Kafka has not taken some time before goes to disk."""
        if self._spool is None:
            return
        now = self._clock()
        self._keep_until_s = now + timeout_s
        is_up = all(gate.is_open() for gate in self._gates.values())
        for gate in self._gates.values():
            gate.until_s = now + timeout_s * (_KAFKA_SHARE if is_up else 0)

    def settle(self, timeout_s: float) -> None:
        """Wait for acknowledgements and put the rest on disk, in so many seconds: then the ledger's figures are final.

        Without a spool only `close` waits.
        """
        if self._spool is not None:
            self._sink.settle(self._wait_s(timeout_s))

    def close(self, timeout_s: float) -> None:
        """Wait for acknowledgements, put the rest on disk, release everything, in so many seconds; see `hasten`."""
        if self._spool is None:
            self._sink.close(timeout_s)
            return
        self._sink.close(self._wait_s(timeout_s))
        last, self._newest_statistics = self._newest_statistics, None
        if last is not None and cast("Statistics", last.record)["is_last"]:
            self._spool.append(last)
        for replayer in self._replayers.values():
            replayer.close()
        self._spool.close()

    def abandon(self) -> None:
        """In a forked child: let go of the parent's files and connections without touching what they lead to."""
        self._sink.abandon()
        for replayer in self._replayers.values():
            replayer.abandon()
        if self._spool is not None:
            self._spool.abandon()

    def _has_seen_the_broker(self) -> bool:
        return any(gate.is_open() and gate.link.is_confirmed() for gate in self._gates.values())

    def _wait_s(self, timeout_s: float) -> float:
        """Return how long of so many seconds may be waited for the broker."""
        now = self._clock()
        self._keep_until_s = min(self._keep_until_s, now + timeout_s)
        until_s = min(gate.until_s for gate in self._gates.values())
        return max(0.0, min(until_s - now, timeout_s))

    def _keep(self, spool: Spool, outgoing: Outgoing, entry: Entry) -> None:
        if self._clock() >= self._keep_until_s:
            entry.drop("exit")
            return
        reason = spool.append(outgoing)
        if reason is None:
            entry.spool()
        else:
            entry.drop(reason)

    def _keep_returned(self, spool: Spool, reason: str, returned: Returned, entry: Entry) -> None:
        """Called by the client's callback: an exception would go where nobody expects it."""
        try:
            outgoing = returned()
            if outgoing is None:
                entry.drop(reason)
            else:
                self._keep(spool, outgoing, entry)
        except Exception as error:
            entry.drop("sink_failed")
            self._complaints.warn("keep", "headrace: a record could not be kept (%s)", type(error).__name__)

    def _send_statistics(self, told: Callable[[], object] = lambda: None) -> None:
        gate = self._gates["statistics"]
        statistics = self._newest_statistics
        if statistics is None or not (gate.is_open() or gate.may_probe()):
            told()
            return

        def ended(lost_for: str | None, returned: Returned | None, _: bool) -> None:  # noqa: FBT001  # see `Ended`
            if lost_for is not None and returned is not None:
                self._newest_statistics = self._newest_statistics or returned()
            told()

        self._newest_statistics = None
        if not gate.offer(statistics, ended):
            self._newest_statistics = statistics
            told()
