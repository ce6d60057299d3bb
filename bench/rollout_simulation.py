"""Rollouts of a simulated service, decided by the controller's own code, 1,000 of each kind: `make simulate`.

    python -m bench.rollout_simulation [--rollouts 1000] [--processes 2] [--only hangs] [--traffic low] [--plot FILE]

The figures are looked at each minute at high traffic (144,000 calls a day) and every four hours at low traffic (500 a
day), and the decision obeyed at once; calls that are under way then end in the stage that they began in.
"""

import argparse
import os
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from bench.rollout_service import Calls, Service, Traffic
from headrace_consumers.rollout.loop import changes_of
from headrace_consumers.rollout.moves import begun
from headrace_consumers.rollout.plan import Plan
from headrace_consumers.rollout.state import State
from headrace_schemas.rollouts import ProgramVersion

TRAFFIC: Final = {"high": Traffic(144_000, 60.0, 1, 0.10), "low": Traffic(500, 14_400.0, 12, 0.50)}
_BATCH: Final = 25
"""So many rollouts a process is given at once."""
_ENDS: Final = ("promoted", "rolled back", "out of time", "halted")


@dataclass(frozen=True, slots=True)
class Kind:
    """A candidate and what it is compared with.

    Attributes:
        says: how the candidate differs.
        baseline: how its calls go.
        candidate: likewise.
        colour: of its line.
    """

    says: str
    baseline: Calls
    candidate: Calls
    colour: str


_USUAL: Final = Calls()
_LONG: Final = Calls(takes_s=20, patience_s=60)
KINDS: Final = {
    "equal": Kind("", _USUAL, _USUAL, "#7a8288"),
    "better": Kind("fails 3%", _USUAL, Calls(fails=0.03), "#1f6f8b"),
    "slightly worse": Kind("fails 7%", _USUAL, Calls(fails=0.07), "#d98e04"),
    "much worse": Kind("fails 20%", _USUAL, Calls(fails=0.20), "#b3261e"),
    "slower, allowed": Kind("takes 1.4 times as long", _USUAL, Calls(takes_s=2.8), "#5b8c5a"),
    "too slow": Kind("takes 1.7 times as long", _USUAL, Calls(takes_s=3.4), "#8e5572"),
    "dearer": Kind("costs 2 times as much", _USUAL, Calls(cost_usd=0.02), "#b08900"),
    "hangs": Kind("4% never end", _USUAL, Calls(hangs=0.04), "#3d3d8f"),
    "mixed, no worse": Kind(
        "calls of 20 s; fails 4%, a little slower", _LONG, Calls(fails=0.04, takes_s=20.5, patience_s=60), "#2aa198"
    ),
    "mixed, worse": Kind(
        "calls of 20 s; fails 7%, takes 1.3 times as long, cancelled 5% not 1%",
        _LONG,
        Calls(fails=0.07, takes_s=26, patience_s=60),
        "#6c4f3d",
    ),
}


@dataclass(frozen=True, slots=True)
class End:
    """How one rollout ended, which guard decided it last, and how much that took."""

    how: str
    guard: str
    candidate_calls: int
    days: float


def one_rollout(seed: Sequence[int], kind: Kind, traffic: Traffic, plan: Plan) -> End:
    """Return how a rollout ends; one seed, one result."""
    start = begun(
        environment="production",
        module="simulated",
        rollout_id="simulated",
        candidate=ProgramVersion("v2", "2"),
        baseline=ProgramVersion("v1", "1"),
        plan=plan,
        before=None,
        now_ms=0,
        by="simulation",
    )
    service = Service(np.random.default_rng(seed), traffic, kind.baseline, kind.candidate)
    experiment = start.experiment
    service.begin(experiment.at_hand.number, experiment.share)
    while True:
        for number, arm, grown in service.look():
            experiment = experiment.counted(number, arm, grown)
        state, changes = changes_of(State().with_experiment(experiment), round(1_000 * service.now_s))
        experiment = state.experiments[experiment.name]
        if not changes:
            continue
        if experiment.is_comparing:
            service.begin(experiment.at_hand.number, experiment.share)
            continue
        guard = changes[0].entry.guard
        how = "out of time" if guard == "time" else experiment.state.replace("_", " ")
        return End(how, guard, service.candidate_calls, service.now_s / 86_400)


def _some(case: tuple[int, str, str, int, int]) -> list[End]:
    seed, traffic, kind, first, rollouts = case
    row = zlib.crc32(f"{traffic}/{kind}".encode())
    numbers = range(first, first + rollouts)
    return [one_rollout([seed, row, number], KINDS[kind], TRAFFIC[traffic], Plan()) for number in numbers]


def ends_of(
    rollouts: int, seed: int, processes: int, rows: Sequence[tuple[str, str]]
) -> Iterator[tuple[str, str, list[End]]]:
    """Yield traffic, kind, and how so many rollouts ended, row by row."""
    firsts = range(0, rollouts, _BATCH)
    cases = [(seed, traffic, kind, first, min(_BATCH, rollouts - first)) for traffic, kind in rows for first in firsts]
    with ProcessPoolExecutor(processes) as pool:
        batches = pool.map(_some, cases)
        for traffic, kind in rows:
            yield traffic, kind, [end for _ in firsts for end in next(batches)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rollouts", type=int, default=1_000, help="of each kind at each traffic")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="at once")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=KINDS, action="append", help="this kind; again for more")
    parser.add_argument("--traffic", choices=TRAFFIC, help="at this only")
    parser.add_argument("--plot", type=Path, help="write the time until the decision as a picture")
    given = parser.parse_args()
    print(f"{given.rollouts:,} rollouts of each kind")
    print("| traffic | candidate | | promoted | rolled back | by | out of time | halted | its calls | 95% | days |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    found = {}
    rows = [(traffic, kind) for traffic in TRAFFIC for kind in given.only or KINDS if given.traffic in {None, traffic}]
    for traffic, kind, ends in ends_of(given.rollouts, given.seed, given.processes, rows):
        found[traffic, kind] = ends
        print(_row(traffic, kind, ends), flush=True)
    if given.plot is not None:
        _draw(found, given.plot)


def _row(traffic: str, kind: str, ends: list[End]) -> str:
    how, calls = Counter(end.how for end in ends), np.array([end.candidate_calls for end in ends])
    up, back, late, halted = (f"{how[name] / len(ends):.1%}" for name in _ENDS)
    guards = Counter(end.guard for end in ends if end.how == "rolled back").most_common(2)
    by = ", ".join(guard for guard, _ in guards)
    shares = f"{up} | {back} | {by} | {late} | {halted}"
    median, most = np.quantile(calls, [0.5, 0.95])
    days = float(np.median([end.days for end in ends]))
    return f"| {traffic} | {kind} | {KINDS[kind].says} | {shares} | {median:,.0f} | {most:,.0f} | {days:.2g} |"


def _draw(found: dict[tuple[str, str], list[End]], path: Path) -> None:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print(f"{path} is not drawn: matplotlib is missing, pip install 'headrace[bench-dataset]'")
        return
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    for axes, traffic in zip(figure.subplots(1, len(TRAFFIC), sharey=True), TRAFFIC, strict=True):
        for name, kind in KINDS.items():
            ends = found.get((traffic, name), [])
            calls = sorted(end.candidate_calls for end in ends if end.how in {"promoted", "rolled back"})
            shares = [(at + 1) / len(ends) for at in range(len(calls))]
            axes.step(calls, shares, color=kind.colour, label=name, linewidth=1.2)
        axes.set_xscale("log")
        axes.set_title(f"{traffic} traffic: {TRAFFIC[traffic].calls_a_day:,} calls a day", fontsize=9)
        axes.set_xlabel("calls of the candidate until the decision", fontsize=8)
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right", fontsize=7, frameon=False)
    figure.supylabel("share of rollouts decided", fontsize=8)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


if __name__ == "__main__":
    main()
