"""A finished record's way out: to the broker while it is up, else to disk; and from disk when it is back.

    send --> link up? --> sink --> acknowledged: delivered
               | no         `----> came back:    spool
               `--> spool --> replay --> sink --> ...

Each topic is judged by itself: a feedback topic that is missing does not hold up interactions. Live records go first.
While they come, one spooled record follows each of them; while none comes, the spool has the client to itself. No more
than `Replay` allows are under way out of the spool. Without a spool (JSON Lines, tests) records go to the sink alone.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast

from headrace.delivery.complaints import Complaints
from headrace.delivery.link import Link
from headrace.delivery.outgoing import Kind, Outgoing
from headrace.delivery.sinks.protocol import TAKEN_BACK, Done, Returned, Sink
from headrace.delivery.spool import Spool
from headrace.delivery.spool.lines import KINDS
from headrace.delivery.spool.replay import Replay
from headrace.ledger import Entry, Ledger

if TYPE_CHECKING:
    from headrace_schemas import Statistics

__all__ = ["Outbox"]

_ADOPT_EVERY_S: Final = 5.0
_KAFKA_SHARE: Final = 0.6
"""Of the time for exit, this much waits for acknowledgements; the rest is for writing what is left to disk."""


class _Lane:
    """What belongs to one topic."""

    def __init__(self, kind: Kind, clock: Callable[[], float]) -> None:
        self.kind: Kind = kind
        self.link = Link(clock)
        self.was_up = True
        self.replay: Replay | None = None
        self.held: tuple[int, Outgoing] | None = None  # taken out of the spool, and the client was full


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
        self._lanes: dict[Kind, _Lane] = {kind: _Lane(kind, clock) for kind in KINDS}
        self._newest_statistics: Outgoing | None = None
        self._adopted_s = float("-inf")
        self._send_until_s = self._keep_until_s = float("inf")

    def send(self, outgoing: Outgoing, entry: Entry) -> bool:
        """Send or keep a record; False where there is no room for it: then offer it again."""
        if self._spool is None:
            return self._offer(outgoing, lambda lost_for, _=None: _end(entry, lost_for))
        if not self._try(outgoing, entry):
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
        self._take_back()
        if self._newest_statistics is not None:
            self._send_statistics()

    def replay(self, records: int) -> int:
        """Send up to so many spooled records of each topic, as far as the broker takes them; return how many."""
        if self._spool is None or self._clock() >= self._send_until_s:
            return 0
        sent = 0
        for lane in self._lanes.values():
            sent += self._replay(self._spool, lane, records)
        self._spool.tend(self._ledger.forget)
        self._adopt(self._spool)
        return sent

    def pending(self) -> int:
        """Return how many records are with the sink."""
        return self._sink.pending()

    def has_backlog(self) -> bool:
        """Tell whether records wait here or on disk."""
        waiting = self._spool is not None and self._spool.has_backlog()
        return waiting or self._newest_statistics is not None or any(lane.replay for lane in self._lanes.values())

    def needs_room(self) -> bool:
        """Tell whether statistics wait for room in the sink, and have nowhere else to go."""
        return self._spool is None and self._newest_statistics is not None

    def hasten(self, timeout_s: float) -> None:
        """The process exits in so many seconds: what Kafka has not taken some time before goes to disk."""
        now = self._clock()
        self._keep_until_s = now + timeout_s
        is_up = all(lane.link.is_up() for lane in self._lanes.values()) and not self._sink.is_down()
        self._send_until_s = now + timeout_s * (_KAFKA_SHARE if is_up else 0)

    def close(self, timeout_s: float) -> None:
        """Wait for acknowledgements, put the rest on disk, release everything, in so many seconds; see `hasten`."""
        if self._spool is None:
            self._sink.close(timeout_s)
            return
        self._keep_until_s = min(self._keep_until_s, self._clock() + timeout_s)
        self._sink.close(max(0.0, min(self._send_until_s - self._clock(), timeout_s)))
        last, self._newest_statistics = self._newest_statistics, None
        if last is not None and cast("Statistics", last.record)["is_last"]:
            self._spool.append(last)
        for lane in self._lanes.values():
            if lane.replay is not None:
                if lane.held is not None:
                    lane.replay.give_back(lane.held[0], "exit", is_its_own_fault=False)
                leave = self._spool.finish if lane.replay.close() else self._spool.put_back
                leave(lane.replay.segment)
            lane.replay = lane.held = None
        self._spool.close()

    def abandon(self) -> None:
        """In a forked child: let go of the parent's files and connections without touching what they lead to."""
        self._sink.abandon()
        for lane in self._lanes.values():
            if lane.replay is not None:
                lane.replay.abandon()
        if self._spool is not None:
            self._spool.abandon()

    def _try(self, outgoing: Outgoing, entry: Entry) -> bool:
        """Give a record to the sink, unless the broker is in doubt and others are under way already."""
        link = self._lanes[outgoing.kind].link
        # In doubt a record that is on disk already looks whether the broker is back, if there is one.
        if not self._may_send(link) or not (link.is_up() or not self.has_backlog()):
            return False
        number = link.send()

        def done(lost_for: str | None, returned: Returned | None = None) -> None:
            if lost_for is None:
                link.acknowledge(number)
                entry.deliver()
            elif returned is None:
                link.withdraw(number)
                entry.drop(lost_for)
            else:
                self._fail(link, number, lost_for)
                self._keep_returned(lost_for, returned, entry)

        if self._offer(outgoing, done):
            return True
        link.withdraw(number)
        return False

    def _take_back(self) -> None:
        """When doubt begins, what the client has not sent yet goes to disk: no memory need wait for the broker."""
        begins = False
        for lane in self._lanes.values():
            if self._sink.is_down():
                lane.link.doubt()
            was_up, lane.was_up = lane.was_up, lane.link.is_up()
            begins |= was_up and not lane.was_up
        if begins and self._spool is not None:
            self._sink.take_back()

    @staticmethod
    def _fail(link: Link, number: int, reason: str) -> bool:
        if reason == TAKEN_BACK:
            link.withdraw(number)  # it says nothing about the broker
            return False
        return link.fail(number)

    def _offer(self, outgoing: Outgoing, done: Done) -> bool:
        try:
            return self._sink.send(outgoing, done)
        except Exception as error:
            done("sink_failed")
            # The type only: a message may quote the payload.
            self._complaints.warn(
                f"send {outgoing.kind} {type(error).__name__}",
                "headrace: %s lost in send (%s); what is lost is counted in headrace.stats()",
                outgoing.kind,
                type(error).__name__,
            )
            return True

    def _may_send(self, link: Link) -> bool:
        if self._clock() >= self._send_until_s:
            return False
        if self._sink.is_down():
            link.doubt()
        return link.is_up() or link.may_probe()

    def _keep(self, spool: Spool, outgoing: Outgoing, entry: Entry) -> None:
        if self._clock() >= self._keep_until_s:
            entry.drop("exit")
            return
        reason = spool.append(outgoing)
        if reason is None:
            entry.spool()
        else:
            entry.drop(reason)

    def _keep_returned(self, reason: str, returned: Returned, entry: Entry) -> None:
        """Called by the client's callback: an exception would go where nobody expects it."""
        try:
            if self._spool is None or (outgoing := returned()) is None:
                entry.drop(reason)
            else:
                self._keep(self._spool, outgoing, entry)
        except Exception as error:
            entry.drop("sink_failed")
            self._complaints.warn("keep", "headrace: a record could not be kept (%s)", type(error).__name__)

    def _send_statistics(self, ended: Callable[[], object] = lambda: None) -> None:
        link = self._lanes["statistics"].link
        statistics = self._newest_statistics
        if statistics is None or not self._may_send(link):
            ended()
            return
        number = link.send()

        def done(lost_for: str | None, returned: Returned | None = None) -> None:
            if lost_for is None:
                link.acknowledge(number)
            elif returned is None:
                link.withdraw(number)
            else:
                self._fail(link, number, lost_for)
                self._newest_statistics = self._newest_statistics or returned()
            ended()

        self._newest_statistics = None
        if not self._offer(statistics, done):
            link.withdraw(number)
            self._newest_statistics = statistics
            ended()

    def _replay(self, spool: Spool, lane: _Lane, records: int) -> int:
        sent = 0
        if not self._may_replay(lane.link):
            return sent
        try:
            if lane.replay is None:
                segment = spool.next_segment(lane.kind)
                if segment is None:
                    return sent
                lane.replay = Replay(segment, self._ledger)
            while sent < records and self._may_replay(lane.link) and self._replay_one(lane, lane.replay):
                sent += 1
            if lane.replay.is_finished:
                lane.replay.close()
                spool.finish(lane.replay.segment)
                lane.replay = None
        except OSError as error:
            self._lose(spool, lane, error)
        return sent

    def _may_replay(self, link: Link) -> bool:
        return self._may_send(link) and (link.is_confirmed() or link.may_probe())

    def _replay_one(self, lane: _Lane, replay: Replay) -> bool:
        taken = lane.held or replay.take()
        if taken is None:
            return False
        place, outgoing = taken
        link = lane.link
        number = link.send()

        def done(lost_for: str | None, returned: Returned | None = None) -> None:
            if lost_for is None:
                link.acknowledge(number)
                replay.deliver(place)
            elif returned is None:
                link.withdraw(number)
                replay.drop(place, lost_for)
            else:
                replay.give_back(place, lost_for, is_its_own_fault=self._fail(link, number, lost_for))

        lane.held = None
        if self._offer(outgoing, done):
            return True
        link.withdraw(number)
        lane.held = taken
        return False

    def _lose(self, spool: Spool, lane: _Lane, error: OSError) -> None:
        replay, lane.replay = lane.replay, None
        if replay is None:
            return
        if lane.held is not None:
            replay.drop(lane.held[0], "spool_unreadable")
            lane.held = None
        self._ledger.forget("spool_unreadable", replay.segment.records)
        replay.segment.records = 0
        replay.close()
        spool.set_aside(replay.segment, error)

    def _adopt(self, spool: Spool) -> None:
        """Look for what dead processes left, once the broker has been seen."""
        if self._clock() - self._adopted_s >= _ADOPT_EVERY_S and any(
            lane.link.is_confirmed() for lane in self._lanes.values()
        ):
            self._adopted_s = self._clock()
            spool.adopt()


def _end(entry: Entry, lost_for: str | None) -> None:
    entry.deliver() if lost_for is None else entry.drop(lost_for)
