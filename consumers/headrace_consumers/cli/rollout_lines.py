"""Rollouts and decisions as `headrace rollout` shows them: JSON values for machines, tables for people."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from headrace_consumers.cli.person import moment
from headrace_consumers.cli.present import columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headrace_consumers.rollout.experiment import Experiment
    from headrace_consumers.rollout.moves import Entry
    from headrace_consumers.rollout.state import State

__all__ = ["HISTORY", "as_dict", "controller", "entry_row", "status_lines"]

HISTORY: Final = ("when", "environment/module", "what", "share", "candidate", "its calls", "why", "by")
_AWAY_S: Final = 60


def as_dict(experiment: "Experiment", now_ms: int, entries: "Sequence[Entry]" = ()) -> dict[str, Any]:
    """Return a rollout as JSON values; of one that ended long ago the log has the numbers."""
    from headrace_consumers.rollout.numbers import numbers_of

    of_it = [each.numbers for each in entries if each.rollout_id == experiment.rollout_id and each.numbers]
    logged = next((each for each in reversed(of_it) if each["candidate"]["calls"] or each["baseline"]["calls"]), None)
    is_logged = logged is not None and not (experiment.has_counts or experiment.is_comparing)
    return {
        "environment": experiment.environment,
        "module": experiment.module,
        "rollout_id": experiment.rollout_id,
        "state": experiment.state,
        "share": experiment.share,
        "candidate": asdict(experiment.candidate),
        "baseline": asdict(experiment.baseline),
        "stage": len(experiment.stages),
        "stages": len(experiment.plan.stages),
        "reason": experiment.reason,
        "started_at_ms": experiment.started_at_ms,
        "started_by": experiment.started_by,
        "changed_at_ms": experiment.changed_at_ms,
        "changed_by": experiment.changed_by,
        "plan": asdict(experiment.plan),
        "numbers": logged if is_logged else numbers_of(experiment, now_ms),
    }


def status_lines(found: "list[Experiment]", now_ms: int, entries: "Sequence[Entry]" = ()) -> list[str]:
    """Return rollouts for people."""
    from headrace_consumers.rollout.conditions import conditions, next_share

    lines = []
    for each in sorted(found, key=lambda each: each.name):
        numbers = as_dict(each, now_ms, entries)["numbers"]
        low, high = numbers["more_failures"]
        stage = f"stage {len(each.stages)} of {len(each.plan.stages)}"
        gets = f"{each.candidate.version} gets {each.share:.0%} ({stage})"
        lines += [
            f"{each.name}: {each.state.replace('_', ' ')}, {gets}, since {moment(each.changed_at_ms)}",
            f"  {each.rollout_id}, started {moment(each.started_at_ms)} by {each.started_by}",
            f"  {each.reason}",
        ]
        rows: list[tuple[str, ...]] = [("  arm", "version", "calls", "failed", "slow", "mean", "p99", "cost a call")]
        for arm, version in (("candidate", each.candidate.version), ("baseline", each.baseline.version)):
            rows.append((f"  {arm}", version, *_figures(numbers[arm])))
        lines += columns(rows, right=frozenset(range(2, 8)))
        lines.append(f"  the candidate fails in {low:+.1%} to {high:+.1%} of the calls more, as far as is proven")
        missing = [f"{one.what} ({one.has}, needs {one.needs})" for one in conditions(each, now_ms) if not one.is_met]
        if missing:
            lines.append(f"  missing for {next_share(each):.0%}: {', '.join(missing)}")
    return lines


def _figures(arm: dict[str, Any]) -> tuple[str, ...]:
    mean, p99, cost = arm["mean_latency_s"], arm["p99_s"], arm["mean_cost_usd"]
    return (
        f"{arm['calls']:,.0f}",
        f"{arm['failures']:,.0f}",
        f"{arm['slow']:,.0f}",
        "-" if mean is None else f"{mean:.3g} s",
        "-" if p99 is None else f"{p99:g} s",
        "-" if cost is None else f"${cost:.3g}",
    )


def controller(state: "State", now_ms: int) -> tuple[dict[str, Any], list[str]]:
    """Return whether a controller writes, as JSON values, and what to say where it does not."""
    silent_s = max(0, round((now_ms - state.written_at_ms) / 1000)) if state.written_at_ms else None
    is_away = silent_s is None or silent_s > _AWAY_S
    line = "never has a controller written; start `headrace consume rollout`"
    if silent_s is not None:
        line = f"nobody has written for {silent_s} s: does `headrace consume rollout` run?"
    return {"silent_s": silent_s, "is_away": is_away}, [line] if is_away else []


def entry_row(entry: "Entry") -> tuple[str, ...]:
    """Return a decision as a row of the history."""
    candidate = entry.numbers.get("candidate", {})
    calls = f"{candidate['failures']:,.0f} of {candidate['calls']:,.0f} failed" if candidate else "-"
    return (
        moment(entry.at_ms),
        f"{entry.environment}/{entry.module}",
        entry.what,
        f"{entry.share_before:.0%} to {entry.share:.0%}",
        entry.candidate.version,
        calls,
        entry.reason,
        entry.by,
    )
