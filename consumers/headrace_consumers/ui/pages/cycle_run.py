"""A run of the optimization cycle: each signature's verdict, scores, and steps with their figures."""

from functools import partial
from typing import Any, Final

from headrace_consumers.cycle.artefacts import Artefact, Baseline, CutMade, CycleStep, Decided, Optimized, RolledOut
from headrace_consumers.cycle.failures import failure_of
from headrace_consumers.cycle.narrating import narrated
from headrace_consumers.cycle.report import score_plots
from headrace_consumers.cycle.run_folder import RunFolder
from headrace_consumers.ui.page import Asked, Page, Shown
from headrace_consumers.ui.parts import part
from headrace_consumers.ui.reading.cycles import run_of
from headrace_consumers.ui.sources import Sources

__all__ = ["PAGE"]


def show(sources: Sources, asked: Asked) -> Shown:
    """Return the run.

    Raises:
        NothingThereError: there is none such.
        HeadraceError: it cannot be read.
    """
    name = asked.names["run"]
    run = run_of(sources, name)
    facts = run.facts()
    return {
        "title": f"Cycle {facts.get('id', run.path.name)}",
        "name": name,
        "run": run,
        "begun_at": str(facts.get("begun_at", "")),
        "signatures": [(each, part(partial(_signature, run, each))) for each in map(str, facts["signatures"])],
        "settings": facts.get("settings") or {},
    }


def _signature(run: RunFolder, signature: str) -> dict[str, Any]:
    done, failure = run.of(signature).done(), failure_of(run.of(signature))
    there = {each.step: each for each in done}
    baseline, optimized, decided = (_of(done, kind) for kind in (Baseline, Optimized, Decided))
    plots = score_plots(baseline, optimized, decided) if baseline is not None and optimized is not None else []
    return {
        "baseline": baseline,
        "optimized": optimized,
        "decided": decided,
        "cut": _of(done, CutMade),
        "rolled_out": _of(done, RolledOut),
        "plots": plots,
        "failure": failure,
        "steps": [(str(step), there.get(step), _lines(there.get(step))) for step in CycleStep],
    }


def _of(done: list[Artefact], kind: type[Any]) -> Any:
    return next((each for each in done if isinstance(each, kind)), None)


def _lines(each: Artefact | None) -> list[str]:
    return [] if each is None else [*narrated(each), *each.notes]


PAGE: Final = Page("/cycle/{run}", "cycle_run.html", show)
