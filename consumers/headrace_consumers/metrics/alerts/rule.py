"""Rules as values, and PromQL's small change: durations, label values."""

from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

__all__ = ["Alert", "Group", "Recording", "Severity", "duration", "spoken"]

Severity: TypeAlias = Literal["critical", "warning"]

_UNITS: Final = ((86_400, "d", "day"), (3_600, "h", "hour"), (60, "m", "minute"), (1, "s", "second"))


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording rule.

    Attributes:
        name: level:metric:operation, after Prometheus' convention.
        expression: PromQL.
    """

    name: str
    expression: str


@dataclass(frozen=True, slots=True)
class Alert:
    """An alerting rule.

    Attributes:
        name: CamelCase; the title of its section in docs/operations.md.
        expression: PromQL; its value is what `current` shows.
        for_s: how long it must hold before it fires, seconds.
        severity: critical wakes somebody up, warning waits for the morning.
        headline: what is wrong, in a line.
        subject: title -> template, for example ("Module", "{{ $labels.module }}").
        current: a template of the value.
        threshold: what it is compared with.
        action: what to do first.
        context: lines for whoever looks closer, title -> template.
        labels: further labels.
    """

    name: str
    expression: str
    for_s: int
    severity: Severity
    headline: str
    subject: tuple[tuple[str, str], ...]
    current: str
    threshold: str
    action: str
    context: tuple[tuple[str, str], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are evaluated together, in order.

    Attributes:
        name: unique in the file.
        rules: recordings before what uses them.
        interval_s: between evaluations, seconds; None: Prometheus' own.
    """

    name: str
    rules: tuple[Recording | Alert, ...] = field(default=())
    interval_s: int | None = None


def duration(seconds: int) -> str:
    """Return a duration as PromQL writes it, in its largest whole unit: 900 is 15m, 90 is 90s."""
    size, letter, _ = _unit(seconds)
    return f"{seconds // size}{letter}"


def spoken(seconds: int) -> str:
    """Return a duration as people say it: 900 is 15 minutes."""
    size, _, word = _unit(seconds)
    number = seconds // size
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _unit(seconds: int) -> tuple[int, str, str]:
    return next(unit for unit in _UNITS if seconds % unit[0] == 0)
