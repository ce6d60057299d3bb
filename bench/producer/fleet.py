"""Runs the workers in turn: in each round every way measures once and is compared with that round's bare."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ["Case", "Fleet", "Measured", "quantile"]

BARE: Final = "bare"


@dataclass(frozen=True)
class Case:
    """One row of a table.

    Attributes:
        name: what the row is called.
        way: a key of `WAYS`.
        environ: further environment variables of its process.
    """

    name: str
    way: str
    environ: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Measured:
    """What the rounds of one case gave; lists run by round. `base`: its twin's, else the bare process's."""

    wall_us: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    base_wall_us: list[float] = field(default_factory=list)
    base_cpu_us: list[float] = field(default_factory=list)
    each_us: list[list[float]] = field(default_factory=list)
    account: dict[str, Any] = field(default_factory=dict)


def quantile(values: Iterable[float], share: float) -> float:
    """Return the value below which a share of the values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class _Worker:
    def __init__(self, case: Case, program: str, size_bytes: int, delay_s: float) -> None:
        self.case = case
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  # lives as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.producer.worker", case.way, program, str(size_bytes), str(delay_s)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, **case.environ},
        )

    def ask(self, order: dict[str, Any] | None = None) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if order is not None:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            raise SystemExit(f"the worker {self.case.name!r} ended:\n{self._errors.read()[-2000:]}")
        reply: dict[str, Any] = json.loads(line)
        return reply

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._errors.close()


class Fleet:
    """One process for each case.

    Args:
        cases: the rows; the one named "bare" is what the others are compared with.
        program: a key of `PROGRAMS`.
        size_bytes: of a call's input.
        delay_s: the latency of the LM.
    """

    def __init__(self, cases: Iterable[Case], *, program: str, size_bytes: int = 40, delay_s: float = 0.0) -> None:
        self._workers = [_Worker(case, program, size_bytes, delay_s) for case in cases]

    def run(self, rounds: int, **order: Any) -> dict[str, Measured]:
        """Return what was measured, by name; a peer that is not installed is told of and left out."""
        try:
            present = [worker for worker in self._workers if not _is_missing(worker)]
            results = {worker.case.name: Measured() for worker in present}
            for number in range(rounds):
                for worker in present if number % 2 == 0 else reversed(present):
                    reply = worker.ask({"budget_s": 0.03, "max_calls": 2000, "each": False, **order})
                    result = results[worker.case.name]
                    result.wall_us.append(reply["wall_us"])
                    result.cpu_us.append(reply["cpu_us"])
                    result.each_us.append(reply["each_us"])
                    if "twin" in reply:
                        result.base_wall_us.append(reply["twin"]["wall_us"])
                        result.base_cpu_us.append(reply["twin"]["cpu_us"])
            for result in results.values():
                result.base_wall_us = result.base_wall_us or results[BARE].wall_us
                result.base_cpu_us = result.base_cpu_us or results[BARE].cpu_us
            for worker in present:
                results[worker.case.name].account = worker.ask({"end": True})["account"]
        finally:
            for worker in self._workers:
                worker.end()
        return results


def _is_missing(worker: _Worker) -> bool:
    why = worker.ask().get("missing")
    if why:
        print(f"left out: {worker.case.name}: {why}")
    return why is not None


def table(results: Mapping[str, Measured]) -> str:
    """Return the results as text: medians over the rounds, and the range of the ratio."""
    lines = [
        f"{'':36}{'us a call':>10}{'added':>9}{'ratio':>8}{'(min .. max)':>18}{'caller CPU us':>15}{'added':>9}",
    ]
    for name, result in results.items():
        ratios = [mine / base for mine, base in zip(result.wall_us, result.base_wall_us, strict=True)]
        added = _added(result.wall_us, result.base_wall_us)
        cpu = _added(result.cpu_us, result.base_cpu_us)
        spread = f"{min(ratios):.2f} .. {max(ratios):.2f}"
        lines.append(
            f"{name:36}{statistics.median(result.wall_us):10.2f}{added:9.2f}{statistics.median(ratios):8.2f}"
            f"{spread:>18}{statistics.median(result.cpu_us):15.2f}{cpu:9.2f}"
        )
    lines += [f"  {name}: {result.account}" for name, result in results.items() if result.account]
    return "\n".join(lines)


def _added(mine: list[float], base: list[float]) -> float:
    return statistics.median(us - base_us for us, base_us in zip(mine, base, strict=True))
