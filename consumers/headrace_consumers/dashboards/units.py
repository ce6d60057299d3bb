"""Grafana's units, from those of the catalogue."""

from typing import Final

from headrace_consumers.monitoring.metric import Metric

__all__ = ["COUNT", "DOLLARS", "SECONDS", "SHARE", "WHOLE", "YES_NO", "a_second", "an_hour", "unit_of"]

COUNT: Final = "short"
"""1234 is 1.23 K, as an axis has room for."""
WHOLE: Final = "locale"
"""1234 is 1,234."""
SHARE: Final = "percentunit"
SECONDS: Final = "s"
DOLLARS: Final = "currencyUSD"
YES_NO: Final = "bool_yes_no"

_UNITS: Final = {"seconds": SECONDS, "bytes": "bytes", "usd": DOLLARS, "1": SHARE}


def unit_of(metric: Metric) -> str:
    """Return the unit of a metric's values: calls, records and their like are counts."""
    return _UNITS.get(metric.unit, COUNT)


def a_second(metric: Metric) -> str:
    """Return the unit of what a counter grows by in a second."""
    return f"suffix:{metric.unit}/s"


def an_hour(metric: Metric) -> str:
    """Return the unit of what a counter grows by in an hour; money keeps its sign."""
    return DOLLARS if metric.unit == "usd" else f"suffix:{metric.unit}/h"
