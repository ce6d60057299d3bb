"""Runs as values, for lists: `headrace cycle ls` and whoever else shows them."""

from typing import Any

from headrace.errors import HeadraceError
from headrace_consumers.cycle.artefacts import Baseline, Decided, Optimized, RolledOut
from headrace_consumers.cycle.errors import CycleError
from headrace_consumers.cycle.failures import failure_of
from headrace_consumers.cycle.run_folder import RunFolder, SignatureFolder

__all__ = ["told_of"]


def told_of(run: RunFolder) -> dict[str, Any]:
    """Return what a list shows of a run, JSON values; what is damaged is told and stops nothing."""
    try:
        facts = run.facts()
    except CycleError as error:
        return {"id": run.path.name, "path": str(run.path), "begun_at": "", "signatures": [], "damage": str(error)}
    return {
        "id": str(facts.get("id", run.path.name)),
        "path": str(run.path),
        "begun_at": str(facts.get("begun_at", "")),
        "signatures": [_signature(run.of(signature)) for signature in facts["signatures"]],
        "damage": None,
    }


def _signature(folder: SignatureFolder) -> dict[str, Any]:
    told: dict[str, Any] = {
        "signature": folder.signature,
        "done": None,
        "is_complete": False,
        "outcome": None,
        "reason": None,
        "baseline": None,
        "optimized": None,
        "interval": None,
        "rollout_id": None,
        "damage": None,
        "failure": None,
    }
    failure = failure_of(folder)
    told["failure"] = None if failure is None else failure.as_dict()
    try:
        for each in folder.done():
            told["done"] = str(each.step)
            if isinstance(each, Baseline):
                told["baseline"] = each.score
            elif isinstance(each, Optimized) and each.comparison is not None:
                told["optimized"] = each.comparison.candidate
                told["interval"] = [each.comparison.low, each.comparison.high]
            elif isinstance(each, Decided):
                told["outcome"], told["reason"] = each.outcome, each.reason
            elif isinstance(each, RolledOut):
                told["rollout_id"], told["is_complete"] = each.rollout_id, True
    except HeadraceError as error:
        told["damage"] = str(error)
    return told
