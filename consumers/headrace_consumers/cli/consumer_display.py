"""What `headrace consume` shows: counts and lag while it runs, on a terminal or in the log, and the sums at its end."""

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from headrace_consumers.cli.present import count, figures, shares

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from headrace_consumers.dataset import Tally
    from headrace_consumers.dataset.status import Status

__all__ = ["ALL", "LOGGED", "OF_FEEDBACK", "Progress", "shown", "status_line", "tally_lines"]

LOGGED: Final = ("consumed", "kept", "duplicates", "outcomes", "rejected", "dead_letters", "commits")
OF_FEEDBACK: Final = ("consumed", "kept", "rejected", "dead_letters", "commits")
ALL: Final = (*LOGGED, "unknown")
_IN_LINE: Final = ("consumed", "kept", "duplicates", "rejected", "dead_letters")


def tally_lines(tally: dict[str, Any], names: "Collection[str]" = ALL) -> list[str]:
    """Return the consumer's counts of these names as aligned lines."""
    rejected, letters, unknown = tally["rejected"], tally.get("dead_letters", {}), tally["unknown"]
    rows = [
        ("consumed", count(tally["consumed"]), ""),
        ("kept", count(tally["kept"]), ""),
        ("duplicates", count(tally["duplicates"]), ""),
        ("rejected", count(sum(rejected.values())), shares(rejected)),
        ("outcomes", count(tally["outcomes"]), ""),
        ("dead letters", count(sum(letters.values())), shares(letters)),
        ("unknown", count(sum(unknown.values())), shares(unknown)),
        ("commits", count(tally["commits"]), ""),
    ]
    return figures([row for row in rows if row[0].replace(" ", "_") in names])


class Progress:
    """Shows the counts and the lag.

    Args:
        show: takes the counts that have changed, and the lag; None: not known yet.
        on_each: also when nothing but the lag has changed.
        names: of the counts.
    """

    def __init__(
        self,
        show: "Callable[[dict[str, Any], int | None], None]",
        *,
        on_each: bool,
        names: "Collection[str]" = LOGGED,
    ) -> None:
        self._names = names
        self._show = show
        self._on_each = on_each
        self._lag: int | None = None
        self._last: tuple[dict[str, Any], int | None] = ({}, None)

    def on_status(self, status: "Status") -> None:
        """Take in how the loop stands."""
        self._lag = status.lag if status.has_joined else None

    def on_progress(self, tally: "Tally") -> None:
        """Show it where it has changed."""
        counts = {name: tally.as_dict()[name] for name in self._names}
        counts_before, lag_before = self._last
        if counts != counts_before or (self._on_each and self._lag != lag_before):
            self._last = (counts, self._lag)
            self._show(counts, self._lag)


@contextmanager
def shown(names: "Collection[str]" = LOGGED) -> "Iterator[Progress]":
    """Yield what shows progress: one live line on a terminal, a log line a commit elsewhere."""
    if not sys.stderr.isatty():
        import structlog

        log = structlog.stdlib.get_logger("headrace.dataset")

        def write(counts: dict[str, Any], lag: int | None) -> None:
            if counts["commits"]:
                log.info("progress", **counts, lag=lag)

        yield Progress(write, on_each=False, names=names)
        return
    from rich.console import Console
    from rich.status import Status as Line

    with Line("waiting for the first record", console=Console(stderr=True)) as line:
        yield Progress(lambda counts, lag: line.update(status_line(counts, lag)), on_each=True, names=names)


def status_line(counts: dict[str, Any], lag: int | None) -> str:
    """Return the counts and the lag, None where it is not known, as one line."""
    shown = [
        f"{name.replace('_', ' ')} {count(sum(of.values()) if isinstance(of, dict) else of)}"
        for name in _IN_LINE
        if (of := counts.get(name)) is not None
    ]
    return "   ".join([*shown, "joining the group" if lag is None else f"lag {count(lag)}"])
