"""`headrace dataset why`: where a signature's records are lost, and what to do about it."""

import datetime as dt
from typing import TYPE_CHECKING, Annotated, Final

import typer

from headrace_consumers.cli.options import AsJson, ConfigPath
from headrace_consumers.cli.present import columns, count, figures, print_json, print_lines, shares, shortened

if TYPE_CHECKING:
    from headrace_consumers.fates.loss import Loss

__all__ = ["EXAMPLE", "why"]

EXAMPLE: Final = "Example: headrace dataset why -s ClassifyTicket --last 50000"

_WIDEST: Final = 90


def why(
    *,
    signature: Annotated[str, typer.Option("--signature", "-s", help="As `headrace dataset ls` names it.")],
    last: Annotated[
        int, typer.Option("--last", min=1, help="Look at so many of the topic's newest messages.")
    ] = 10_000,
    commits: Annotated[
        int, typer.Option("--commits", min=1, help="... and of the table's newest commits; its log keeps 20,000.")
    ] = 1_000,
    config_path: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Show where a signature's records are lost on the way to rows, the top reasons, the most repeated inputs, and what
    to do. Filters are asked as they are configured now. Nothing is changed.
    """  # noqa: D205  # the first sentence is Typer's help
    from headrace.config import load
    from headrace_consumers import fates
    from headrace_consumers.fates.loss import Targets, advice

    config = load(config_path)
    loss = fates.why(config, signature, last=last, commits=commits)
    to_do = list(advice(loss, Targets(config.optimization.telemetry_target, config.telemetry.sampling_rate_pct)))
    if as_json:
        print_json({**loss.as_dict(), "to_do": to_do})
        return
    lines = [f"{signature}: {count(loss.rows)} rows", *_stages(loss), *_committed(loss), *_repeated(loss)]
    lines += [f"not looked at: {remark}" for remark in loss.notes]
    print_lines([*lines, "", *(f"-> {line}" for line in to_do or ["nothing stands out"])])


def _stages(loss: "Loss") -> list[str]:
    from headrace_consumers.fates.fate import Outcome

    rows: list[tuple[str, str, str]] = []
    if loss.calls is not None:
        calls = loss.calls
        since = "" if calls.since_ms is None else f", since {_day(calls.since_ms)}"
        rows.append(("calls", count(calls.calls), f"counted by {calls.processes} processes{since}"))
        share = f"{calls.sampled / calls.calls:.1%} of these" if calls.calls else ""
        rows.append(("sampled", count(calls.sampled), share))
    if loss.looked_at is None:
        return ["", *figures(rows)] if rows else []
    found = loss.outcomes
    unreadable = f"; of all {count(loss.unreadable.total())} are unreadable: {shares(loss.unreadable)}"
    rows.append(
        (
            "looked at",
            count(loss.read),
            f"of the newest {count(loss.looked_at)} messages{unreadable * bool(loss.unreadable)}",
        )
    )
    stages = [
        ("not read yet", Outcome.waiting, "does a consumer run?"),
        ("copies", Outcome.copy, "of inputs that have a row"),
        ("outcomes", Outcome.outcome, "without payload, kept for statistics"),
        ("rejected", Outcome.rejected, shares(loss.rejected)),
        ("absent", Outcome.absent, "pass the filter of now, and are no rows"),
        ("rows", Outcome.row, ""),
    ]
    for name, outcome, remark in stages:
        if found[outcome] or outcome is Outcome.row:
            share = f"{found[outcome] / loss.read:.0%}" if loss.read else ""
            rows.append((name, count(found[outcome]), "  ".join(filter(None, [share, remark]))))
    return ["", *figures(rows)]


def _committed(loss: "Loss") -> list[str]:
    told = loss.committed
    if told.since_ms is None:
        return []
    rejected = f", {count(told.rejected.total())} rejected ({shares(told.rejected)})" if told.rejected else ""
    outcomes = f", {count(told.outcomes)} outcomes" if told.outcomes else ""
    commits = f"in the last {count(told.commits)} commits, since {_day(told.since_ms)}"
    return ["", f"{commits}: {count(told.kept)} rows{rejected}{outcomes}"]


def _repeated(loss: "Loss") -> list[str]:
    if not loss.repeated:
        return []
    rows = [(f"{count(each.times)} times", shortened(each.input, _WIDEST)) for each in loss.repeated]
    where = "of all that was read" if loss.repeated_in == "sightings" else "among the messages looked at"
    return ["", f"most repeated inputs, {where}", *columns(rows, right=frozenset({0}))]


def _day(unix_ms: int) -> str:
    return dt.datetime.fromtimestamp(unix_ms / 1000, dt.UTC).strftime("%Y-%m-%d %H:%M")
