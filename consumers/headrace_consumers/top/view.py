"""All that is shown at one moment. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from headrace.config import Config
from headrace_consumers.top.calls import CallRow, call_rows
from headrace_consumers.top.consumer_rows import consumer_rows, lag_rows, of_consumer
from headrace_consumers.top.dataset_rows import dataset_rows
from headrace_consumers.top.figures import Figures
from headrace_consumers.top.producer_rows import producer_rows
from headrace_consumers.top.rows import Row
from headrace_consumers.top.watched import Source

__all__ = ["View", "view_of"]


@dataclass(frozen=True, slots=True)
class View:
    """What is shown.

    Attributes:
        over_s: how long the window of the rates lasted; 0: there are no rates yet.
        calls: the modules; None: no metrics consumer is reached.
        rows: the lower half.
    """

    over_s: float
    calls: Sequence[CallRow] | None
    rows: Sequence[Row]


def view_of(sources: Sequence[Source], config: Config, now_unix_s: float, *, notes: Sequence[Row] = ()) -> View:
    """Return what to show.

    Args:
        sources: the consumers.
        config: its thresholds mark what is bad.
        now_unix_s: Unix time of this host.
        notes: rows that are shown in any case.
    """
    everything = Figures(sources)
    metrics = Figures(of_consumer(sources, "metrics"))
    rows = [*consumer_rows(sources), *notes, *lag_rows(sources, config.alerts)]
    if metrics.is_there:
        rows += producer_rows(metrics, config.alerts, now_unix_s)
    rows += dataset_rows(sources, config.alerts, now_unix_s)
    return View(everything.over_s, call_rows(metrics, config) if metrics.is_there else None, rows)
