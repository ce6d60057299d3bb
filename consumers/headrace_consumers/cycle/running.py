"""A run from its first step to its last, one signature after the other; what is done is not done again."""

import json
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from headrace.config import Config, shown
from headrace.errors import HeadraceError
from headrace_consumers.cycle.artefacts import (
    Artefact,
    Baseline,
    Collected,
    CutMade,
    CycleStep,
    Decided,
    Gated,
    Optimized,
    RolledOut,
)
from headrace_consumers.cycle.data_steps import DataSteps
from headrace_consumers.cycle.errors import CycleError
from headrace_consumers.cycle.failures import Failure, forget_failure, keep_failure
from headrace_consumers.cycle.narrating import narrated
from headrace_consumers.cycle.parts import Parts, Plan
from headrace_consumers.cycle.program_steps import ProgramSteps
from headrace_consumers.cycle.report import report
from headrace_consumers.cycle.run_folder import RunFolder, SignatureFolder
from headrace_consumers.cycle.run_lock import held_signature
from headrace_consumers.versions.cutting.cut import signature_folder
from headrace_consumers.versions.files.disk import make_folder, write_over
from headrace_schemas.dataset_files import USED_BY_FOLDER

__all__ = ["Ran", "run"]

_ORDER: Final[tuple[type[Artefact], ...]] = (Collected, Gated, CutMade, Baseline, Optimized, Decided, RolledOut)


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of a signature.

    Attributes:
        signature: whose.
        last: its last artefact; None: not even the first step is done.
        failure: why it went no further; None: it did what was asked.
        was_done: whether nothing was left to do.
    """

    signature: str
    last: Artefact | None
    failure: HeadraceError | None
    was_done: bool

    @property
    def is_complete(self) -> bool:
        """Whether the last step is done."""
        return isinstance(self.last, RolledOut)


def run(config: Config, plan: Plan, parts: Parts, until: CycleStep) -> list[Ran]:
    """Do the steps of each signature, up to and with `until`. The run's lock is held.

    Args:
        config: the configuration.
        plan: which run.
        parts: see Parts.
        until: the last step to do.

    Raises:
        CycleError: the run's folder cannot be used.
    """
    folder = RunFolder(plan.folder)
    settings: dict[str, Any] = shown(config)["optimization"]
    facts = folder.begin(
        {
            "format": 1,
            "id": plan.id,
            "key": secrets.token_hex(4),
            "begun_at": f"{parts.now():%Y-%m-%dT%H:%M:%SZ}",
            "signatures": list(plan.signatures),
            "settings": settings,
        },
        Path(config.optimization.path),
    )
    if changed := _changed(facts.get("settings", {}), settings):
        parts.say(f"note: changed since the run began: {', '.join(changed)}; steps that are done stay as they are")
    made_for = f"cycle {facts['id']} {facts['key']}"
    found = []
    for signature in plan.signatures:
        of = folder.of(signature)
        data = DataSteps(config, of, made_for, parts)
        program = ProgramSteps(config, folder, of, plan.starts_rollouts, parts)
        makers = {**data.makers(), **program.makers()}
        found.append(_SignatureRun(config, parts, folder, of, made_for, makers).ran(until))
    return found


@dataclass(frozen=True, slots=True)
class _SignatureRun:
    """A signature's part of the run."""

    config: Config
    parts: Parts
    run: RunFolder
    folder: SignatureFolder
    made_for: str
    makers: Mapping[CycleStep, Callable[[], dict[str, Any]]]

    def ran(self, until: CycleStep) -> Ran:
        """Do what is left of the steps."""
        signature = self.folder.signature
        last: list[Artefact] = []
        try:
            with held_signature(signature_folder(self.config, signature)):
                was_done = self._steps(until, last)
        except HeadraceError as error:
            return Ran(signature, last[-1] if last else None, error, was_done=False)
        except OSError as error:
            return Ran(signature, last[-1] if last else None, CycleError(self._line(error)), was_done=False)
        return Ran(signature, last[-1] if last else None, None, was_done)

    def _steps(self, until: CycleStep, done: list[Artefact]) -> bool:
        """Do them, adding each artefact to `done`; return whether there was nothing to do."""
        was_done = True
        make_folder(self.folder.path)
        for kind in _ORDER:
            found = self.folder.load(kind)
            before = done[-1] if done else None
            if found is None and kind is Optimized and isinstance(before, Baseline) and before.refused is not None:
                continue  # nothing that it could find would be shipped
            if found is None:
                was_done = False
                found = self._made(kind)
                _tell(self.run, self.parts, found)
            done.append(found)
            if isinstance(found, CutMade):
                _use(self.config, found, self.made_for, self.parts)
            if kind.step == until:
                break
        if done and isinstance(done[-1], RolledOut):
            self.folder.forget_answers()
            _marker(self.config, self.folder.signature, self.made_for).unlink(missing_ok=True)
        return was_done

    def _made(self, kind: type[Artefact]) -> Artefact:
        """Do a step; where it fails, keep why."""
        try:
            found = _done(self.folder, kind, self.makers[kind.step], self.parts)
        except (HeadraceError, OSError) as error:
            line = self._line(error) if isinstance(error, OSError) else str(error)
            failed_at = f"{self.parts.now():%Y-%m-%dT%H:%M:%SZ}"
            keep_failure(self.folder, Failure(step=kind.step, failed_at=failed_at, reason=line))
            with suppress(HeadraceError):
                _report(self.run, self.folder)
            raise
        forget_failure(self.folder)
        return found

    def _line(self, error: OSError) -> str:
        return f"{error.filename or self.folder.path}: {error.strerror or error}; start the run again"


def _done(folder: SignatureFolder, kind: type[Artefact], make: Callable[[], dict[str, Any]], parts: Parts) -> Artefact:
    parts.say(f"{folder.signature}: {kind.step} ...")
    parts.hook(f"before:{kind.step}")
    begun = parts.seconds()
    members = make()
    artefact = kind(
        signature=folder.signature,
        made_at=f"{parts.now():%Y-%m-%dT%H:%M:%SZ}",
        took_s=round(parts.seconds() - begun, 3),
        made_from=folder.hash_before(kind.step),
        **members,
    )
    parts.hook(f"after:{kind.step}")
    folder.save(artefact)
    return artefact


def _tell(run_folder: RunFolder, parts: Parts, found: Artefact) -> None:
    for line in narrated(found):
        parts.say(f"{found.signature}: {line}")
    for note in found.notes:
        parts.say(f"{found.signature}: note: {note}")
    _report(run_folder, run_folder.of(found.signature))


def _report(run_folder: RunFolder, folder: SignatureFolder) -> None:
    folder.write(run_folder.report, report(run_folder).encode("utf-8", "replace"))


def _use(config: Config, made: CutMade, made_for: str, parts: Parts) -> None:
    """Say that the version is in use, so that nobody deletes it."""
    path = _marker(config, made.signature, made_for)
    if path.exists():
        return
    make_folder(path.parent)
    since_ms = int(parts.now().timestamp() * 1000)
    write_over(path, json.dumps({"version": made.version, "what": made_for, "since_ms": since_ms}).encode())


def _marker(config: Config, signature: str, made_for: str) -> Path:
    return signature_folder(config, signature) / USED_BY_FOLDER / f"{made_for.replace(' ', '-')}.json"


def _changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return sorted(f"optimization.{name}" for name in {*before, *now} if before.get(name) != now.get(name))
