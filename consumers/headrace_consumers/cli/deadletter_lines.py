"""Dead letters as lines for people: their counts, one of them, and what a replay does."""

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

from headrace_consumers.cli.present import columns, count, shares

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headrace_consumers.deadletters.replay import Plan, RefusedLetter
    from headrace_consumers.deadletters.summary import Summary

__all__ = ["plan_lines", "portrait_lines", "summary_lines"]

_MOST: Final = 50
"""Refused letters that are listed for people."""


def summary_lines(summary: "Summary", topic: str, *, by_time: bool) -> list[str]:
    """Return the counts by reason and topic, and what each reason means; with `by_time` by day or hour too."""
    if not summary.groups:
        return [f"{topic}: no dead letters"]
    header = ("reason", "topic", "letters", "replayed", "first", "last", "example")
    rows = [
        (g.reason, g.topic, count(g.letters), count(g.replayed), _time(g.first_ms), _time(g.last_ms), g.example)
        for g in summary.groups
    ]
    lines = columns([header, *rows], right=frozenset({2, 3}))
    if by_time:
        counts = sorted((when, g.reason, g.topic, n) for g in summary.groups for when, n in g.by_time.items())
        cells = [(when, reason, of, count(number)) for when, reason, of, number in counts]
        lines += ["", *columns([("time", "reason", "topic", "letters"), *cells], right=frozenset({3}))]
    from headrace_consumers.deadletters import REASONS

    reasons = sorted({group.reason for group in summary.groups})
    lines += ["", *columns([(reason, REASONS.get(reason, "")) for reason in reasons])]
    if summary.copies:
        lines.append(f"{count(summary.copies)} more are copies: a letter is written at least once")
    number, at = summary.odd
    if at is not None:
        lines.append(f"{count(number)} messages are no dead letters, e.g. partition {at[0]} offset {at[1]}")
    return lines


def portrait_lines(shown: dict[str, Any]) -> list[str]:
    """Return one letter, as `portrait` has it."""
    plain = {**shown, "headers": ", ".join(shown["headers"]), "replayed_to": ", ".join(shown["replayed_to"])}
    for name in ("append_time_ms", "written_at_ms"):
        plain[name.removesuffix("_ms")] = _time(plain.pop(name))
    payload = plain.pop("payload", None)
    lines = columns([(name, str(value)) for name, value in plain.items() if value not in {"", None}])
    if payload is None:
        return [*lines, "", "--payload shows its content, which may hold personal data"]
    lines += ["", *columns([(f"header {name}", str(value)) for name, value in payload["headers"].items()])]
    lines += columns([(name, str(value)) for name, value in (payload["record"] or {}).items() if value is not None])
    return [*lines, "", *payload["hexdump"]]


def plan_lines(made: "Plan", replayed: int, refused: "Sequence[RefusedLetter]" = (), *, applied: bool) -> list[str]:
    """Return what a replay would do, or has done where it was `applied`."""
    lines = [f"chosen           {count(made.chosen.total())}  {shares(made.chosen)}".rstrip()]
    if made.replayed_before:
        lines.append(f"replayed before  {count(made.replayed_before)}  left out; --again takes them too")
    if made.unreadable_still:
        still = count(made.unreadable_still.total())
        lines.append(f"of the rest      {still}  will be dead letters again: {shares(made.unreadable_still)}")
    if applied:
        lines.append(f"replayed         {count(replayed)}  to {', '.join(sorted(made.topics)) or 'nowhere'}")
        return [*lines, *_refused_lines(refused)]
    if made.gone:
        lines.append(f"topic gone       {count(len(made.gone))}  cannot be replayed, e.g. {made.gone[0][1]}")
    return [*lines, f"to replay        {count(len(made.letters))}  nothing was done yet; --apply does it"]


def _refused_lines(refused: "Sequence[RefusedLetter]") -> list[str]:
    if not refused:
        return []
    lines = [f"refused          {count(len(refused))}  not replayed, and tried again by the next run:"]
    shown = [(f"  {letter.topic}/{letter.partition}/{letter.offset}", letter.reason) for letter in refused[:_MOST]]
    lines += columns(shown)
    if len(refused) > _MOST:
        lines.append(f"  and {count(len(refused) - _MOST)} more; --json lists all")
    return lines


def _time(unix_ms: int | None) -> str:
    return "" if unix_ms is None else dt.datetime.fromtimestamp(unix_ms / 1000, dt.UTC).strftime("%Y-%m-%d %H:%M:%S")
