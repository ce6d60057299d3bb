"""The names of all metrics, for rules, dashboards and queries; the list itself is shared by all consumers.

A rule takes names, labels and bounds from here, so that it cannot ask for a series that nobody serves.
"""

from headrace_consumers.monitoring.catalogue import METRICS, SUBJECTS, metric
from headrace_consumers.monitoring.metric import Kind, Metric, Server, Source

__all__ = ["METRICS", "SUBJECTS", "Kind", "Metric", "Server", "Source", "metric"]
