"""`headrace rollout start|status|pause|resume|promote|rollback|history`: candidates, their evidence, and decisions."""

import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeAlias

import typer

from headrace_consumers.cli.options import AsJson, ConfigPath
from headrace_consumers.cli.person import person
from headrace_consumers.cli.present import columns, print_json, print_lines
from headrace_consumers.cli.rollout_lines import HISTORY, as_dict, controller, entry_row, status_lines

if TYPE_CHECKING:
    from headrace_consumers.rollout.moves import Change

__all__ = ["app"]

app = typer.Typer(help="Give a candidate a share of the requests, and see what it is worth.", rich_markup_mode=None)

_FOLLOW: Final = "Running services follow within a second or two; those cut off from the broker, when it is back."

Module: TypeAlias = Annotated[str, typer.Option("--module", "-m", metavar="NAME", help="As statistics name it.")]
OneModule: TypeAlias = Annotated[
    str | None, typer.Option("--module", "-m", metavar="NAME", show_default="all of them", help="Only this module.")
]
Environment: TypeAlias = Annotated[
    str, typer.Option("--environment", metavar="NAME", help="telemetry.environment of the producers.")
]
Reason: TypeAlias = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="Why; it stands in the history.", show_default=False)
]


@app.command(epilog="Example: headrace rollout start --module support --candidate v3")
def start(
    *,
    module: Module,
    candidate: Annotated[
        str, typer.Option("--candidate", metavar="DIGEST|VERSION", help="A program of the registry (registry.path).")
    ],
    baseline: Annotated[
        str | None,
        typer.Option(
            "--baseline",
            metavar="DIGEST|VERSION",
            show_default="what is served now",
            help="What it is compared with, likewise.",
        ),
    ] = None,
    environment: Environment = "production",
    config_path: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Give a candidate the first share of a module's requests; `headrace consume rollout` does the rest.

    The plan, `rollout` in the configuration, is kept with it: what is changed there later holds for later ones.
    """
    from headrace.config import load
    from headrace_consumers.rollout.commands import start as begin

    _check(module, environment)
    change = begin(
        load(config_path),
        environment=environment,
        module=module,
        candidate=candidate,
        baseline=baseline,
        by=person(),
    )
    _print_change(change, as_json=as_json)


@app.command(epilog="Example: headrace rollout status --module support --json")
def status(
    *,
    module: OneModule = None,
    environment: Annotated[
        str | None,
        typer.Option("--environment", metavar="NAME", show_default="all of them", help="Only this environment."),
    ] = None,
    config_path: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Show each module's last rollout: who gets which program, what was counted, what is waited for."""
    from headrace.config import load
    from headrace_consumers.rollout.desk import look

    stands, now_ms = look(load(config_path)), time.time_ns() // 1_000_000
    state = stands.state
    found = [
        each
        for each in state.experiments.values()
        if module in {None, each.module} and environment in {None, each.environment}
    ]
    if as_json:
        print_json(
            {
                "rollouts": [as_dict(each, now_ms, stands.entries) for each in found],
                "written_at_ms": state.written_at_ms,
                "controller": controller(state, now_ms)[0],
            }
        )
        return
    print_lines(
        status_lines(found, now_ms, stands.entries) if found else ["no rollouts; `headrace rollout start` begins one"]
    )
    if any(each.is_comparing for each in found):
        print_lines(controller(state, now_ms)[1])


@app.command(epilog='Example: headrace rollout pause --module support --reason "release at noon"')
def pause(
    *,
    module: Module,
    reason: Reason = "",
    environment: Environment = "production",
    config_path: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Leave the candidate its share: it goes no further up and its time does not run out; a breach takes it back."""
    _order("pause", module, environment, reason, config_path, as_json=as_json)


@app.command(epilog="Example: headrace rollout resume --module support")
def resume(
    *,
    module: Module,
    reason: Reason = "",
    environment: Environment = "production",
    config_path: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Go on with a rollout that is paused or halted; after a halt its stage begins anew."""
    _order("resume", module, environment, reason, config_path, as_json=as_json)


@app.command(epilog="Example: headrace rollout promote --module support --to-all --reason hotfix")
def promote(
    *,
    module: Module,
    to_all: Annotated[bool, typer.Option("--to-all", help="All requests at once, not the next stage.")] = False,
    reason: Reason = "",
    environment: Environment = "production",
    config_path: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Take the candidate one stage up, whatever the evidence says; who did it stands in the history."""
    _order("promote", module, environment, reason, config_path, as_json=as_json, to_all=to_all)


@app.command(epilog='Example: headrace rollout rollback --module support --reason "wrong prices"')
def rollback(
    *,
    module: Module,
    reason: Reason = "",
    environment: Environment = "production",
    config_path: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Give all requests back to the baseline, also of a candidate that was promoted."""
    _order("rollback", module, environment, reason, config_path, as_json=as_json)


@app.command(epilog="Example: headrace rollout history --module support --json-lines > audit.jsonl")
def history(
    *,
    module: OneModule = None,
    environment: Annotated[
        str | None,
        typer.Option("--environment", metavar="NAME", show_default="all of them", help="Only this environment."),
    ] = None,
    json_lines: Annotated[
        bool, typer.Option("--json-lines", help="Print each decision as one line of JSON, with its numbers.")
    ] = False,
    config_path: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """List all decisions, the oldest first: who or what, why, and by which numbers."""
    from headrace.config import load
    from headrace_consumers.rollout.desk import look

    entries = [
        each
        for each in look(load(config_path)).entries
        if module in {None, each.module} and environment in {None, each.environment}
    ]
    if json_lines:
        import json

        for each in entries:
            sys.stdout.write(json.dumps(asdict(each), ensure_ascii=True) + "\n")
        return
    if as_json:
        print_json({"decisions": [asdict(each) for each in entries]})
        return
    print_lines(columns([HISTORY, *map(entry_row, entries)]) if entries else ["no decisions yet"])


def _order(
    what: "Literal['pause', 'resume', 'promote', 'rollback']",
    module: str,
    environment: str,
    reason: str,
    config_path: ConfigPath,
    *,
    as_json: bool,
    to_all: bool = False,
) -> None:
    from headrace.config import load
    from headrace_consumers.rollout.commands import order

    _check(module, environment)
    change = order(
        load(config_path),
        what,
        environment=environment,
        module=module,
        by=person(),
        reason=reason or f"by {person()}",
        to_all=to_all,
    )
    _print_change(change, as_json=as_json)


def _check(module: str, environment: str) -> None:
    from headrace.errors import UsageError
    from headrace_schemas.names import is_valid_name, to_valid_name

    for option, name in (("--module", module), ("--environment", environment)):
        if not is_valid_name(name):
            hint = f"; statistics name it {to_valid_name(name)}" if name else ""
            raise UsageError(f"{option}: found {name!r}, expected at most 128 of A-Z a-z 0-9 _ . -{hint}")


def _print_change(change: "Change", *, as_json: bool) -> None:
    entry = change.entry
    if as_json:
        print_json(asdict(entry))
        return
    share = f"{entry.candidate.version} gets {entry.share:.0%} of the requests (before: {entry.share_before:.0%})"
    name, state = f"{entry.environment}/{entry.module}", entry.state.replace("_", " ")
    print_lines([f"{name}: {entry.rollout_id} is {state}, {share}", _FOLLOW])
