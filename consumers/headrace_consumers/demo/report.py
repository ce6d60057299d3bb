"""What people see: the demo's progress while it runs, and its summary at the end."""

import json
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Protocol

from headrace_consumers.cli.present import count, figures, shares
from headrace_consumers.demo.summary import Ledger, Summary

__all__ = ["Progress", "shown_progress", "silent_progress", "summary_lines"]

WIDTH: Final = 100


class Progress(Protocol):
    """Told how far the demo is."""

    def calls(self, done: int) -> None:
        """So many calls of the program are done."""

    def served(self, delivered: int) -> None:
        """The program is done; so many records are on Kafka."""

    def consumed(self, tally: Mapping[str, Any]) -> None:
        """The consumer of the calls has committed."""


class _Silent:
    def calls(self, done: int) -> None: ...
    def served(self, delivered: int) -> None: ...
    def consumed(self, tally: Mapping[str, Any]) -> None: ...


class _Bars:
    """Two bars on a terminal; elsewhere rich prints their last state once."""

    def __init__(self, total_calls: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self.bars = Progress(
            TextColumn("{task.description:<9}"),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[state]}"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
        )
        self._total_calls = total_calls
        self._service = self.bars.add_task("service", total=total_calls, state="starting")
        self._consumer = self.bars.add_task("consumer", total=None, state="starting")

    def calls(self, done: int) -> None:
        state = f"{count(done)} of {count(self._total_calls)} calls"
        self.bars.update(self._service, completed=done, state=state)

    def served(self, delivered: int) -> None:
        self.calls(self._total_calls)
        self.bars.update(self._consumer, total=max(delivered, 1))

    def consumed(self, tally: Mapping[str, Any]) -> None:
        state = f"{count(tally['consumed'])} records, {count(tally['kept'])} kept"
        self.bars.update(self._consumer, completed=tally["consumed"], state=state)


@contextmanager
def silent_progress() -> Iterator[Progress]:
    """Yield a progress that shows nothing."""
    yield _Silent()


@contextmanager
def shown_progress(total_calls: int) -> Iterator[Progress]:
    """Yield a progress that is shown on stderr while the block runs."""
    bars = _Bars(total_calls)
    with bars.bars:
        yield bars


def summary_lines(summary: Summary) -> list[str]:
    """Return the summary as aligned lines."""
    service, tally, table = summary.service, summary.tally, summary.table
    ledger = Ledger.of(service["stats"])
    redactions = service["stats"]["redactions"]
    rejected, letters = tally["rejected"], tally["dead_letters"]
    failed = sum(service["failed"].values())
    rows = [
        ("calls", count(service["calls"]), f"{count(service['succeeded'])} succeeded, {count(failed)} failed"),
        (
            "sampled",
            count(service["sampled_calls"]),
            f"{service['sampling_rate_pct']:g}% by request id; {count(ledger.sampled)} records: steps inside, feedback",
        ),
        (
            "delivered",
            count(ledger.delivered),
            f"{count(ledger.sampled)} sampled = {count(ledger.delivered)} delivered + {count(ledger.spooled)} spooled "
            f"+ {count(ledger.in_flight)} in flight + {count(sum(ledger.dropped.values()))} dropped"
            + (f" ({shares(ledger.dropped)})" if ledger.dropped else ""),
        ),
        ("redacted", count(sum(redactions.values())), shares(redactions)),
        (
            "consumed",
            count(tally["consumed"]),
            f"in {count(tally['commits'])} commit{'s' if tally['commits'] != 1 else ''}",
        ),
        ("rejected", count(sum(rejected.values())), shares(rejected)),
        ("duplicates", count(tally["duplicates"]), ""),
        ("unreadable", count(sum(letters.values())), shares(letters)),
        ("kept", count(tally["kept"]), shares(table.signatures)),
        (
            "feedback",
            count(service["feedback"]),
            f"{count(summary.feedback.joined)} on a row or a copy of it; the rest on calls that were not kept",
        ),
    ]
    where = "a broker inside this process" if summary.embedded else summary.broker
    lines = [f"Headrace demo: {summary.seconds:.0f} s, on {where}", "", *figures(rows), ""]
    for number, row in enumerate(table.examples, 1):
        lines += _example_lines(number, row)
    if summary.feedback.example is not None:
        lines += [*_feedback_lines(summary.feedback.example), ""]
    lines += ["Checked", *(_check_line(check.statement, check.figures, holds=check.holds) for check in summary.checks)]
    return [
        *lines,
        "",
        f"The dataset, a Delta table: {summary.dataset_path}",
        f"  {summary.listing}",
        f"  {summary.query}",
        "In a browser:",
        f"  {summary.page}",
    ]


def _example_lines(number: int, row: Mapping[str, Any]) -> list[str]:
    facts = f"{row['latency_ms']:.0f} ms, quality {row['quality']:.2f}, redactions {row['redactions']}"
    lines = [f"Row {number}: {row['signature']} ({facts})"]
    for name in ("input", "output"):
        for field, value in json.loads(row[name]).items():
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            margin = f"  {name:<6}  {field:<9}  "
            wrapped = textwrap.wrap(text, WIDTH - len(margin), max_lines=3, placeholder=" ...") or [""]
            lines += [margin + wrapped[0], *(" " * len(margin) + line for line in wrapped[1:])]
    return [*lines, ""]


def _feedback_lines(said: Mapping[str, Any]) -> list[str]:
    words = f', "{said["comment"]}"' if said["comment"] else ""
    return [f"Feedback on {said['request_id']}, joined to its row: {said['score']:g} {said['label']}{words}"]


def _check_line(statement: str, figures_: str, *, holds: bool) -> str:
    return f"  {'ok    ' if holds else 'FAILED'}  {statement:<42}  {figures_}"
