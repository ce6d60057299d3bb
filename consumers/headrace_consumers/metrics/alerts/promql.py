"""The few shapes of PromQL, and of Prometheus' templates, that the rules are made of."""

from collections.abc import Sequence
from typing import Final

from headrace_consumers.metrics.alerts.rule import duration
from headrace_consumers.metrics.names import metric

__all__ = [
    "COUNT",
    "LASTING",
    "SHARE",
    "at_most",
    "computed",
    "figure",
    "grown",
    "listed",
    "named",
    "number",
    "one_of",
    "percent",
    "total",
]

COUNT: Final = '{{ printf "%.0f" $value }}'
SHARE: Final = "{{ $value | humanizePercentage }}"
LASTING: Final = "{{ $value | humanizeDuration }}"
"""Templates of an alert's value: a count, a share, seconds."""

_DIGITS: Final = 10
"""More would be floating-point noise, as in 14.4 * (1 - 0.95)."""

_MOST_LISTED: Final = 3


def named(name: str) -> str:
    """Return the name of a metric that somebody serves.

    Raises:
        KeyError: nobody does.
    """
    return metric(name).name


def grown(counter: str, by: Sequence[str], window_s: int, *, matching: str = "") -> str:
    """Return by how much counters have grown in a window, summed by labels.

    `increase` takes what a series begins with for its past, and so misses the first errors of a class, or the first
    dead letter. Of a target that was there when the window began, a series that was not counts in full.
    """
    window = duration(window_s)
    series = f"{named(counter)}{{{matching}}}" if matching else named(counter)
    born = f"{series} unless {series} offset {window} and on (job, instance) (up offset {window} == 1)"
    return total(f"({born}) or increase({series}[{window}])", by)


def total(expression: str, by: Sequence[str]) -> str:
    """Return the sum of a vector by labels; without labels, of all of it."""
    return f"sum by ({', '.join(by)}) ({expression})" if by else f"sum({expression})"


def at_most(bound: float) -> str:
    """Return a matcher of a histogram's bucket; 3 is written 3.0 or 3, by who exposes or scrapes it."""
    return one_of("le", [text for text in dict.fromkeys([repr(float(bound)), f"{bound:g}"]) if float(text) == bound])


def one_of(label: str, values: Sequence[str]) -> str:
    """Return a matcher of a label that has one of these values, of letters, digits and ``.+-_``."""
    if len(values) == 1:
        return f'{label}="{values[0]}"'
    return f'{label}=~"{"|".join(value.replace(".", "[.]").replace("+", "[+]") for value in values)}"'


def number(value: float) -> str:
    """Return a number as PromQL and people read it."""
    return f"{value:.{_DIGITS}g}"


def percent(share: float) -> str:
    """Return a share as people read it: 0.95 is 95%."""
    return f"{number(100 * share)}%"


def figure(series: str, labels: Sequence[str], show: str) -> str:
    """Return a template of a recorded series' value that has the alert's labels; empty where it has none.

    Args:
        series: its name.
        labels: those that the alert and the series have.
        show: a template of the value, ``.``.
    """
    selector, values = _selector(labels)
    asked = f"query (printf `{series}{{{selector}}}` {values})"
    return f"{{{{ range {asked} }}}}{{{{ with .Value }}}}{show}{{{{ else }}}}0{{{{ end }}}}{{{{ end }}}}"


def computed(expression: str, labels: Sequence[str], show: str) -> str:
    """Return a template of an expression's one value.

    Args:
        expression: PromQL with ``%s`` for a selector of the alert's labels.
        labels: those that the alert and the series have.
        show: a template of the value, ``.``.
    """
    selector, values = _selector(labels)
    asked = f"query (printf `{expression % selector}` {values})"
    return f"{{{{ range {asked} }}}}{{{{ with .Value }}}}{show}{{{{ end }}}}{{{{ end }}}}"


def listed(expression: str, labels: Sequence[str], show: str) -> str:
    """Return a template of the largest values of an expression, the largest first.

    Args:
        expression: PromQL with ``%s`` for a selector of the alert's labels.
        labels: those that the alert and the series have.
        show: a template of a sample: ``.Labels.name`` and ``.Value``.
    """
    selector, values = _selector(labels)
    asked = f"query (printf `topk({_MOST_LISTED}, {expression % selector} > 0)` {values})"
    each = f"{{{{ if $at }}}}, {{{{ end }}}}{show}"
    return f"{{{{ range $at, $sample := {asked} }}}}{{{{ with $sample }}}}{each}{{{{ end }}}}{{{{ end }}}}"


def _selector(labels: Sequence[str]) -> tuple[str, str]:
    return ",".join(f"{label}=%q" for label in labels), " ".join(f"$labels.{label}" for label in labels)
