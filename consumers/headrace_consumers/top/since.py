"""Counts by reason: what a consumer counted since it began, and what was added of late. Pure."""

from typing import Final

from headrace_consumers.monitoring.metric import Metric
from headrace_consumers.top.figures import By, Figures
from headrace_consumers.top.rows import Row

__all__ = ["by_count", "since_start"]

_MOST: Final = 6
"""Names in a row."""


def since_start(what: str, figures: Figures, metric: Metric, *, at_most: float | None = None) -> Row:
    """Return a row of a counter's reasons.

    Args:
        what: what the row is about.
        figures: whose.
        metric: a counter with the label `reason`.
        at_most: more in the window is bad; None: nothing is.
    """
    grown = figures.grown(metric, "reason")
    says = by_count(figures.values(metric, "reason"), grown)
    return Row(what, says or "none", is_bad=at_most is not None and sum(grown.values()) > at_most)


def by_count(values: By, grown: By) -> str:
    """Return counts by name, the largest first, with what was added of late: ``latency 40 (+3), success 2``."""
    ordered = sorted(((names[0], value) for names, value in values.items() if value), key=lambda each: (-each[1], each))
    texts = [
        f"{name or 'unnamed'} {value:,.0f}{f' (+{added:,.0f})' if (added := grown.get((name,), 0.0)) else ''}"
        for name, value in ordered
    ]
    more = len(texts) - _MOST
    return ", ".join([*texts[:_MOST], f"and {more} more"] if more > 0 else texts)
