"""Where a signature's records are lost on the way to rows, and what to do: `headrace dataset why` as a page."""

from typing import Final

from headrace_consumers.fates.fate import Outcome
from headrace_consumers.fates.loss import Loss, Targets, advice
from headrace_consumers.ui.page import Asked, Page, Shown
from headrace_consumers.ui.reading.fates import loss_of
from headrace_consumers.ui.sources import Sources
from headrace_consumers.versions.telling.plots import bars

__all__ = ["PAGE"]

_STAGES: Final = {
    Outcome.row: "rows",
    Outcome.copy: "copies",
    Outcome.rejected: "rejected",
    Outcome.outcome: "outcomes",
    Outcome.waiting: "not read yet",
    Outcome.absent: "absent",
}


def show(sources: Sources, asked: Asked) -> Shown:
    """Return a signature's losses.

    Raises:
        HeadraceError: nothing is known of the signature, or the table cannot be read.
    """
    name, config = asked.names["signature"], sources.config
    loss = loss_of(sources, name)
    targets = Targets(config.optimization.telemetry_target, config.telemetry.sampling_rate_pct)
    return {
        "title": f"Why not more rows of {name}",
        "signature": name,
        "loss": loss,
        "stages": _stages(loss),
        "rejected": _reasons(loss),
        "to_do": list(advice(loss, targets)),
    }


def _stages(loss: Loss) -> str:
    if not loss.read:
        return ""
    rows = [
        (text, float(loss.outcomes[outcome]), f"{loss.outcomes[outcome]:,} ({loss.outcomes[outcome] / loss.read:.0%})")
        for outcome, text in _STAGES.items()
        if loss.outcomes[outcome] or outcome is Outcome.row
    ]
    return bars(f"What became of the {loss.read:,} newest records", rows)


def _reasons(loss: Loss) -> str:
    rows = [(reason, float(number), f"{number:,}") for reason, number in loss.rejected.most_common()]
    return bars("Rejected, by the first reason that applies", rows) if rows else ""


PAGE: Final = Page("/signatures/{signature}/why", "why.html", show)
