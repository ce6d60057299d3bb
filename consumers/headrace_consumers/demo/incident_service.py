"""The service of `headrace demo --alerts`: the support desk under even traffic, well or not as it is told.

    python -m headrace_consumers.demo.incident_service --config PATH

A line on stdin, ``well`` or ``incident``, holds for all calls from then on; it ends when stdin does.
"""

import argparse
import itertools
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import dspy

import headrace
from headrace_consumers.demo.program import OfflineLM, SupportDesk, happening
from headrace_consumers.demo.tickets import Mishap, Ticket, tickets

__all__ = ["FAILS_EVERY", "main", "mishaps", "serve"]

FAILS_EVERY: Final = 5
"""In an incident, the model answers all calls but each fifth."""

_THREADS: Final = 2
_PAUSE_S: Final = 0.04
_TICKETS: Final = 500


def mishaps(is_incident: Callable[[], bool]) -> Iterator[Mishap]:
    """Return what happens to one call after another."""
    for number in itertools.count(1):
        yield Mishap.outage if is_incident() and number % FAILS_EVERY == 0 else Mishap.none


def serve(desk: Callable[..., Any], traffic: Iterable[tuple[Ticket, Mishap]], pause: Callable[[], object]) -> None:
    """Send traffic through the program, a pause after each call."""
    for ticket, mishap in traffic:
        try:
            with happening(mishap):
                desk(ticket=ticket.text, customer=ticket.customer)
        except Exception as error:
            if mishap is Mishap.none:
                sys.stderr.write(f"headrace: the support desk failed on its own ({type(error).__name__})\n")
        pause()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the service; it ends with the process."""
    parser = argparse.ArgumentParser(prog="python -m headrace_consumers.demo.incident_service")
    parser.add_argument("--config", required=True)
    try:
        headrace.configure(parser.parse_args(argv).config)
    except headrace.HeadraceError as error:
        sys.stderr.write(f"headrace: {error}\n")
        return 2
    dspy.configure(lm=OfflineLM())
    desk = headrace.instrument(SupportDesk(), name="support-desk", version="demo")
    incident = threading.Event()
    settings = dict(dspy.settings.config)

    def call() -> None:
        with dspy.context(**settings):
            traffic = zip(itertools.cycle(tickets(_TICKETS)), mishaps(incident.is_set))
            serve(desk, traffic, lambda: threading.Event().wait(_PAUSE_S))

    for _ in range(_THREADS):
        threading.Thread(target=call, daemon=True).start()
    sys.stdout.write("serving\n")
    sys.stdout.flush()
    for line in sys.stdin:
        (incident.set if line.strip() == "incident" else incident.clear)()
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
