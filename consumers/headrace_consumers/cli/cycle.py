"""`headrace cycle run|ls|show|report`: the optimization cycle, and its runs."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from headrace_consumers.cli.options import AsJson, ConfigPath
from headrace_consumers.cli.present import columns, print_json, print_lines

if TYPE_CHECKING:
    import datetime as dt

    from headrace.config import Config
    from headrace_consumers.cycle.run_folder import RunFolder

__all__ = ["app"]

app = typer.Typer(
    help="Optimize programs with what was captured: from a dataset to a rollout, or to why there is none.",
    rich_markup_mode=None,
)

RunName: TypeAlias = Annotated[
    str | None,
    typer.Argument(
        metavar="[RUN]",
        show_default=False,
        help="Its id, as `headrace cycle ls` has it, or its folder; else the newest.",
    ),
]


@app.command(epilog="Example: headrace cycle run --config headrace.json")
def run(
    *,
    output_dir: Annotated[
        Path | None,
        typer.Option(
            "--output-dir",
            metavar="DIR",
            show_default=False,
            help="The run's folder; else <optimization.path>/optimization_<YYYYMM>.",
        ),
    ] = None,
    signature: Annotated[
        list[str] | None,
        typer.Option("--signature", "-s", metavar="NAME", show_default=False, help="Only this one's; repeatable."),
    ] = None,
    until: Annotated[
        str,
        typer.Option("--until", metavar="STEP", help="The last step: collect, gate, cut, baseline, optimize, decide."),
    ] = "roll-out",
    no_rollout: Annotated[
        bool, typer.Option("--no-rollout", help="Put what is shipped into the registry, and start no rollout.")
    ] = False,
    log_file: Annotated[
        Path | None,
        typer.Option(
            "--log-file", metavar="PATH", show_default=False, help="Appended to; else logs/optimization_<YYYYMM>.log."
        ),
    ] = None,
    no_log_file: Annotated[
        bool, typer.Option("--no-log-file", help="Write no log; stdout has the same lines.")
    ] = False,
    config_path: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Run the cycle: collect, gate, cut, baseline, optimize, decide, roll out.

    Stopped or killed at any time, the same command goes on where it was; a step that is done is not done again. A run
    is of the month (or week, optimization.schedule): once done, the next one is the next month's. A run of an earlier
    month in the folder is put aside in it, under its id.
    """
    from headrace_consumers.cli.cycle_run import Asked, ran

    code = ran(
        Asked(
            config_path=config_path,
            output_dir=output_dir,
            signatures=tuple(signature or ()),
            until=until,
            starts_rollouts=not no_rollout,
            log_file=log_file,
            writes_log=not no_log_file,
            as_json=as_json,
        )
    )
    if code:
        raise typer.Exit(code)


@app.command("ls", epilog="Example: headrace cycle ls")
def list_runs(*, config_path: ConfigPath = None, as_json: AsJson = False) -> None:
    """List the runs: what is done, what was decided."""
    from headrace.config import load
    from headrace_consumers.cycle.failures import Failure
    from headrace_consumers.cycle.listing import told_of
    from headrace_consumers.cycle.run_folder import runs_in

    config = load(config_path)
    root = Path(config.optimization.path)
    told = [told_of(each) for each in runs_in(root)]
    if as_json:
        print_json(told)
        return
    if not told:
        print_lines([f"{root}: no runs yet; headrace cycle run begins one"])
        return
    rows = [("run", "begun", "signature", "done", "outcome", "test", "folder")]
    rows += [
        (
            each["id"],
            each["begun_at"],
            signature["signature"],
            signature["done"] or "nothing",
            signature["outcome"] or signature["damage"] or ("failed" if signature["failure"] else ""),
            _scores(signature),
            each["path"],
        )
        for each in told
        for signature in each["signatures"]
    ]
    failed = [
        f"{each['id']} {signature['signature']}: {Failure(**signature['failure']).line()}"
        for each in told
        for signature in each["signatures"]
        if signature["failure"]
    ]
    print_lines([*columns(rows), *failed, *(each["damage"] for each in told if each["damage"])])


@app.command(epilog="Example: headrace cycle show 202611")
def show(*, name: RunName = None, config_path: ConfigPath = None, as_json: AsJson = False) -> None:
    """Show a run: each step with its figures, why it was decided so, and why a step failed."""
    from headrace.config import load
    from headrace_consumers.cycle.failures import failure_of
    from headrace_consumers.cycle.narrating import narrated, next_step

    config = load(config_path)
    found = _run_of(config, name)
    facts = found.facts()
    done = {signature: found.of(signature).done() for signature in facts["signatures"]}
    failed = {signature: failure_of(found.of(signature)) for signature in facts["signatures"]}
    if as_json:
        steps = {of: {str(each.step): each.model_dump(mode="json") for each in all_} for of, all_ in done.items()}
        failures = {of: each.as_dict() for of, each in failed.items() if each is not None}
        print_json({**facts, "path": str(found.path), "steps": steps, "failures": failures})
        return
    lines = [f"run {facts['id']}, begun {facts.get('begun_at', '')}: {found.path}"]
    for signature, artefacts in done.items():
        lines += ["", signature]
        for each in artefacts:
            told = [*narrated(each), *(f"note: {note}" for note in each.notes)]
            lines.append(f"  {each.step:<9} {each.made_at}  {told[0]}")
            lines += [f"  {'':<9} {'':<20}  {line}" for line in told[1:]]
        if (failure := failed[signature]) is not None:
            lines.append(f"  {failure.step:<9} {failure.failed_at}  failed: {failure.reason}")
        if (step := next_step(artefacts)) is not None:
            lines.append(f"  {step:<9} {'is next':<20}  {_going_on(config, found)}")
    print_lines(lines)


@app.command(epilog="Example: headrace cycle report --out report.html")
def report(
    *,
    name: RunName = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="PATH", show_default=False, help="Else report.html in the run's folder."),
    ] = None,
    config_path: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Write a run's report: one HTML file with plots, readable offline."""
    from headrace.config import load
    from headrace.errors import HeadraceError
    from headrace_consumers.cycle.report import report as made
    from headrace_consumers.versions.files.disk import write_over

    found = _run_of(load(config_path), name)
    path = found.report if out is None else out
    content = made(found).encode("utf-8", "replace")
    try:
        write_over(path, content)
    except OSError as error:
        raise HeadraceError(f"{path}: cannot be written ({error.strerror})") from error
    print_json({"path": str(path)}) if as_json else print_lines([str(path)])


def _run_of(config: "Config", name: str | None) -> "RunFolder":
    """Return the run that is meant.

    Raises:
        UsageError: there is none such.
    """
    from headrace.errors import UsageError
    from headrace_consumers.cycle.run_folder import RUN, RunFolder, runs_in

    known = runs_in(Path(config.optimization.path))
    if name is None:
        if not known:
            raise UsageError(f"{config.optimization.path}: no runs yet; headrace cycle run begins one")
        return known[-1]
    if (Path(name) / RUN).is_file():
        return RunFolder(Path(name))
    matching = [each for each in known if each.facts()["id"] == name or each.path.name == name]
    if not matching:
        has = ", ".join(dict.fromkeys(each.facts()["id"] for each in known[-10:])) or "none"
        raise UsageError(f"run {name[:80]}: there is none such; there are {has}; or give its folder")
    return matching[-1]


def _going_on(config: "Config", run: "RunFolder") -> str:
    """Return the command that goes on with a run."""
    from headrace_consumers.cycle.aside import is_named_after
    from headrace_consumers.cycle.parts import period_of

    period = period_of(config.optimization.schedule, _now())
    is_usual = run.path.resolve() == (Path(config.optimization.path) / f"optimization_{period}").resolve()
    if is_usual:
        return "headrace cycle run"
    run_id = str(run.facts().get("id", period))
    if run_id == period or is_named_after(run.path, run_id):
        return f"headrace cycle run --output-dir {shlex.quote(str(run.path))}"
    named = run.path.with_name(f"{run.path.name}_{run_id}")  # else it would be put aside for this period's
    here, there = shlex.quote(str(run.path)), shlex.quote(str(named))
    return f"mv {here} {there} && headrace cycle run --output-dir {there}"


def _now() -> "dt.datetime":
    import datetime as dt

    return dt.datetime.now(dt.UTC)


def _scores(signature: dict[str, Any]) -> str:
    before, after = signature["baseline"], signature["optimized"]
    if before is None:
        return ""
    return f"{before:.3f}" if after is None else f"{before:.3f} -> {after:.3f}"
