"""Calls and failures of a window, recorded by module, signature and environment: what calls are judged by.

A window of an hour or more is added up from windows of five minutes that are recorded anyway: reading three days of
every counter again at each evaluation would keep Prometheus busy.
"""

from collections.abc import Iterable
from typing import Final

from headrace_consumers.metrics.alerts.promql import grown
from headrace_consumers.metrics.alerts.rule import Group, Recording, duration

__all__ = ["MODULE", "counted", "recorded"]

MODULE: Final = ("module", "signature", "environment")
"""The labels by which calls are judged: all versions of a module together."""

_TILE_S: Final = 300
_LONG_S: Final = 3_600
_SELDOM_S: Final = 60
"""How often a long window is added up; a recorded series that is older than five minutes is stale."""


def recorded(what: str, window_s: int) -> str:
    """Return the name of a recorded figure: ``module:headrace_failures:increase15m``."""
    return f"module:headrace_{what}:increase{duration(window_s)}"


def counted(windows_s: Iterable[int]) -> dict[int, Group]:
    """Return what records the calls of windows (without those that were cancelled) and the failures among them.

    By window, the shortest first.
    """
    windows = set(windows_s)
    if any(map(_is_long, windows)):
        windows.add(_TILE_S)
    return {window_s: _added_up(window_s) if _is_long(window_s) else _read(window_s) for window_s in sorted(windows)}


def _is_long(window_s: int) -> bool:
    return window_s >= _LONG_S and window_s % _TILE_S == 0


def _read(window_s: int) -> Group:
    ended, calls = recorded("ended", window_s), recorded("calls", window_s)
    cancelled = grown("headrace_calls_cancelled_total", MODULE, window_s)
    return Group(
        _name(window_s),
        (
            Recording(ended, grown("headrace_calls_total", MODULE, window_s)),
            # Where no call was cancelled there may be no series of them.
            Recording(calls, f"{ended} - {cancelled} or {ended}"),
            Recording(recorded("failures", window_s), grown("headrace_call_errors_total", MODULE, window_s)),
        ),
    )


def _added_up(window_s: int) -> Group:
    # A second less, for a range that begins and ends on a step would hold one window of five minutes too many.
    tiles = f"[{window_s - 1}s:{duration(_TILE_S)}]"
    return Group(
        _name(window_s),
        tuple(
            Recording(recorded(what, window_s), f"sum_over_time({recorded(what, _TILE_S)}{tiles})")
            for what in ("calls", "failures")
        ),
        interval_s=_SELDOM_S,
    )


def _name(window_s: int) -> str:
    return f"headrace-calls-{duration(window_s)}"
