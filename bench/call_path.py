"""What an instrumented call costs its caller: `python bench/call_path.py [--calls N]`.

A trivial module, so that what is measured is the wrapper and not an LM; beside it the cheapest thing that DSPy's own
callbacks can do. All ways take turns within one run, and the best of several rounds counts, since other programs on
the machine can only slow a round down.
"""

import argparse
import gc
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dspy
from dspy.utils.callback import BaseCallback

import headrace
from headrace import runtime
from headrace.captured import CapturedCall
from headrace.config import load
from headrace.ledger import Stats

ROUNDS = 15


class Trivial(dspy.Module):
    def forward(self, question: str) -> dspy.Prediction:
        return dspy.Prediction(answer=question)


class Discarding:
    """A pipeline that takes every call and counts it: what happens behind the queue is not the caller's time."""

    def __init__(self) -> None:
        self.taken = 0

    def submit(self, call: CapturedCall) -> bool:
        del call
        self.taken += 1
        return True

    def count_failure(self, reason: str) -> None:
        raise AssertionError(reason)

    def flush(self, timeout_s: float) -> bool:
        return timeout_s >= 0

    def close(self, timeout_s: float) -> bool:
        return timeout_s >= 0

    def stats(self) -> Stats:
        return Stats(sampled=self.taken, delivered=self.taken)


@contextmanager
def at(rate_pct: float | None, pipeline: Discarding) -> Iterator[None]:
    """Capture at a rate in percent; None switches it off."""
    telemetry = {"enabled": rate_pct is not None, "sampling_rate_pct": rate_pct or 0}
    previous = runtime.swap(runtime.Runtime(load(None, {"telemetry": telemetry}, {}), pipeline))
    try:
        yield
    finally:
        runtime.swap(previous)


def us_per_call(module: Callable[..., object], calls: int) -> float:
    started_s = time.perf_counter()
    for _ in range(calls):
        module(question="How many ships are in the harbour?")
    return (time.perf_counter() - started_s) / calls * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--calls", type=int, default=20_000, help="calls for each way of calling (default: %(default)s)"
    )
    calls = max(1, parser.parse_args().calls // ROUNDS)
    logging.getLogger("headrace").setLevel(logging.ERROR)

    pipeline = Discarding()
    with at(None, pipeline):
        bare, watched, heard = Trivial(), headrace.instrument(Trivial(), "trivial"), Trivial()
    heard.callbacks = [BaseCallback()]
    unlikely = 1e-9  # percent: no call of this run is below it, and all are hashed

    def in_request(rate_pct: float) -> float:
        with at(rate_pct, pipeline), headrace.request("bench"):
            return us_per_call(watched, calls)

    def anonymous(rate_pct: float | None) -> float:
        with at(rate_pct, pipeline):
            return us_per_call(watched, calls)

    ways: dict[str, Callable[[], float]] = {
        "bare module": lambda: us_per_call(bare, calls),
        "no-op dspy callback": lambda: us_per_call(heard, calls),
        "headrace, capture off": lambda: anonymous(None),
        "headrace, not sampled, in a request": lambda: in_request(unlikely),
        "headrace, not sampled": lambda: anonymous(unlikely),
        "headrace, sampled": lambda: anonymous(100),
    }
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(ROUNDS):
        for name, measure in ways.items():
            gc.collect()
            best[name] = min(best[name], measure())

    base = best["bare module"]
    print(f"{'us a call, best of ' + str(ROUNDS):<38}{'total':>8}{'added':>8}{'ratio':>8}")
    for name, total in best.items():
        print(f"{name:<38}{total:>8.2f}{total - base:>8.2f}{total / base:>8.2f}")
    print(f"{pipeline.taken} calls captured")


if __name__ == "__main__":
    main()
