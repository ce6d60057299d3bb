"""A dashboard as Grafana's JSON, by the types of Grafana's own SDK.

It is the classic model, which Grafana loads from files; from 13 on it turns it into its newer one when it is opened.
"""

import json
from typing import Any, Final

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.builders import prometheus
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as model

from headrace_consumers.dashboards.panel import WIDTH, Dashboard, Panel, Row, Variable
from headrace_consumers.dashboards.visualization import SOURCE, visualization
from headrace_consumers.metrics.alerts.render import anchor

__all__ = ["json_of"]

_TAG: Final = "headrace"
_ALL: Final = model.VariableOption(selected=True, text="All", value="$__all")
_HEADING_HEIGHT: Final = 1
_IN_A_MENU: Final = "inControlsMenu"


def json_of(dashboard: Dashboard, runbook_url: str) -> str:
    """Return the JSON of a dashboard, the same bytes for the same value.

    Args:
        dashboard: what it shows.
        runbook_url: where docs/operations.md is, without an anchor; panels link their alerts only where it is a URL.
    """
    board = (
        build.Dashboard(dashboard.title)
        .uid(dashboard.uid)
        .description(dashboard.description)
        .tags([_TAG])
        .timezone("browser")
        .refresh("30s")
        .time("now-1h", "now")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .link(
            build.DashboardLink("Headrace")
            .type(model.DashboardLinkType.DASHBOARDS)
            .tags([_TAG])
            .icon("external link")
            .keep_time(True)  # noqa: FBT003  # the builder's only form
            .include_vars(True)  # noqa: FBT003
        )
        .with_variable(build.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        .annotation(_firing(dashboard.alerts))
    )
    for at, variable in enumerate(dashboard.variables):
        board.with_variable(_variable(variable, dashboard.variables[:at]))
    _place(board, dashboard.rows, runbook_url)
    content = json.loads(json.dumps(board.build(), cls=JSONEncoder))
    _without_placement(content)
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _variable(variable: Variable, before: tuple[Variable, ...]) -> build.QueryVariable:
    name, label = variable.metric.name, variable.label
    chosen = ", ".join(f'{each.label}=~"${each.label}"' for each in before)
    query = f"label_values({name}{{{chosen}}}, {label})" if chosen else f"label_values({name}, {label})"
    return (
        build.QueryVariable(label)
        .label(variable.heading)
        .datasource(SOURCE)
        .query({"qryType": 1, "query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery"})
        .definition(query)
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
        .multi(True)  # noqa: FBT003
        .include_all(True)  # noqa: FBT003
        .all_value(".*")  # those too that have no such label
        .current(_ALL)
    )


def _firing(matching: str) -> build.AnnotationQuery:
    return (
        build.AnnotationQuery()
        .name("Firing alerts")
        .datasource(SOURCE)
        .enable(True)  # noqa: FBT003
        .icon_color("red")
        .target(
            prometheus.Dataquery().expr(f'ALERTS{{alertstate="firing", {matching}}}').interval("30s").ref_id("Anno")
        )
        .title_format("{{alertname}}")
        .text_format("{{severity}} {{module}} {{signature}} {{environment}} {{service}} {{topic}} {{reason}}")
    )


def _place(board: build.Dashboard, rows: tuple[Row, ...], runbook_url: str) -> None:
    """Put the panels on the grid, from left to right and from top to bottom; number them in this order."""
    number, y = 0, 0
    for row in rows:
        number += 1
        board.with_row(build.Row(row.title).id(number).grid_pos(model.GridPos(h=_HEADING_HEIGHT, w=WIDTH, x=0, y=y)))
        y += _HEADING_HEIGHT
        x, height = 0, 0
        for panel in row.panels:
            if x + panel.width > WIDTH:
                x, y, height = 0, y + height, 0
            number += 1
            made = visualization(panel).id(number).title(panel.title).description(_described(panel, runbook_url))
            made.grid_pos(model.GridPos(h=panel.height, w=panel.width, x=x, y=y))
            if _is_url(runbook_url):
                made.links([_runbook(alert, runbook_url) for alert in panel.alerts])
            board.with_panel(made)
            x, height = x + panel.width, max(height, panel.height)
        y += height


def _described(panel: Panel, runbook_url: str) -> str:
    if not panel.alerts or _is_url(runbook_url):
        return panel.description
    return f"{panel.description} Watched by {', '.join(panel.alerts)}: see {runbook_url}."


def _runbook(alert: str, runbook_url: str) -> build.DashboardLink:
    link = build.DashboardLink(f"Runbook: {alert}").type(model.DashboardLinkType.LINK)
    return link.url(f"{runbook_url}#{anchor(alert)}").target_blank(True)  # noqa: FBT003


def _is_url(runbook_url: str) -> bool:
    return "://" in runbook_url


def _without_placement(content: Any) -> None:
    """Take out where the SDK wants links and annotations: in a menu, where nobody looks for them."""
    if isinstance(content, dict):
        if content.get("placement") == _IN_A_MENU:
            del content["placement"]
        content = list(content.values())
    if isinstance(content, list):
        for each in content:
            _without_placement(each)
