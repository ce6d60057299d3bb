"""Panels on the tables themselves: how many files, and whether they are maintained."""

from collections.abc import Iterator
from typing import Final

from headrace_consumers.dashboards.panel import Limit, Panel, Query, Show
from headrace_consumers.dashboards.scope import Scope
from headrace_consumers.dashboards.units import an_hour, unit_of
from headrace_consumers.metrics.alerts.consumers import UNMAINTAINED_S
from headrace_consumers.monitoring.catalogue.consumers import REBALANCES
from headrace_consumers.monitoring.catalogue.dataset import (
    FENCES,
    FILES_MERGED,
    MAINTENANCE_FAILING,
    TABLE_FILES,
    UNMERGEABLE_FILES,
)
from headrace_consumers.table_files import MOST_FILES

__all__ = ["table_health"]

_SCOPE: Final = Scope(())
_TABLE: Final = ("job", "table")
_MEMBER: Final = ("job", "consumer", "instance")


def table_health() -> Iterator[Panel]:
    """Return how the tables stand, as the member with partition 0 tells."""
    yield Panel(
        title="Files in the table",
        description="50 or so for the day that is written, one or two for each day before; "
        f"{MOST_FILES:,} are too many. Unmergeable: files that could not be read.",
        show=Show.lines,
        queries=(
            Query(_SCOPE.most(TABLE_FILES, _TABLE), "{{table}}"),
            Query(_SCOPE.most(UNMERGEABLE_FILES, _TABLE), "unmergeable: {{table}}"),
        ),
        unit=unit_of(TABLE_FILES),
        width=8,
        limit=Limit(MOST_FILES),
        alerts=("HeadraceTableFiles",),
    )
    yield Panel(
        title="Files merged",
        description="An hour, at this pace.",
        show=Show.lines,
        queries=(Query(_SCOPE.hourly(FILES_MERGED, _TABLE), "{{table}}"),),
        unit=an_hour(FILES_MERGED),
        width=8,
    )
    yield Panel(
        title="Maintenance has failed for",
        description="0: it does not fail.",
        show=Show.lines,
        queries=(Query(_SCOPE.most(MAINTENANCE_FAILING, _TABLE), "{{table}}"),),
        unit=unit_of(MAINTENANCE_FAILING),
        width=8,
        limit=Limit(UNMAINTAINED_S),
        alerts=("HeadraceMaintenanceFailing",),
    )
    yield Panel(
        title="Fences",
        description="How often a member began again from the table, an hour. A few at a rebalance.",
        show=Show.lines,
        queries=(Query(_SCOPE.hourly(FENCES, ("job",)), "{{job}}"),),
        unit=an_hour(FENCES),
        width=12,
    )
    yield Panel(
        title="Rebalances",
        description="How often the group gave a member partitions, confirmed or took them, an hour. "
        "A few where another one comes or goes.",
        show=Show.lines,
        queries=(Query(_SCOPE.hourly(REBALANCES, _MEMBER), "{{consumer}} {{instance}}"),),
        unit=an_hour(REBALANCES),
        width=12,
        alerts=("HeadraceRebalancing",),
    )
