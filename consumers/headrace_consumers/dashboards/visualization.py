"""A panel as one of Grafana's visualizations: how it is drawn, without its place."""

from collections.abc import Callable
from typing import Final, TypeAlias

from grafana_foundation_sdk.builders import common as build
from grafana_foundation_sdk.builders import heatmap, prometheus, stat, table, timeseries
from grafana_foundation_sdk.builders.dashboard import FieldColor, ThresholdsConfig
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import heatmap as heatmap_model
from grafana_foundation_sdk.models.dashboard import (
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    Threshold,
    ThresholdsMode,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from headrace_consumers.dashboards.panel import Limit, Panel, Query, Show
from headrace_consumers.dashboards.units import COUNT, SHARE, WHOLE

__all__ = ["SOURCE", "Visualization", "visualization"]

Visualization: TypeAlias = timeseries.Panel | stat.Panel | heatmap.Panel | table.Panel

SOURCE: Final = common.DataSourceRef(type_val="prometheus", uid="${datasource}")
_WELL: Final = "green"
_BAD: Final = "red"
_PLAIN: Final = "text"
_BAR: Final = "1m"
"""Narrower than that, and one event would stand in several bars: a rate is over four scrapes at least."""


def visualization(panel: Panel) -> Visualization:
    """Return what draws a panel; its title, description, links, number and place are the caller's."""
    made = _MADE[panel.show](panel)
    made.datasource(SOURCE).unit(panel.unit).thresholds(_thresholds(panel.limit))
    if panel.show is Show.figures and panel.unit == COUNT:
        made.unit(WHOLE).decimals(0)  # an increase is extrapolated
    for at, query in enumerate(panel.queries):
        made.with_target(_target(panel, query, at))
    if panel.when_empty:
        made.no_value(panel.when_empty)
    return made


def _target(panel: Panel, query: Query, at: int) -> prometheus.Dataquery:
    target = prometheus.Dataquery().datasource(SOURCE).expr(query.expression).ref_id(_letter(at))
    match panel.show:
        case Show.table:
            return target.instant().format(PromQueryFormat.TABLE)
        case Show.figures:
            return target.instant().legend_format(query.legend or "__auto")
        case Show.heatmap:
            return target.range().format(PromQueryFormat.HEATMAP).legend_format(query.legend)
        case _:
            return target.range().legend_format(query.legend).exemplar(panel.exemplars and at == 0)


def _letter(at: int) -> str:
    return chr(ord("A") + at)


def _thresholds(limit: Limit | None) -> ThresholdsConfig:
    if limit is None:
        steps = [Threshold(None, _PLAIN)]
    elif limit.is_least:
        steps = [Threshold(None, _BAD), Threshold(limit.value, _WELL)]
    else:
        steps = [Threshold(None, _WELL), Threshold(limit.value, _BAD)]
    return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)


def _graph(panel: Panel) -> timeseries.Panel:
    made = (
        timeseries.Panel()
        .color_scheme(FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC))
        .line_width(2)
        .fill_opacity(0)
        .legend(
            build.VizLegendOptions()
            .show_legend(True)  # noqa: FBT003  # the builder's only form
            .display_mode(common.LegendDisplayMode.LIST)
            .placement(common.LegendPlacement.BOTTOM)
        )
        .tooltip(build.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING))
    )
    if panel.limit is not None:
        style = common.GraphThresholdsStyleMode.DASHED
        made.thresholds_style(build.GraphThresholdsStyleConfig().mode(style))
    if panel.limit is None or not panel.limit.is_least:
        made.min(0)
    if panel.unit == SHARE:
        made.axis_soft_max(1 if panel.limit is not None and panel.limit.is_least else 0.01)
    if panel.faint:
        made.override_by_regexp(
            f"/^{panel.faint}$/",
            [
                DynamicConfigValue("custom.lineWidth", 1),
                DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [6, 6]}),
            ],
        )
    return made


def _bars(panel: Panel) -> timeseries.Panel:
    stacked = build.StackingConfig().mode(common.StackingMode.NORMAL).group("A")
    made = _graph(panel).draw_style(common.GraphDrawStyle.BARS).fill_opacity(70).line_width(0).stacking(stacked)
    return made.interval(_BAR)


def _figures(panel: Panel) -> stat.Panel:
    is_coloured = panel.limit is not None
    return (
        stat.Panel()
        .reduce_options(build.ReduceDataOptions().calcs(["lastNotNull"]).values(False))  # noqa: FBT003
        .graph_mode(common.BigValueGraphMode.NONE)
        .color_mode(common.BigValueColorMode.VALUE if is_coloured else common.BigValueColorMode.NONE)
        .color_scheme(FieldColor().mode(FieldColorModeId.THRESHOLDS))
        .text_mode(common.BigValueTextMode.AUTO)
    )


def _heatmap(panel: Panel) -> heatmap.Panel:
    return (
        heatmap.Panel()
        .calculate(False)  # noqa: FBT003
        .y_axis(heatmap.YAxisConfig().unit(panel.unit))
        .color(
            heatmap.HeatmapColorOptions()
            .mode(heatmap_model.HeatmapColorMode.SCHEME)
            .scheme("Blues")
            .scale(heatmap_model.HeatmapColorScale.EXPONENTIAL)
            .exponent(0.5)
            .steps(32)
            .reverse(False)  # noqa: FBT003
        )
        .cell_gap(1)
        .hide_legend()
    )


def _table(panel: Panel) -> table.Panel:
    labels = {each.label: each.heading for each in panel.columns}
    only_one = len(panel.queries) == 1
    values = {"Value" if only_one else f"Value #{_letter(at)}": query.legend for at, query in enumerate(panel.queries)}
    names = [*labels, *values]
    made = table.Panel().with_transformation(DataTransformerConfig("merge", options={}))
    made.with_transformation(
        DataTransformerConfig(
            "organize",
            options={
                "excludeByName": {"Time": True},
                "indexByName": {name: at for at, name in enumerate(names)},
                "renameByName": {**labels, **values},
            },
        )
    )
    for query in panel.queries:
        shown = [DynamicConfigValue("unit", query.unit)]
        if query.unit == COUNT:
            shown = [DynamicConfigValue("unit", WHOLE), DynamicConfigValue("decimals", 0)]
        if query.limit is not None:
            steps = _thresholds(query.limit).build().to_json()
            shown += [
                DynamicConfigValue("thresholds", steps),
                DynamicConfigValue("custom.cellOptions", {"type": "color-text"}),
            ]
        made.override_by_name(query.legend, shown)
    return made


_MADE: Final[dict[Show, Callable[[Panel], Visualization]]] = {
    Show.lines: _graph,
    Show.bars: _bars,
    Show.figures: _figures,
    Show.heatmap: _heatmap,
    Show.table: _table,
}
