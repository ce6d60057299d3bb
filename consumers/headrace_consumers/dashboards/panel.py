"""Dashboards as values: what is shown and asked, before it is Grafana's JSON."""

from dataclasses import dataclass, field
from enum import StrEnum

from headrace_consumers.monitoring.metric import Metric

__all__ = ["WIDTH", "Column", "Dashboard", "Limit", "Panel", "Query", "Row", "Show", "Variable"]

WIDTH = 24
"""Of Grafana's grid, which a row of panels fills."""


class Show(StrEnum):
    """How a panel draws what it asks for."""

    lines = "lines"
    bars = "bars"
    """Stacked: their sum says something, too."""
    heatmap = "heatmap"
    figures = "figures"
    """One large number for each series, now or over the chosen time."""
    table = "table"


@dataclass(frozen=True, slots=True)
class Query:
    """What a panel asks Prometheus for.

    Attributes:
        expression: PromQL, with Grafana's variables.
        legend: of each series, with `{{label}}`; in a table, the heading of its column.
        unit: Grafana's, where it is not the panel's.
        limit: of its column in a table, where it has one.
    """

    expression: str
    legend: str = ""
    unit: str = ""
    limit: "Limit | None" = None


@dataclass(frozen=True, slots=True)
class Limit:
    """A threshold of the alerts, as a line and a colour.

    Attributes:
        value: in the panel's unit.
        is_least: less is bad, as with a success rate; else more is.
    """

    value: float
    is_least: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """A label that is a column of a table.

    Attributes:
        label: of the series.
        heading: what stands above it.
    """

    label: str
    heading: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel.

    Attributes:
        title: a few words.
        description: what the figure means and where it comes from, in plain words.
        show: how it is drawn.
        queries: at least one.
        unit: Grafana's.
        width: of the grid's 24 columns.
        height: in the grid's rows.
        limit: what the alerts compare it with.
        alerts: the names of the alerts that watch it.
        columns: of a table, the labels before the values.
        is_share: from 0 to 1, so the axis is.
        faint: legends that match this regular expression are drawn thin, as bounds of an interval are.
        when_empty: what stands there when Prometheus has nothing.
        exemplars: whether sampled calls are drawn into it.
    """

    title: str
    description: str
    show: Show
    queries: tuple[Query, ...]
    unit: str
    width: int
    height: int = 8
    limit: Limit | None = None
    alerts: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()
    is_share: bool = False
    faint: str = ""
    when_empty: str = ""
    exemplars: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a heading; they stand beside each other while there is room."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """What a reader chooses by: the values of a label.

    Attributes:
        label: the label, and the variable's name.
        metric: whose values are offered.
        heading: what stands before it.
    """

    label: str
    metric: Metric
    heading: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """One dashboard.

    Attributes:
        uid: never changes; links and bookmarks hold it.
        title: what it is listed under.
        description: what it answers.
        variables: in the order of the choice; each offers what those before it leave.
        rows: from top to bottom.
        alerts: a matcher of the alerts whose firing is drawn into the graphs.
    """

    uid: str
    title: str
    description: str
    variables: tuple[Variable, ...]
    rows: tuple[Row, ...]
    alerts: str = field(default="")
