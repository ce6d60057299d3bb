"""`headrace sampling adapt`: rates that spend a budget of records a second where examples are short or calls fail."""

import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from headrace_consumers.cli.options import AsJson, ConfigPath
from headrace_consumers.cli.present import columns, print_json, print_lines
from headrace_consumers.cli.signals import stop_on_signals

if TYPE_CHECKING:
    from headrace.config import Config
    from headrace.control import SamplingOrder

__all__ = ["EXAMPLE", "command", "own_rate_pct"]

EXAMPLE: Final = "Example: headrace sampling adapt --budget 20 --every 300"
BY: Final = "headrace sampling adapt"
"""Who gave an order; those of people are left alone."""
_SQL: Final = (
    "select environment, signature, count(*) from dataset where capture_level = 'full' group by environment, signature"
)
_MOST_SIGNATURES: Final = 100_000
_LEAST_BUDGET: Final = 0.01
"""Of the budget, for modules that nobody has given a rate, whatever people have ordered for others."""


@dataclass(frozen=True, slots=True)
class Row:
    """A module, and what became of its rate.

    Attributes:
        name: environment/service/module.
        calls_per_s: all of its calls.
        failure_share: of these.
        examples: of its signatures; of several the fewest.
        before_pct: the rate that an order set; None: none did.
        rate_pct: the rate that fits.
        what: ordered, kept (it differs too little), or left (somebody else has ordered).
    """

    name: str
    calls_per_s: float
    failure_share: float
    examples: int
    before_pct: float | None
    rate_pct: float
    what: str


def command(
    *,
    budget: Annotated[
        float, typer.Option("--budget", min=0.001, metavar="RECORDS", help="Sampled calls a second, of all together.")
    ],
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
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the rates, order none.")] = False,
    config_path: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Give each module a sampling rate: more where examples are short or calls fail, within a budget for all.

    Rates go out as sampling orders, like those of `sampling set`. A module that somebody has given a rate of its own
    keeps it. Each record carries the rate it was sampled at, so estimates stay right while rates change.
    """
    from headrace.config import load
    from headrace.errors import HeadraceError, UsageError

    if least > most:
        raise UsageError(f"--least: found {least:g}, expected at most --most, {most:g}")
    config = load(config_path)
    limits = {"budget_per_s": budget, "wanted": examples, "least_pct": least, "most_pct": most}
    stop = threading.Event()

    def once() -> None:
        rows = _adapted(config, limits, window_s, dry_run=dry_run)
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
                sys.stderr.write(f"headrace: {error}\n")
            stop.wait(every_s)


def _adapted(config: "Config", limits: dict[str, Any], window_s: float, *, dry_run: bool) -> list[Row]:
    from headrace.control import ANY, SamplingOrder, SamplingScope
    from headrace_consumers.balancing.observing import observed
    from headrace_consumers.balancing.rates import Demand, rates_for, worth_an_order
    from headrace_consumers.control import ControlTopic
    from headrace_consumers.topics.reading import TopicReader

    now_ms = time.time_ns() // 1_000_000
    reader = TopicReader(config, config.kafka.topics.statistics)
    found = [
        each for each in observed(reader.read(starts=reader.starts_at(now_ms - int(1000 * window_s)))) if each.calls
    ]
    there = _examples(config)
    demands = [
        Demand(
            environment=each.environment,
            service=each.service,
            module=each.module,
            calls_per_s=each.calls / window_s,
            failure_share=min(1.0, each.failures / each.calls),
            examples=min(there.get((each.environment, signature), 0) for signature in each.signatures),
        )
        for each in found
    ]
    topic = ControlTopic(config)
    in_force = {order.scope: order for order in topic.read().orders.listed()}
    scopes = [SamplingScope(each.environment, each.service or ANY, each.module) for each in demands]
    before = [in_force.get(scope) for scope in scopes]
    rows = []
    free, budget = [], limits["budget_per_s"]
    for each, scope, order in zip(demands, scopes, before, strict=True):
        rate_pct = None if order is None else own_rate_pct(order)
        if rate_pct is None:
            free.append((each, scope, order))
            continue
        budget -= each.calls_per_s * rate_pct / 100  # what people have ordered is spent first
        rows.append(Row(scope.name, each.calls_per_s, each.failure_share, each.examples, rate_pct, rate_pct, "left"))
    limits = {**limits, "budget_per_s": max(budget, _LEAST_BUDGET * limits["budget_per_s"])}
    for (each, scope, order), exact_pct in zip(free, rates_for([each for each, _, _ in free], **limits), strict=True):
        rate_pct = float(f"{exact_pct:.3g}")
        before_pct = None if order is None else order.rate_pct
        what = "ordered" if worth_an_order(rate_pct, before_pct) else "kept"
        rows.append(Row(scope.name, each.calls_per_s, each.failure_share, each.examples, before_pct, rate_pct, what))
        if what == "ordered" and not dry_run:
            enabled = None if order is None else order.enabled
            topic.write(
                SamplingOrder(scope=scope, rate_pct=rate_pct, enabled=enabled, updated_at_ms=now_ms, updated_by=BY)
            )
    return rows


def own_rate_pct(order: "SamplingOrder") -> float | None:
    """Return the rate that somebody has given a module, 0 where it is off; None: nobody has given it one."""
    if order.enabled is False:
        return 0.0
    return None if order.updated_by.startswith(BY) else order.rate_pct


def _examples(config: "Config") -> dict[tuple[str, str], int]:
    """Return environment and signature -> examples in the table; where there is no table yet, there are none."""
    from headrace_consumers.cli.querying import query
    from headrace_consumers.cli.table_access import TableReadError

    try:
        rows = query(config.dataset, _SQL, _MOST_SIGNATURES).rows
    except TableReadError as error:
        sys.stderr.write(f"headrace: every signature counts as without examples: {error}\n")
        return {}
    return {(environment, signature): count for environment, signature, count in rows}


def _lines(rows: list[Row], *, dry_run: bool) -> list[str]:
    if not rows:
        return ["no calls in the window: no rate is changed"]
    header = ("environment/service/module", "calls/s", "failed", "examples", "rate", "before", "")
    shown = [
        (
            row.name,
            f"{row.calls_per_s:.3g}",
            f"{row.failure_share:.1%}",
            f"{row.examples:,}",
            f"{row.rate_pct:g} %",
            "-" if row.before_pct is None else f"{row.before_pct:g} %",
            "would be ordered" if dry_run and row.what == "ordered" else row.what,
        )
        for row in rows
    ]
    spent = sum(row.calls_per_s * row.rate_pct / 100 for row in rows)
    return [*columns([header, *shown], right=frozenset(range(1, 6))), f"together {spent:.3g} records a second"]


def _as_dict(row: Row) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__slots__}
