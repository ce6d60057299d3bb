"""`headrace cycle run`: the configuration, the tables, the log and whoever ships are brought to the cycle."""

import datetime as dt
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from headrace_consumers.cli.present import print_json

if TYPE_CHECKING:
    from headrace.config import Config
    from headrace_consumers.cycle.parts import Plan
    from headrace_consumers.cycle.running import Ran
    from headrace_consumers.cycle.supervision import OnProgress

__all__ = ["Asked", "ran"]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command was given."""

    config_path: Path | None
    output_dir: Path | None
    signatures: tuple[str, ...]
    until: str
    starts_rollouts: bool
    log_file: Path | None
    writes_log: bool
    as_json: bool


def ran(asked: Asked) -> int:
    """Run the cycle; return the exit code.

    Raises:
        HeadraceError: it cannot begin, or a signature's step failed.
    """
    from headrace.config import load
    from headrace_consumers.cli.cycle_shipping import CycleShipping
    from headrace_consumers.cli.versions_tables import opened_tables
    from headrace_consumers.cycle.artefacts import CycleStep
    from headrace_consumers.cycle.aside import placed
    from headrace_consumers.cycle.parts import Parts
    from headrace_consumers.cycle.run_lock import held
    from headrace_consumers.cycle.running import run
    from headrace_consumers.cycle.supervision import worked
    from headrace_consumers.kill_points import hook_from_environment
    from headrace_consumers.versions.shelf.publishing import CutStep

    config = load(asked.config_path)
    now = _now()
    until = _step(asked.until)
    plan = _plan(config, asked, now)
    with ExitStack() as stack:
        lock = stack.enter_context(held(_made(plan.folder)))
        there = placed(plan.folder, plan.id, Path(config.optimization.path))
        plan = replace(plan, id=there.id)
        log = stack.enter_context(_log(asked, plan))
        progress = stack.enter_context(_progress(log))

        def say(line: str) -> None:
            log.say(line)
            if not asked.as_json:
                sys.stdout.write(f"{line}\n")
                sys.stdout.flush()

        if there.told is not None:
            say(f"note: {there.told}")
        say(f"cycle {plan.id}: {plan.folder}")
        parts = Parts(
            now=_now,
            seconds=time.monotonic,
            open_tables=opened_tables,
            work=lambda job, on_progress: worked(job, on_progress, lock),
            shipping=CycleShipping(config),
            hook=hook_from_environment(steps=(*CycleStep, *CutStep)),
            say=say,
            progress=progress,
        )
        found = run(config, plan, parts, until)
        for each in found:
            if each.failure is not None:
                log.say(f"{each.signature}: FAILED: {each.failure}")
        return _ended(found, plan, asked, config, say)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _ended(found: "list[Ran]", plan: "Plan", asked: Asked, config: "Config", say: Any) -> int:
    from headrace_consumers.cycle.errors import CycleError

    failures = [each for each in found if each.failure is not None]
    if asked.as_json:
        from headrace_consumers.cycle.listing import told_of
        from headrace_consumers.cycle.run_folder import RunFolder

        print_json(
            {**told_of(RunFolder(plan.folder)), "failures": {each.signature: str(each.failure) for each in failures}}
        )
    if len(failures) == 1 and failures[0].failure is not None:
        raise failures[0].failure
    if failures:
        lines = "; ".join(f"{each.signature}: {each.failure}" for each in failures)
        raise CycleError(f"{len(failures)} of {len(found)} signatures failed: {lines}")
    if all(each.was_done and each.is_complete for each in found):
        period = "week" if config.optimization.schedule == "weekly" else "month"
        say(
            f"cycle {plan.id} is done; the next is the next {period}'s, or give another --output-dir. "
            "headrace cycle show tells what it found"
        )
    return 0


def _plan(config: "Config", asked: Asked, now: dt.datetime) -> "Plan":
    """Return which run it is.

    Raises:
        ConfigError: no signature is configured.
        UsageError: one that is asked for is not.
    """
    from headrace.errors import ConfigError, UsageError
    from headrace_consumers.cycle.parts import Plan, period_of

    known = config.optimization.signatures
    if not known:
        raise ConfigError(
            "optimization.signatures: names no signature; e.g. "
            '{"ClassifyTicket": {"program": "app.triage:Triage", "module": "triage"}}'
        )
    if unknown := [each for each in asked.signatures if each not in known]:
        raise UsageError(f"--signature {unknown[0]}: is not in optimization.signatures, which has {', '.join(known)}")
    period = period_of(config.optimization.schedule, now)
    folder = asked.output_dir or Path(config.optimization.path) / f"optimization_{period}"
    return Plan(period, folder, asked.signatures or tuple(known), asked.starts_rollouts)


def _step(name: str) -> Any:
    from headrace.errors import UsageError
    from headrace_consumers.cycle.artefacts import CycleStep

    try:
        return CycleStep(name.replace("_", "-"))
    except ValueError:
        raise UsageError(f"--until {name}: expected one of {', '.join(CycleStep)}") from None


def _made(folder: Path) -> Path:
    from headrace_consumers.cycle.errors import CycleError
    from headrace_consumers.versions.files.disk import make_folder

    try:
        make_folder(folder)
    except OSError as error:
        raise CycleError(
            f"{folder}: cannot be made ({error.strerror}); check optimization.path and --output-dir"
        ) from None
    return folder


class _Log:
    """The run's log: a line an event, with the time; no payload."""

    def __init__(self, file: TextIO | None) -> None:
        self._file = file

    def say(self, line: str) -> None:
        if self._file is not None:
            self._file.write(f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%SZ} {line}\n")
            self._file.flush()


@contextmanager
def _log(asked: Asked, plan: "Plan") -> Iterator[_Log]:
    """Yield the log: logs/optimization_<YYYYMM>.log, as the document's cron line has it."""
    import os

    from headrace_consumers.cycle.errors import CycleError

    if not asked.writes_log:
        yield _Log(None)
        return
    path = asked.log_file or Path("logs") / f"optimization_{plan.id}.log"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CycleError(
            f"{path}: the log cannot be written ({error.strerror}); give --log-file PATH or --no-log-file"
        ) from None
    with os.fdopen(descriptor, "a", encoding="utf-8", errors="replace") as file:
        yield _Log(file)


@contextmanager
def _progress(log: _Log) -> "Iterator[OnProgress]":
    """Yield what is told how far a step is: trials go to the log, and on a terminal all of it is shown."""
    if not sys.stderr.isatty():
        yield lambda told: _log_trial(log, told)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    shown = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*shown, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, Any] = {}

        def tell(told: Mapping[str, Any]) -> None:
            _log_trial(log, told)
            what = str(told["what"])
            if what not in tasks:
                for each in tasks.values():
                    bar.remove_task(each)
                tasks.clear()
                tasks[what] = bar.add_task(what)
            bar.update(tasks[what], completed=told["done"], total=told["total"], description=_described(told))

        yield tell


def _described(told: Mapping[str, Any]) -> str:
    if told["what"] != "trials":
        return str(told["what"])
    best = "" if told["best"] is None else f", best {told['best']:.1f}"
    cost = f", ${told['cost_usd']:.2f}" if told["cost_usd"] else ""
    return f"trials, now {told['score']:.1f}{best}, {told['lm_calls']:,} LM calls{cost}"


def _log_trial(log: _Log, told: Mapping[str, Any]) -> None:
    if told["what"] == "trials":
        of = f" of {told['total']}" if told["total"] else ""
        log.say(f"trial {told['done']}{of}: {_described(told).removeprefix('trials, ')}")
