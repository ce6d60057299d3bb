"""The service of `headrace demo --loop`: the program under even traffic, routed, and people who look at its answers.

    python -m headrace_consumers.demo.loop_service --config PATH --calls-per-s N

It tells its figures as JSON lines on stdout, and ends when stdin does.
"""

import argparse
import itertools
import json
import os
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import dspy

import headrace
from headrace_consumers.demo.loop_program import MODULE_NAME, program, right_desk, ticket_text
from headrace_schemas import keys

__all__ = ["Tally", "main", "serve"]

_THREADS: Final = 2
_TELL_EVERY_S: Final = 0.5
_LOOKED_AT: Final = 0.9
"""The share of requests whose answer somebody looks at."""


class Tally:
    """How many calls came back, and how many with the right desk, by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.calls = self.right = self.failed = 0

    def add(self, *, is_right: bool | None) -> None:
        """Count a call; None: it failed."""
        with self._lock:
            self.calls += 1
            self.right += is_right is True
            self.failed += is_right is None

    def line(self) -> str:
        """Return the figures as JSON."""
        with self._lock:
            return json.dumps({"calls": self.calls, "right": self.right, "failed": self.failed})


def serve(route: Callable[..., Any], numbers: Iterable[int], tally: Tally, pause: Callable[[], object]) -> None:
    """Send tickets through the program, and what people say of its answers to Headrace."""
    for number in numbers:
        ticket, request_id = ticket_text(number), f"loop-{number}"
        right = right_desk(ticket)
        try:
            with headrace.request(request_id):
                desk = route(ticket=ticket).desk
        except Exception as error:
            tally.add(is_right=None)
            sys.stderr.write(f"headrace: a call failed ({type(error).__name__})\n")
        else:
            tally.add(is_right=desk == right)
            if keys.sampling_hash(f"looked-at-{request_id}") < _LOOKED_AT * 2**64:
                if desk == right:
                    headrace.feedback(request_id, score=1.0)
                else:
                    headrace.feedback(request_id, score=0.0, correction={"desk": right})
        pause()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the service; it ends with the process."""
    parser = argparse.ArgumentParser(prog="python -m headrace_consumers.demo.loop_service")
    parser.add_argument("--config", required=True)
    parser.add_argument("--calls-per-s", type=float, required=True)
    arguments = parser.parse_args(argv)
    try:
        headrace.configure(arguments.config)
    except headrace.HeadraceError as error:
        sys.stderr.write(f"headrace: {error}\n")
        return 2
    route = headrace.instrument(program(), name=MODULE_NAME, router=True)
    settings = dict(dspy.settings.config)
    numbers, tally = itertools.count(), Tally()
    pause_s = _THREADS / arguments.calls_per_s

    def call() -> None:
        with dspy.context(**settings):
            serve(route, numbers, tally, lambda: threading.Event().wait(pause_s))

    for _ in range(_THREADS):
        threading.Thread(target=call, daemon=True).start()
    threading.Thread(target=_leash, daemon=True).start()
    while True:
        sys.stdout.write(tally.line() + "\n")
        sys.stdout.flush()
        threading.Event().wait(_TELL_EVERY_S)


def _leash() -> None:
    while os.read(0, 1024):
        pass
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
