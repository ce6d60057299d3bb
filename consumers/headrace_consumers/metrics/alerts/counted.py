"""Calls and failures of a window, recorded by module, signature and environment: what calls are judged by."""

from typing import Final

from headrace_consumers.metrics.alerts.promql import grown
from headrace_consumers.metrics.alerts.rule import Group, Recording, duration

__all__ = ["MODULE", "counted", "recorded"]

MODULE: Final = ("module", "signature", "environment")
"""The labels by which calls are judged: all versions of a module together."""

_LONG_S: Final = 6 * 3_600
_EVALUATIONS: Final = 360
_SELDOM_S: Final = 120
"""A recorded series that is older than 5 minutes is stale."""


def recorded(what: str, window_s: int) -> str:
    """Return the name of a recorded figure: ``module:headrace_failures:increase15m``."""
    return f"module:headrace_{what}:increase{duration(window_s)}"


def counted(window_s: int) -> Group:
    """Return what records the calls of a window (without those that were cancelled) and the failures among them.

    Long windows are looked at less often.
    """
    ended, calls = recorded("ended", window_s), recorded("calls", window_s)
    cancelled = grown("headrace_calls_cancelled_total", MODULE, window_s)
    return Group(
        f"headrace-calls-{duration(window_s)}",
        (
            Recording(ended, grown("headrace_calls_total", MODULE, window_s)),
            # Where no call was cancelled there may be no series of them.
            Recording(calls, f"{ended} - {cancelled} or {ended}"),
            Recording(recorded("failures", window_s), grown("headrace_call_errors_total", MODULE, window_s)),
        ),
        interval_s=min(window_s // _EVALUATIONS, _SELDOM_S) if window_s >= _LONG_S else None,
    )
