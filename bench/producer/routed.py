"""What a route costs a call: `python -m bench.producer.routed [--bursts 400]`.

One process, and bursts of a few calls in turn: bare, instrumented, and instrumented with a rollout's candidate that
each call is told. Of each the least processor time of the calling thread counts; and how many functions a call calls,
of Python and of C, which no other program on the machine can change.
"""

import argparse
import gc
import platform
import sys
import time
import warnings
from typing import Any

import headrace
from bench.producer.programs import PROGRAMS, inputs
from bench.producer.ways import UNLIKELY_PCT, route, version_of

_CALLS = 5


def measured(programs: dict[str, Any], arguments: dict[str, str], bursts: int) -> dict[str, float]:
    """Return microseconds of the calling thread's processor time a call, the least of all bursts."""
    least = dict.fromkeys(programs, float("inf"))
    for burst in range(bursts):
        names = list(programs)
        for name in names if burst % 2 == 0 else reversed(names):
            program = programs[name]
            program(**arguments)  # the caches are warm for this one
            started_s = time.thread_time()
            for _ in range(_CALLS):
                program(**arguments)
            least[name] = min(least[name], (time.thread_time() - started_s) / _CALLS * 1e6)
    return least


def counted(program: Any, arguments: dict[str, str]) -> int:
    """Return how many functions a call calls, in its own thread."""
    functions = 0

    def count(_frame: Any, event: str, _function: Any) -> None:
        nonlocal functions
        functions += event in {"call", "c_call"}

    for _ in range(_CALLS):
        program(**arguments)
    sys.setprofile(count)
    try:
        program(**arguments)
    finally:
        sys.setprofile(None)
    return functions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bursts", type=int, default=400, help="of each (default: %(default)s)")
    arguments = parser.parse_args()
    # See bench.producer.worker.
    warnings.simplefilter("ignore", DeprecationWarning)
    headrace.configure(telemetry={"enabled": True, "sampling_rate_pct": UNLIKELY_PCT})
    print(f"Python {platform.python_version()}, {version_of('dspy')}; least of {arguments.bursts} bursts of {_CALLS}")
    print(f"{'':12}{'bare, us':>10}{'unsampled':>18}{'routed':>18}{'routed in a request':>22}")
    for kind in PROGRAMS:
        bare = PROGRAMS[kind](0.0)
        instrumented = headrace.instrument(bare.deepcopy(), "plain")
        routed = headrace.instrument(bare.deepcopy(), "bench")
        route(routed)
        programs = {"bare": bare, "unsampled": instrumented, "routed": routed}
        functions = {name: counted(each, inputs(1_000)) for name, each in programs.items()}
        gc.collect()
        gc.disable()
        found = measured(programs, inputs(1_000), arguments.bursts)
        with headrace.request("bench"):
            found["routed in a request"] = measured({"routed": routed}, inputs(1_000), arguments.bursts)["routed"]
        gc.enable()
        base = found.pop("bare")
        added = [f"{us - base:+.1f} ({us / base:.2f})" for us in found.values()]
        print(f"{kind:12}{base:10.1f}{added[0]:>18}{added[1]:>18}{added[2]:>22}", flush=True)
        print(f"{'':12}functions a call: {functions}", flush=True)


if __name__ == "__main__":
    main()
