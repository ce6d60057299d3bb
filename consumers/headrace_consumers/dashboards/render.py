"""The dashboards of a configuration as files."""

from dataclasses import dataclass

from headrace.config import Config, check_latency_thresholds
from headrace_consumers.dashboards.cost import cost
from headrace_consumers.dashboards.dataset import dataset
from headrace_consumers.dashboards.panel import Dashboard
from headrace_consumers.dashboards.pipeline import pipeline
from headrace_consumers.dashboards.rollouts import rollouts
from headrace_consumers.dashboards.traffic import traffic

__all__ = ["Rendered", "dashboards_of", "render"]


@dataclass(frozen=True, slots=True)
class Rendered:
    """A file for Grafana.

    Attributes:
        name: of the file.
        text: JSON.
        panels: how many it shows.
    """

    name: str
    text: str
    panels: int


def dashboards_of(config: Config) -> tuple[Dashboard, ...]:
    """Return the dashboards, with the configuration's thresholds.

    Raises:
        ConfigError: a threshold of latency that is no bound of the histogram.
    """
    check_latency_thresholds(config)
    return traffic(config), cost(config), pipeline(config), dataset(config), rollouts()


def render(config: Config) -> list[Rendered]:
    """Return the files, the same bytes for the same configuration.

    Raises:
        ConfigError: a threshold of latency that is no bound of the histogram.
        ImportError: the extra `dashboards` is not installed.
    """
    from headrace_consumers.dashboards.grafana import json_of

    return [
        Rendered(
            name=f"{each.uid}.json",
            text=json_of(each, config.alerts.runbook_url),
            panels=sum(len(row.panels) for row in each.rows),
        )
        for each in dashboards_of(config)
    ]
