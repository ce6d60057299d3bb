"""How much longer a call takes for its caller: `python -m bench.producer.call_path [--rounds 15]`.

Headrace beside bare DSPy, DSPy's own cheapest callback, MLflow's autolog and OpenInference, in one run; each records
and exports as it would in production, to a file or a counter on this machine.
"""

import argparse
import os
import platform
from collections.abc import Iterable

from bench.producer.fleet import Case, Fleet, table
from bench.producer.programs import PROGRAMS
from bench.producer.ways import WAYS, version_of

LARGE = ("bare", "MLflow autolog", "OpenInference", "headrace, unsampled", "headrace, sampled")


def _cases(names: Iterable[str]) -> list[Case]:
    return [Case(name, name) for name in names]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help="rounds in turn (default: %(default)s)")
    parser.add_argument("--programs", nargs="*", default=list(PROGRAMS), choices=list(PROGRAMS))
    parser.add_argument("--sizes", nargs="*", type=int, default=[1_000, 100_000, 1_000_000], help="bytes of input")
    parser.add_argument("--ways", nargs="*", default=list(WAYS), choices=list(WAYS))
    arguments = parser.parse_args()
    peers = version_of("dspy", "mlflow", "openinference-instrumentation-dspy")
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {peers}")
    for program in arguments.programs:
        print(f"\n{program}, {arguments.rounds} rounds in turn, medians", flush=True)
        print(table(Fleet(_cases(arguments.ways), program=program).run(arguments.rounds)))
    for size in arguments.sizes:
        print(f"\npredict, an input of {size:,} bytes, {arguments.rounds} rounds in turn, medians", flush=True)
        ways = [way for way in LARGE if way in arguments.ways]
        fleet = Fleet(_cases(ways), program="predict", size_bytes=size)
        print(table(fleet.run(arguments.rounds, max_calls=max(10, min(1000, 10_000_000 // size)))))


if __name__ == "__main__":
    main()
