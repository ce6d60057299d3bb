"""A process that watches one program in one way and measures it when told to: a line of JSON in, a line out.

    <- {"ready": true} | {"missing": why}
    -> {"budget_s": 0.03, "max_calls": 2000, "each": false}
    <- {"calls": n, "wall_us": .., "cpu_us": .., "each_us": [..], "twin": the same of the unwatched twin}
    -> {"end": true}
    <- {"account": {..}}

`wall_us` is what a call takes, with whatever background threads take from it; `cpu_us` is the calling thread's own.
"""

import gc
import json
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any, TextIO

from bench.producer.programs import PROGRAMS, inputs
from bench.producer.ways import WAYS, MissingPeerError, Watched

_WARM_UP_CALLS = 5


def measure(watched: Watched, arguments: dict[str, str], order: dict[str, Any]) -> dict[str, Any]:
    """Return what one round of the program takes, and one of its twin."""
    with watched.within():
        measured = _round(watched.program, watched, arguments, order)
        if watched.twin is not None and not order["each"]:
            measured["twin"] = _round(watched.twin, watched, arguments, order)
    return measured


def _round(program: Any, watched: Watched, arguments: dict[str, str], order: dict[str, Any]) -> dict[str, Any]:
    """Call the program until the budget is spent."""
    each_us: list[float] = []
    for _ in range(_WARM_UP_CALLS):
        program(**arguments)
    watched.drain()
    gc.collect()
    calls = 0
    clock, cpu_clock = time.perf_counter, time.thread_time
    started_s, cpu_started_s = clock(), cpu_clock()
    while not calls or (calls < order["max_calls"] and clock() - started_s < order["budget_s"]):
        if order["each"]:
            begun_s = clock()
            program(**arguments)
            each_us.append((clock() - begun_s) * 1e6)
            calls += 1
        else:
            for _ in range(10):
                program(**arguments)
            calls += 10
    wall_s, cpu_s = clock() - started_s, cpu_clock() - cpu_started_s
    watched.drain()
    return {"calls": calls, "wall_us": wall_s / calls * 1e6, "cpu_us": cpu_s / calls * 1e6, "each_us": each_us}


def serve(way: str, program: str, size_bytes: int, delay_s: float, replies: TextIO) -> None:
    """Answer until told to end."""

    def reply(message: dict[str, Any]) -> None:
        replies.write(json.dumps(message) + "\n")
        replies.flush()

    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            watched = WAYS[way](PROGRAMS[program](delay_s), Path(folder))
        except MissingPeerError as error:
            reply({"missing": str(error)})
            return
        arguments = inputs(size_bytes)
        for _ in range(50 if not delay_s else 3):
            watched.program(**arguments)
        reply({"ready": True})
        for line in sys.stdin:
            order = json.loads(line)
            if "end" in order:
                reply({"account": watched.account()})
                replies.close()
                os._exit(0)  # how a process ends is another question
            reply(measure(watched, arguments, order))


def main() -> None:
    # DSPy 3.4 warns at each call that an LM of one's own is an old kind, and looks through the stack for whom to tell.
    warnings.simplefilter("ignore", DeprecationWarning)
    way, program, size_bytes, delay_s = sys.argv[1:]
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no reply
    serve(way, program, int(size_bytes), float(delay_s), replies)


if __name__ == "__main__":
    main()
