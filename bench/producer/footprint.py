"""What Headrace brings into a process, and how it leaves: `python -m bench.producer.footprint [--rounds 7]`.

Fresh interpreters, in turn. Import: wall seconds and resident memory at the end of the import. Exit: seconds from the
last statement of the program to the end of the process, after 1,000 sampled calls in a burst.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack

from bench.producer import brokers

_IMPORTS = {
    "nothing": "",
    "headrace": "import headrace",
    "dspy": "import dspy",
    "dspy, headrace": "import dspy, headrace",
    "... and instrumented": (
        "import dspy, headrace\n"
        "headrace.configure(telemetry={'enabled': True, 'sampling_rate_pct': 100})\n"
        "headrace.instrument(dspy.Predict('question -> answer'))"
    ),
    "dspy, MLflow autolog": "import dspy, mlflow\nmlflow.dspy.autolog()",
    "dspy, OpenInference": (
        "import dspy\nfrom openinference.instrumentation.dspy import DSPyInstrumentor\nDSPyInstrumentor().instrument()"
    ),
}
_REPORT = """
import json, sys, time
seconds = time.perf_counter() - started_s
status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
print(json.dumps({"s": seconds, "mb": int(status["VmRSS"].split()[0]) / 1024, "modules": len(sys.modules)}))
"""
_EXIT = """
import json, sys, time
import dspy, headrace
from bench.producer.programs import Trivial
program = Trivial()
kafka = json.loads(sys.argv[1])
if kafka is not None:
    headrace.configure(telemetry={"enabled": True, "sampling_rate_pct": 100}, kafka=kafka)
    program = headrace.instrument(program, "bench")
for number in range(1000):
    program(question=f"How many ships are in harbour {number}?")
print(time.time())
"""
LIMIT_S = 600  # a hang: on a machine under load an import of dspy and MLflow has taken over a minute


def _run(code: str, *arguments: str, folder: str) -> tuple[str | None, float]:
    """Return what a fresh interpreter prints, None where it fails, and the time at which it has ended."""
    python_path = os.pathsep.join([os.getcwd(), os.environ.get("PYTHONPATH", "")])  # noqa: PTH109  # text is enough
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": python_path},
    )
    return (done.stdout.strip().splitlines()[-1] if done.returncode == 0 else None), time.time()


def imports(rounds: int, folder: str) -> None:
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in _IMPORTS}
    for number in range(rounds + 1):
        for name, code in _IMPORTS.items():
            text, _ = _run(f"import time\nstarted_s = time.perf_counter()\n{code}\n{_REPORT}", folder=folder)
            if text is not None and number:  # the first round warms the file cache and writes .pyc files
                taken[name].append(json.loads(text))
    print(f"{'import':24}{'s':>8}{'(min .. max)':>16}{'RSS MB':>9}{'modules':>9}")
    for name, runs in taken.items():
        if not runs:
            print(f"{name:24}left out: not installed")
            continue
        seconds, memory = [run["s"] for run in runs], [run["mb"] for run in runs]
        spread = f"{min(seconds):.2f} .. {max(seconds):.2f}"
        print(
            f"{name:24}{statistics.median(seconds):8.3f}{spread:>16}{statistics.median(memory):9.1f}"
            f"{runs[0]['modules']:9.0f}"
        )


def exits(rounds: int, folder: str) -> None:
    with ExitStack() as stack:
        addresses = {
            "broker refuses": stack.enter_context(brokers.refusing()),
            "broker is silent": stack.enter_context(brokers.silent()),
            "broker is unreachable": brokers.UNREACHABLE,
            "broker answers in 1000 ms": stack.enter_context(brokers.slow(1000)),
            "broker answers at once": stack.enter_context(brokers.slow(0)),
        }
        kafkas = {
            "bare": None,
            "no Kafka, a file": {},
            **{name: {"bootstrap_servers": address} for name, address in addresses.items()},
        }
        taken: dict[str, list[float]] = {name: [] for name in kafkas}
        for _ in range(rounds):
            for name, kafka in kafkas.items():
                text, ended_s = _run(_EXIT, json.dumps(kafka), folder=folder)
                if text is None:
                    raise SystemExit(f"the program failed: {name}")
                taken[name].append(ended_s - float(text))
    print(f"\n{'exit':36}{'s':>8}{'(min .. max)':>16}")
    for name, seconds in taken.items():
        print(f"{name:36}{statistics.median(seconds):8.2f}{f'{min(seconds):.2f} .. {max(seconds):.2f}':>16}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="counted rounds (default: %(default)s)")
    arguments = parser.parse_args()
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {arguments.rounds} rounds in turn, medians")
    with tempfile.TemporaryDirectory() as folder:
        imports(arguments.rounds, folder)
        exits(min(3, arguments.rounds), folder)


if __name__ == "__main__":
    main()
