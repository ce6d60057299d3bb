"""`headrace sampling set|list|unset|adapt`: what running producers capture, changed without a restart."""

import time
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

import typer

from headrace_consumers.cli import sampling_adapt
from headrace_consumers.cli.options import AsJson, ConfigPath
from headrace_consumers.cli.person import moment, person
from headrace_consumers.cli.present import columns, print_json, print_lines

if TYPE_CHECKING:
    from headrace.control import SamplingOrder, SamplingScope

__all__ = ["app"]

app = typer.Typer(help="Change what running producers capture.", rich_markup_mode=None)
app.command("adapt", epilog=sampling_adapt.EXAMPLE)(sampling_adapt.command)

_FOLLOW: Final = "Running producers follow within a second or two; those cut off from the broker, when it is back."

Module: TypeAlias = Annotated[
    str, typer.Option("--module", "-m", metavar="NAME", help="As records name it, or '*' for all.")
]
Service: TypeAlias = Annotated[
    str, typer.Option("--service", metavar="NAME", help="telemetry.service of the producers, or '*' for all.")
]
Environment: TypeAlias = Annotated[
    str, typer.Option("--environment", metavar="NAME", help="telemetry.environment of the producers, or '*' for all.")
]


@app.command("set", epilog="Example: headrace sampling set --module support --rate 25 --environment production")
def set_(
    *,
    module: Module,
    rate: Annotated[
        float | None,
        typer.Option("--rate", metavar="PCT", show_default=False, help="Percentage of requests, 0 to 100."),
    ] = None,
    on: Annotated[
        bool | None, typer.Option("--on/--off", show_default=False, help="Whether calls are captured at all.")
    ] = None,
    service: Service = "*",
    environment: Environment = "*",
    config_path: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Give running producers another sampling rate, or switch their capture on or off.

    Of several orders the most specific wins: one that names the module, then the service, then the environment; but
    what is off for all modules is off for each. A setting that is not given here stays as an earlier order of the same
    scope said. A service whose `telemetry.enabled` is false, or that the kill switch holds off, follows no orders.
    """
    from headrace.config import load
    from headrace.control import SamplingOrder
    from headrace.errors import UsageError
    from headrace_consumers.control import ControlTopic

    scope = _scope(environment, service, module)
    if rate is None and on is None:
        raise UsageError("sampling set: nothing to set; give --rate PCT, --on or --off")
    if rate is not None and not 0 <= rate <= 100:  # noqa: PLR2004  # percent; NaN is refused, too
        raise UsageError(f"--rate: found {rate:g}, expected a percentage from 0 to 100")
    topic = ControlTopic(load(config_path))
    before = next((order for order in topic.read().orders.listed() if order.scope == scope), None)
    order = SamplingOrder(
        scope=scope,
        rate_pct=rate if rate is not None or before is None else before.rate_pct,
        enabled=on if on is not None or before is None else before.enabled,
        updated_at_ms=time.time_ns() // 1_000_000,
        updated_by=person(),
    )
    written = topic.write(order)
    if as_json:
        print_json({**_as_dict(order), "topic": written.topic, "offset": written.offset})
    else:
        print_lines(
            [f"{order.scope.name}: {_said(order)}; written to {written.topic}, offset {written.offset}", _FOLLOW]
        )


@app.command("list", epilog="Example: headrace sampling list --json")
def list_(*, config_path: ConfigPath = None, as_json: AsJson = False) -> None:
    """List the orders in force, as environment/service/module."""
    from headrace.config import load
    from headrace_consumers.control import ControlTopic

    topic = ControlTopic(load(config_path))
    found = topic.read()
    orders = found.orders.listed()
    if as_json:
        ignored = [{"offset": offset, "reason": reason} for offset, reason in found.ignored.values()]
        print_json({"topic": topic.name, "orders": [_as_dict(order) for order in orders], "ignored": ignored})
        return
    header = ("environment/service/module", "says", "since", "by")
    rows = [(order.scope.name, _said(order), moment(order.updated_at_ms), order.updated_by) for order in orders]
    print_lines(columns([header, *rows]) if rows else [f"{topic.name}: no orders; each service's configuration holds"])
    print_lines(f"offset {offset}: ignored by producers: {reason}" for offset, reason in found.ignored.values())


@app.command(epilog="Example: headrace sampling unset --module support --environment production")
def unset(
    *,
    module: Module,
    service: Service = "*",
    environment: Environment = "*",
    config_path: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Take an order back: what less specific orders and each service's configuration say holds again."""
    from headrace.config import load
    from headrace.control import SamplingOrder
    from headrace_consumers.control import ControlError, ControlTopic

    scope = _scope(environment, service, module)
    topic = ControlTopic(load(config_path))
    if scope not in {order.scope for order in topic.read().orders.listed()}:
        raise ControlError(f"sampling unset: no order {scope.name} is in force; `headrace sampling list` shows them")
    written = topic.write(SamplingOrder(scope=scope))
    if as_json:
        print_json({"name": scope.name, "topic": written.topic, "offset": written.offset})
    else:
        print_lines([f"{scope.name}: taken back; written to {written.topic}, offset {written.offset}", _FOLLOW])


def _scope(environment: str, service: str, module: str) -> "SamplingScope":
    from headrace.control import ANY, SamplingScope
    from headrace.errors import UsageError
    from headrace_schemas.names import is_valid_name, to_valid_name

    for option, name in (("--environment", environment), ("--service", service), ("--module", module)):
        if name != ANY and not is_valid_name(name):
            hint = f"; records name it {to_valid_name(name)}" if option == "--module" and name else ""
            raise UsageError(f"{option}: found {name!r}, expected '*' or at most 128 of A-Z a-z 0-9 _ . -{hint}")
    return SamplingScope(environment, service, module)


def _said(order: "SamplingOrder") -> str:
    said = [] if order.rate_pct is None else [f"rate {order.rate_pct:g} %"]
    if order.enabled is not None:
        said.append("on" if order.enabled else "off")
    return ", ".join(said)


def _as_dict(order: "SamplingOrder") -> dict[str, Any]:
    return {
        "name": order.scope.name,
        "rate_pct": order.rate_pct,
        "enabled": order.enabled,
        "updated_at_ms": order.updated_at_ms,
        "updated_by": order.updated_by,
    }
