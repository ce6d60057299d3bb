"""The runs of the optimization cycle: how far each is, what was decided, by which scores."""

from pathlib import Path
from typing import Any, Final

from headrace_consumers.ui.page import Asked, Page, Shown
from headrace_consumers.ui.parts import part
from headrace_consumers.ui.reading.cycles import listed_runs
from headrace_consumers.ui.sources import Sources

__all__ = ["PAGE"]

_SHOWN: Final = 50


def show(sources: Sources, asked: Asked) -> Shown:
    """Return the runs, the newest first, a line for each signature."""
    found = part(lambda: listed_runs(sources))
    text, first = asked.get("q").casefold(), asked.number("first")
    every = [(run, each) for run in found.value or [] for each in _signatures(run)]
    chosen = [(run, each) for run, each in every if text in f"{run['id']} {each['signature']}".casefold()]
    return {
        "title": "Cycle",
        "q": asked.get("q"),
        "found": found,
        "every": len(every),
        "chosen": len(chosen),
        "lines": chosen[first : first + _SHOWN],
        "first": first,
        "step": _SHOWN,
        "root": Path(sources.config.optimization.path),
        "has_signatures": bool(sources.config.optimization.signatures),
    }


def _signatures(run: dict[str, Any]) -> list[dict[str, Any]]:
    return run["signatures"] or [{"signature": "", "damage": run["damage"] or "no signature is named in it"}]


PAGE: Final = Page("/cycle", "cycle.html", show, menu="Cycle")
