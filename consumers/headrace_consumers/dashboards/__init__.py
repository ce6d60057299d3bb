"""Grafana dashboards: the catalogue's metrics and the configuration's thresholds as JSON that Grafana loads.

    panel          a dashboard, its panels and their queries as values
    scope, units   PromQL over metrics of the catalogue, cut down to what is chosen; and Grafana's units
    traffic        calls and failures of each module, signature and version; latency; quality
    cost           cost and tokens, estimated from the sample
    pipeline       is all well: readers, the consumers; services and own_registries, the producers
    dataset        does it grow, and what is kept out of it
    grafana        a value -> the JSON, by Grafana's own types (visualization: a panel); render: all -> files

A query takes names and labels from the catalogue, so that it cannot ask for a series that nobody serves.
"""

from headrace_consumers.dashboards.render import Rendered, dashboards_of, render

__all__ = ["Rendered", "dashboards_of", "render"]
