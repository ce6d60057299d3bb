"""Figures in plain words, short enough for a column. Pure."""

import math
from typing import Final

from headrace_consumers.top.quantile import Between

__all__ = ["NONE", "age", "amount", "cost", "counted", "dollars", "latency", "per_second", "share", "size"]

NONE: Final = "-"
"""Where there is nothing to say."""

_MINUTE_S: Final = 60
_HOUR_S: Final = 3_600
_DAY_S: Final = 86_400


def age(seconds: float) -> str:
    """Return a duration: ``4 s``, ``12 min``, ``3.5 h``, ``2 days``."""
    if seconds < 2 * _MINUTE_S:
        return f"{max(0, math.floor(seconds))} s"
    if seconds < 2 * _HOUR_S:
        return f"{math.floor(seconds / _MINUTE_S)} min"
    if seconds < 2 * _DAY_S:
        return f"{_trimmed(math.floor(seconds / _HOUR_S * 10) / 10)} h"
    return f"{math.floor(seconds / _DAY_S)} days"


def counted(number: float, noun: str, plural: str = "") -> str:
    """Return a count with its noun: ``1 record``, ``1,204 records``."""
    text = f"{number:,.0f}"
    return f"{text} {noun if text == '1' else plural or noun + 's'}"


def amount(number: float) -> str:
    """Return a large number in at most 5 characters: ``950``, ``12.3k``, ``4.5M``."""
    for factor, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= factor * 0.9995:
            scaled = number / factor
            return f"{scaled:.0f}{letter}" if scaled >= 99.95 else f"{_trimmed(round(scaled, 1))}{letter}"  # noqa: PLR2004  # three digits are enough
    return f"{number:.0f}"


def per_second(rate: float) -> str:
    """Return a rate: ``0.02``, ``3.4``, ``120``, ``12.3k``."""
    if rate <= 0:
        return "0"
    if rate < 0.01:  # noqa: PLR2004
        return "<0.01"
    if rate < 10:  # noqa: PLR2004
        return f"{rate:.2f}" if rate < 1 else f"{rate:.1f}"
    return amount(rate)


def share(ratio: float) -> str:
    """Return a share in percent, rounded so that only all is 100% and only none is 0%."""
    percent = 100 * ratio
    if 99.95 <= percent < 100:  # noqa: PLR2004
        return ">99.9%"
    if 0 < percent < 0.05:  # noqa: PLR2004
        return "<0.1%"
    return f"{_trimmed(round(percent, 1))}%"


def dollars(usd: float) -> str:
    """Return an amount of money: ``$0.0012``, ``$1.25``, ``$1,204``."""
    if usd <= 0:
        return "$0"
    if usd < 0.0001:  # noqa: PLR2004
        return "<$0.0001"
    return f"${usd:.4f}" if usd < 0.1 else f"${usd:,.2f}" if usd < 1_000 else f"${usd:,.0f}"  # noqa: PLR2004


def latency(found: Between | None) -> str:
    """Return between which bounds a latency lies: ``80-160 ms``, ``3-5 s``, ``> 81.92 s``."""
    if found is None:
        return NONE
    if math.isinf(found.most):
        return f"> {_trimmed(found.above)} s"
    if found.most < 1:
        return f"{_trimmed(round(found.above * 1000, 3))}-{_trimmed(round(found.most * 1000, 3))} ms"
    return f"{_trimmed(found.above)}-{_trimmed(found.most)} s"


def cost(found: Between | None) -> str:
    """Return between which bounds a cost lies: ``$0.02-0.05``, ``> $5``."""
    if found is None:
        return NONE
    if math.isinf(found.most):
        return f"> ${_trimmed(found.above)}"
    return f"${_trimmed(found.above)}-{_trimmed(found.most)}"


def size(number: float) -> str:
    """Return bytes: ``512 B``, ``1.2 kB``, ``340 MB``, of powers of 1,000."""
    for factor, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if number >= factor * 0.9995:
            scaled = number / factor
            return f"{scaled:.0f} {unit}" if scaled >= 99.95 else f"{_trimmed(round(scaled, 1))} {unit}"  # noqa: PLR2004
    return f"{number:.0f} B"


def _trimmed(number: float) -> str:
    return f"{number:.10g}"
