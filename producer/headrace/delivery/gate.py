"""One topic's way into the sink: whether a record may go now, and what its end says about the broker."""

import time
from collections.abc import Callable
from typing import TypeAlias

from headrace.delivery.complaints import Complaints
from headrace.delivery.link import Link
from headrace.delivery.outgoing import Kind, Outgoing
from headrace.delivery.sinks.protocol import TAKEN_BACK, Returned, Sink

__all__ = ["Ended", "Gate"]

Ended: TypeAlias = Callable[[str | None, Returned | None, bool], None]
"""As `Done`, and whether the record itself is to blame: others got through meanwhile."""


class Gate:
    """Offers a topic's records to the sink.

    Args:
        kind: of the records.
        sink: where they go.
        complaints: logs trouble.
        clock: seconds, monotonic.

    Attributes:
        kind: of the records.
        link: whether the broker takes them.
        until_s: when the exit ends all sending, by the clock.
    """

    def __init__(
        self, kind: Kind, sink: Sink, complaints: Complaints, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.kind: Kind = kind
        self.link = Link(clock)
        self.until_s = float("inf")
        self._sink = sink
        self._complaints = complaints
        self._clock = clock
        self._was_up = True

    def is_open(self) -> bool:
        """Tell whether records may go as they come."""
        if self._sink.is_down():
            self.link.doubt()
        return self._clock() < self.until_s and self.link.is_up()

    def may_probe(self) -> bool:
        """Tell whether one record may go to see whether the broker is back."""
        return self._clock() < self.until_s and self.link.may_probe()

    def has_closed(self) -> bool:
        """Tell, once, that doubt has begun."""
        was_up, self._was_up = self._was_up, self.is_open()
        return was_up and not self._was_up

    def offer(self, outgoing: Outgoing, ended: Ended) -> bool:
        """Give a record to the sink; False where there is no room for it."""
        link = self.link
        number = link.send()

        def done(lost_for: str | None, returned: Returned | None = None) -> None:
            is_its_own_fault = False
            if lost_for is None:
                link.acknowledge(number)
            elif returned is None or lost_for == TAKEN_BACK:
                link.withdraw(number)  # it says nothing about the broker
            else:
                is_its_own_fault = link.fail(number)
            ended(lost_for, returned, is_its_own_fault)

        try:
            is_taken = self._sink.send(outgoing, done)
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
        if not is_taken:
            link.withdraw(number)
        return is_taken
