"""The demo's service process: the sample program, instrumented, under traffic.

    python -m headrace_consumers.demo.service --config PATH --calls N

It tells its progress as JSON lines on stdout; the last one, "done", holds the figures. It ends when stdin does.
"""

import argparse
import json
import os
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any, Final

import dspy

import headrace
from headrace_consumers.demo.program import OfflineLM, SupportDesk, happening
from headrace_consumers.demo.tickets import Mishap, Ticket, tickets
from headrace_schemas import keys

__all__ = ["MODULE_NAME", "main", "serve"]

MODULE_NAME: Final = "support-desk"
THREADS: Final = 4
FLUSH_TIMEOUT_S: Final = 60.0
REPORT_EVERY: Final = 25


class Outcomes:
    """Counts of finished calls, by several threads.

    Args:
        report: told every REPORT_EVERY calls how many are done.

    Attributes:
        succeeded: how many returned.
        failed: how many raised, by exception.
        feedback: how often feedback was taken.
    """

    def __init__(self, report: Callable[[int], None]) -> None:
        self._lock = threading.Lock()
        self._report = report
        self.succeeded = 0
        self.failed: Counter[str] = Counter()
        self.feedback = 0

    def add_feedback(self) -> None:
        """Count feedback."""
        with self._lock:
            self.feedback += 1

    def add(self, error: Exception | None) -> None:
        """Count one call."""
        with self._lock:
            if error is None:
                self.succeeded += 1
            else:
                self.failed[type(error).__name__] += 1
            done = self.succeeded + self.failed.total()
            if done % REPORT_EVERY == 0:
                self._report(done)


def serve(desk: Callable[..., Any], traffic: Sequence[Ticket], report: Callable[[int], None]) -> Outcomes:
    """Send the traffic through the program, a few calls at a time, and return how they ended."""
    outcomes = Outcomes(report)

    def answer(ticket: Ticket) -> None:
        try:
            with headrace.request(ticket.request_id, subject_id=ticket.customer), happening(ticket.mishap):
                desk(ticket=ticket.text, customer=ticket.customer)
        except Exception as error:
            outcomes.add(error)
        else:
            outcomes.add(None)
        verdict = ticket.verdict  # in life it comes later, and from another process
        if verdict is not None and headrace.feedback(
            ticket.request_id,
            score=verdict.score,
            label=verdict.label,
            comment=verdict.comment,
            module=MODULE_NAME,
            subject_id=ticket.customer,
        ):
            outcomes.add_feedback()

    slow = [ticket for ticket in traffic if ticket.mishap is Mishap.slow]
    # The slow calls wait in threads of their own, as they would on a network, beside the others.
    with ThreadPoolExecutor(max(len(slow), 1)) as waiting, ThreadPoolExecutor(THREADS) as working:
        futures = [waiting.submit(answer, ticket) for ticket in slow]
        futures += [working.submit(answer, ticket) for ticket in traffic if ticket.mishap is not Mishap.slow]
        for future in futures:
            future.result()
    return outcomes


def main(argv: Sequence[str] | None = None) -> int:
    """Run the service and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m headrace_consumers.demo.service")
    parser.add_argument("--config", required=True)
    parser.add_argument("--calls", type=int, required=True)
    arguments = parser.parse_args(argv)
    try:
        config = headrace.configure(arguments.config)
    except headrace.HeadraceError as error:
        sys.stderr.write(f"headrace: {error}\n")
        return 2
    threading.Thread(target=_leave_with_the_demo, daemon=True).start()
    dspy.configure(lm=OfflineLM())
    traffic = tickets(arguments.calls)
    desk = headrace.instrument(SupportDesk(), name=MODULE_NAME, version="demo")
    outcomes = serve(desk, traffic, lambda done: _tell("progress", {"calls": done}))
    flushed = headrace.flush(FLUSH_TIMEOUT_S)
    rate = config.telemetry.sampling_rate_pct / 100
    _tell(
        "done",
        {
            "calls": len(traffic),
            "succeeded": outcomes.succeeded,
            "failed": dict(outcomes.failed),
            "feedback": outcomes.feedback,
            "sampling_rate_pct": config.telemetry.sampling_rate_pct,
            "sampled_calls": sum(keys.is_below_rate(keys.sampling_hash(t.request_id), rate) for t in traffic),
            "flushed": flushed,
            "stats": asdict(headrace.stats()),
        },
    )
    return 0


def _leave_with_the_demo() -> None:
    """End this process when stdin does: then the demo was killed, and nobody is left to stop its traffic."""
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os._exit(1)


def _tell(event: str, figures: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps({"event": event, **figures}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
