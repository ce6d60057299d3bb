"""Rollouts decided by the real decision code, 1,000 for each candidate and traffic: `make simulate`.

    python -m bench.rollout_simulation [--runs 1000] [--seed 1] [--only "much worse"] [--plot FILE]

The baseline fails in 5 of 100 calls. The figures are looked at each minute at high traffic (144,000 calls a day) and
each hour at low traffic (500 a day), and the decision obeyed at once.
"""

import argparse
import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from headrace_consumers.rollout.decision import Seen, Verdict, decide
from headrace_consumers.rollout.plan import Plan
from headrace_consumers.rollout.proportions import Arm, Pair

_BASELINE_FAILS: Final = 0.05
_SLOW: Final = 0.005
_DAY_S: Final = 86_400.0
CANDIDATES: Final = {"equal": 0.05, "better": 0.03, "slightly worse": 0.07, "much worse": 0.20}
TRAFFIC: Final = {"high": (144_000, 60.0), "low": (500, 3_600.0)}


@dataclass(frozen=True, slots=True)
class End:
    """How one rollout ended: promoted to all traffic, rolled back, out of time or halted."""

    how: str
    candidate_calls: int
    days: float


def one_rollout(seed: Sequence[int], fails: float, calls_a_day: int, look_s: float, plan: Plan) -> End:
    random = np.random.default_rng(seed)
    before: list[Seen] = []
    candidate, baseline = np.zeros(3), np.zeros(3)  # calls, failures, slow
    candidate_calls, elapsed_s = 0, 0.0
    while True:
        share = plan.stages[len(before)].share
        calls = random.poisson(calls_a_day * look_s / _DAY_S)
        here = random.binomial(calls, share)
        for arm, count, rate in ((candidate, here, fails), (baseline, calls - here, _BASELINE_FAILS)):
            np.add(arm, (count, random.binomial(count, rate), random.binomial(count, _SLOW)), out=arm)
        candidate_calls += here
        elapsed_s += look_s
        seen = Seen(
            failures=Pair(Arm(candidate[0], candidate[1]), Arm(baseline[0], baseline[1])),
            slow=Pair(Arm(candidate[0], candidate[2]), Arm(baseline[0], baseline[2])),
            latency=None,
            cost=None,
            elapsed_s=elapsed_s,
        )
        decision = decide(plan, [*before, seen])
        if decision.verdict is Verdict.HOLD:
            continue
        if decision.verdict is Verdict.PROMOTE and len(before) + 1 < len(plan.stages):
            before.append(seen)
            candidate, baseline, elapsed_s = np.zeros(3), np.zeros(3), 0.0
            continue
        days = (sum(stage.elapsed_s for stage in before) + elapsed_s) / _DAY_S
        how = "out of time" if days * _DAY_S >= plan.max_s else decision.verdict.value
        return End(how, candidate_calls, days)


def _some(case: tuple[int, int, int, float, int, float]) -> list[End]:
    seed, first, runs, fails, calls_a_day, look_s = case
    return [one_rollout([seed, run], fails, calls_a_day, look_s, Plan()) for run in range(first, first + runs)]


def rollouts(runs: int, seed: int, fails: float, calls_a_day: int, look_s: float) -> list[End]:
    """Return how so many rollouts ended; one seed, one result."""
    size = 25
    cases = [(seed, first, min(size, runs - first), fails, calls_a_day, look_s) for first in range(0, runs, size)]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        return [end for ends in pool.map(_some, cases) for end in ends]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=CANDIDATES, help="one candidate")
    parser.add_argument("--plot", type=Path, help="write the time until the decision as a picture")
    given = parser.parse_args()
    print("| traffic | candidate | fails | promoted | rolled back | out of time | halted | its calls | 95% | days |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    found = {}
    for traffic, (calls_a_day, look_s) in TRAFFIC.items():
        for candidate, fails in CANDIDATES.items():
            if given.only not in {None, candidate}:
                continue
            ends = found[traffic, candidate] = rollouts(given.runs, given.seed, fails, calls_a_day, look_s)
            how, calls = Counter(end.how for end in ends), np.array([end.candidate_calls for end in ends])
            shares = " | ".join(
                f"{how[name] / len(ends):.1%}" for name in ("promote", "rollback", "out of time", "halt")
            )
            median, most = np.quantile(calls, [0.5, 0.95])
            days = float(np.median([end.days for end in ends]))
            print(
                f"| {traffic} | {candidate} | {fails:.0%} | {shares} | {median:,.0f} | {most:,.0f} | {days:.2g} |",
                flush=True,
            )
    if given.plot is not None:
        _draw(found, given.plot)


def _draw(found: dict[tuple[str, str], list[End]], path: Path) -> None:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print(f"{path} is not drawn: matplotlib is missing, pip install 'headrace[bench-dataset]'")
        return
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    for axes, traffic in zip(figure.subplots(1, len(TRAFFIC), sharey=True), TRAFFIC, strict=True):
        for candidate, colour in zip(CANDIDATES, ("#7a8288", "#1f6f8b", "#d98e04", "#b3261e"), strict=True):
            ends = found.get((traffic, candidate), [])
            calls = sorted(end.candidate_calls for end in ends if end.how in {"promote", "rollback"})
            axes.step(calls, [(at + 1) / len(ends) for at in range(len(calls))], color=colour, label=candidate)
        axes.set_xscale("log")
        axes.set_title(f"{traffic} traffic: {TRAFFIC[traffic][0]:,} calls a day", fontsize=9)
        axes.set_xlabel("calls of the candidate until the decision", fontsize=8)
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, frameon=False, loc="lower right")
    figure.supylabel("share of rollouts decided", fontsize=8)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


if __name__ == "__main__":
    main()
