"""`headrace sampling adapt`: rates that spend a budget of records a second where examples are short or calls fail."""

import sys
import threading
import time
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from headrace_consumers.cli.options import AsJson, ConfigPath
from headrace_consumers.cli.present import columns, print_json, print_lines
from headrace_consumers.cli.signals import stop_on_signals

if TYPE_CHECKING:
    from headrace.config import Config
    from headrace_consumers.balancing.planning import Planned

__all__ = ["EXAMPLE", "command"]

EXAMPLE: Final = "Example: headrace sampling adapt --budget 20 --every 300"


def command(
    *,
    budget: Annotated[
        float | None,
        typer.Option(
            "--budget",
            min=0.001,
            metavar="RECORDS",
            show_default=False,
            help="Sampled calls a second, of all together. Needed but with --withdraw.",
        ),
    ] = None,
    examples: Annotated[int, typer.Option(min=1, metavar="N", help="A signature that has so many lacks none.")] = 200,
    least: Annotated[float, typer.Option(min=0.001, max=100, metavar="PCT", help="No rate is below it.")] = 1.0,
    most: Annotated[float, typer.Option(min=0.001, max=100, metavar="PCT", help="No rate is above it.")] = 100.0,
    window_s: Annotated[
        float, typer.Option("--window", min=30, metavar="SECONDS", help="Calls are counted over so long.")
    ] = 600,
    every_s: Annotated[
        float | None,
        typer.Option("--every", min=1, metavar="SECONDS", show_default="once", help="Do it again so often."),
    ] = None,
    withdraw: Annotated[
        bool, typer.Option("--withdraw", help="Take all orders back that were given by this, and give none.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the rates, order none.")] = False,
    config_path: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Give modules a sampling rate: more where examples are short or calls fail, within a budget for all.

    Rates go out as sampling orders, like those of `sampling set`, and are taken back once a module has its examples and
    fails no more than others: then its configuration holds again. A module that somebody has given a rate of its own
    keeps it. Each record carries the rate it was sampled at, so estimates stay right while rates change.

    `headrace consume rollout` does the same all the time where `rollout.sampling.budget_per_s` is set.
    """
    from headrace.config import load
    from headrace.errors import HeadraceError, UsageError
    from headrace_consumers.balancing.adapting import adapt
    from headrace_consumers.balancing.examples import examples_of
    from headrace_consumers.balancing.planning import Limits

    if least > most:
        raise UsageError(f"--least: found {least:g}, expected at most --most, {most:g}")
    if (budget is None) != withdraw:
        raise UsageError("sampling adapt: give --budget RECORDS, or --withdraw without one")
    config = load(config_path)
    if budget is None:
        _withdraw(config, dry_run=dry_run, as_json=as_json)
        return
    limits = Limits(budget_per_s=budget, wanted=examples, least_pct=least, most_pct=most)
    stop = threading.Event()

    def once() -> None:
        rows = adapt(config, limits, window_s, lambda: examples_of(config, _warn), now_ms=_now_ms(), dry_run=dry_run)
        if as_json:
            print_json({"modules": [_as_dict(row) for row in rows]})
        else:
            print_lines(_lines(rows, dry_run=dry_run))
        sys.stdout.flush()

    if every_s is None:
        once()
        return
    with stop_on_signals(stop):
        while not stop.is_set():
            try:
                once()
            except HeadraceError as error:  # the next time may go well: the orders that are in force stay
                _warn(str(error))
            stop.wait(every_s)


def _withdraw(config: "Config", *, dry_run: bool, as_json: bool) -> None:
    from headrace.errors import UsageError
    from headrace_consumers.balancing.adapting import take_all_back

    if dry_run:
        raise UsageError("--dry-run: not with --withdraw; `headrace sampling list` shows the orders")
    orders = take_all_back(config, _now_ms())
    if as_json:
        print_json({"taken_back": [{"name": order.scope.name, "rate_pct": order.rate_pct} for order in orders]})
        return
    print_lines(
        [f"{order.scope.name}: rate {order.rate_pct:g} % taken back" for order in orders] or ["no orders to take back"]
    )


def _lines(rows: "list[Planned]", *, dry_run: bool) -> list[str]:
    if not rows:
        return ["no calls in the window: no rate is changed"]
    header = ("environment/service/module", "calls/s", "failed", "examples", "rate", "before", "")
    shown = []
    for row in rows:
        demand = row.demand
        did = ("-",) * 3
        if demand is not None:
            did = (f"{demand.calls_per_s:.3g}", f"{demand.failure_share:.1%}", f"{demand.examples:,}")
        what = f"would be {row.what}" if dry_run and row.order is not None else row.what
        shown.append((row.scope.name, *did, _pct(row.rate_pct), _pct(row.before_pct), what))
    spent = sum(_spent_per_s(row) for row in rows)
    return [*columns([header, *shown], right=frozenset(range(1, 6))), f"together {spent:.3g} records a second"]


def _spent_per_s(row: "Planned") -> float:
    if row.demand is None:
        return 0.0
    if row.rate_pct is None:
        return row.demand.sampled_per_s
    return row.demand.calls_per_s * row.rate_pct / 100


def _pct(rate_pct: float | None) -> str:
    return "-" if rate_pct is None else f"{rate_pct:g} %"


def _as_dict(row: "Planned") -> dict[str, Any]:
    demand = row.demand
    return {
        "name": row.scope.name,
        "calls_per_s": demand.calls_per_s if demand else 0.0,
        "failure_share": demand.failure_share if demand else 0.0,
        "examples": demand.examples if demand else None,
        "before_pct": row.before_pct,
        "rate_pct": row.rate_pct,
        "what": row.what,
    }


def _warn(line: str) -> None:
    sys.stderr.write(f"headrace: {line}\n")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
