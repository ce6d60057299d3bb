"""What the dashboards of calls share: whose calls they are of, and the document's figures of them."""

from collections.abc import Sequence
from typing import Final

from headrace_consumers.dashboards.panel import Column, Variable
from headrace_consumers.dashboards.scope import OVERALL, POINT, Scope, or_zero, share
from headrace_consumers.monitoring.catalogue.calls import CALL_ERRORS, CALLS_CANCELLED, CALLS_SAMPLED, CALLS_TOTAL

__all__ = ["COLUMNS", "INTERVAL", "LEGEND", "MODULE", "SCOPE", "VARIABLES", "sampled_share", "success_rate"]

MODULE: Final = ("module", "signature", "version", "environment")
"""What is told apart, unless there is no room for it."""
LEGEND: Final = "{{module}} {{signature}} {{version}} {{environment}}"
COLUMNS: Final = tuple(Column(label, label.capitalize()) for label in MODULE)
VARIABLES: Final = tuple(
    Variable(label, CALLS_TOTAL, label.capitalize()) for label in ("environment", "module", "signature", "version")
)
SCOPE: Final = Scope(tuple(each.label for each in VARIABLES))
INTERVAL: Final = (
    "Estimated from the sampled calls of the last hour, with a 95% interval: the truth is inside it 19 times of 20. "
    "There is none below 30 sampled requests."
)


def success_rate(by: Sequence[str], over: str = POINT) -> str:
    """Return the share of calls, without those that were cancelled, that did not fail."""
    calls = SCOPE.rate(CALLS_TOTAL, by, over)
    cancelled = or_zero(SCOPE.rate(CALLS_CANCELLED, by, over), calls)
    failed = or_zero(SCOPE.rate(CALL_ERRORS, by, over), calls)
    return f"1 - {share(failed, f'({calls} - {cancelled})')}"


def sampled_share(by: Sequence[str], over: str = OVERALL) -> str:
    """Return the actual sampling rate."""
    return share(SCOPE.rate(CALLS_SAMPLED, by, over), SCOPE.rate(CALLS_TOTAL, by, over))
