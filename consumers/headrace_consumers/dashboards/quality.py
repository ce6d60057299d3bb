"""Quality, estimated from the sample: success and latency with their intervals."""

from collections.abc import Iterator

from headrace_consumers.dashboards.calls import COLUMNS, INTERVAL, MODULE, SCOPE
from headrace_consumers.dashboards.panel import Limit, Panel, Query, Show
from headrace_consumers.dashboards.units import COUNT, SECONDS, SHARE, unit_of
from headrace_consumers.monitoring.catalogue.samples import QUALITY_LATENCY, QUALITY_REQUESTS, QUALITY_SUCCESS

__all__ = ["quality"]


def quality(least: Limit) -> Iterator[Panel]:
    """Return the panels.

    Args:
        least: the threshold of success.
    """
    yield Panel(
        title="Success and latency with their intervals",
        description=INTERVAL + " The mean of a module's own calls, not of those inside them, which have lines of "
        "their own.",
        show=Show.table,
        columns=COLUMNS,
        queries=(
            *(
                Query(SCOPE.most(QUALITY_SUCCESS, MODULE, f'bound="{bound}"'), heading, SHARE, limit)
                for bound, heading, limit in (
                    ("lower", "Success from", None),
                    ("estimate", "Success", least),
                    ("upper", "Success to", None),
                )
            ),
            *(
                Query(SCOPE.most(QUALITY_LATENCY, MODULE, f'bound="{bound}"'), heading, SECONDS)
                for bound, heading in (
                    ("lower", "Mean latency from"),
                    ("estimate", "Mean latency"),
                    ("upper", "Mean latency to"),
                )
            ),
            Query(SCOPE.total(QUALITY_REQUESTS, MODULE), "Sampled requests", COUNT),
        ),
        unit=COUNT,
        width=24,
        height=7,
    )
    for metric, title in (
        (QUALITY_SUCCESS, "Success rate with its interval"),
        (QUALITY_LATENCY, "Mean latency with its interval"),
    ):
        yield Panel(
            title=title,
            description=INTERVAL + " Choose a module and a version to see one.",
            show=Show.lines,
            queries=(Query(SCOPE.of(metric), "{{module}} {{version}} {{bound}}"),),
            unit=unit_of(metric),
            width=12,
            limit=least if metric is QUALITY_SUCCESS else None,
            faint=".* (lower|upper)",
        )
