"""The steps up to a dataset version: collect, gate, cut."""

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from headrace.config import Config
from headrace.datasets.place import Version, deleted_in, versions_in
from headrace_consumers.cycle.artefacts import CycleStep, SourceFound, VerdictFound
from headrace_consumers.cycle.errors import CycleError
from headrace_consumers.cycle.job import Job
from headrace_consumers.cycle.parts import Parts
from headrace_consumers.cycle.provenance import verified
from headrace_consumers.cycle.run_folder import SignatureFolder
from headrace_consumers.versions.cutting.cut import Asked, Done, cut, signature_folder
from headrace_consumers.versions.gates import GATES
from headrace_consumers.versions.reading.survey import survey
from headrace_schemas.dataset_files import PRODUCTION, version_name
from headrace_schemas.dataset_manifest import METADATA

__all__ = ["DataSteps"]

_WHOLE: Final = frozenset(gate.name for gate in GATES if gate.judges == "whole")


@dataclass(frozen=True, slots=True)
class DataSteps:
    """Makes the dataset version of a signature's run.

    Attributes:
        config: the configuration.
        folder: of the signature in the run.
        made_for: names the run; the version has it, so that one that was cut is not cut again.
        parts: see Parts.
    """

    config: Config
    folder: SignatureFolder
    made_for: str
    parts: Parts

    def makers(self) -> dict[CycleStep, Callable[[], dict[str, Any]]]:
        """Return what makes the members of each step's artefact."""
        return {CycleStep.COLLECT: self.collect, CycleStep.GATE: self.gate, CycleStep.CUT: self.cut}

    def collect(self) -> dict[str, Any]:
        """Look what there is, and make examples of other sources up to their targets."""
        optimization = self.config.optimization
        with self.parts.open_tables(self.config) as tables:
            fields = survey(tables.interactions, self.folder.signature, PRODUCTION, lambda _: None)
        rows = fields[0].rows if fields else 0
        job = Job(
            task="collect",
            config=self.config.model_dump(mode="json"),
            signature=self.folder.signature,
            folder=str(self.folder.path),
            fields_hashes=[each.fields_hash for each in fields],
        )
        made = {name: SourceFound(**found) for name, found in self.parts.work(job, self.parts.progress).items()}
        sources = {"telemetry": SourceFound(wanted=optimization.telemetry_target, found=rows), **made}
        notes = [
            f"{name}: {each.found:,} of {each.wanted:,} examples{f', {each.ended}' if each.ended else ''}"
            for name, each in sources.items()
            if each.found < each.wanted
        ]
        if optimization.git_repository is None and made["git"].found < made["git"].wanted:
            notes.append("git: optimization.git_repository names no repository, so no commit was looked at")
        return {"sources": sources, "notes": notes}

    def gate(self) -> dict[str, Any]:
        """Let the gates judge what would be cut.

        Raises:
            CycleError: a gate of the whole is not passed, or a target not reached, and that is asked for.
        """
        done = self._cut(is_rehearsal=True)
        settings = self.config.optimization
        verdicts = [
            VerdictFound(
                gate=each.gate,
                judges="whole" if each.gate in _WHOLE else "examples",
                is_passed=each.is_passed,
                is_judged=each.is_judged,
                threshold=each.threshold,
                figure=each.figure,
                what=each.what,
            )
            for each in done.verdicts
        ]
        if not done.metadata["examples"]:
            raise CycleError(f"{self.folder.signature}: the gates set all examples aside; loosen versions.gates")
        if failed := self._failed(done):
            raise CycleError(
                f"{self.folder.signature}: gates are not passed: {failed}; collect more, change versions.gates, or go "
                "on all the same with optimization.strict_gates false"
            )
        short = [target for target in done.targets if target.to_do]
        if short and settings.require_targets:
            listed = ", ".join(f"{each.source} {each.found:,} of {each.wanted:,}" for each in short)
            raise CycleError(
                f"{self.folder.signature}: targets are not reached: {listed}; {short[0].to_do[0]}; or go on all the "
                "same with optimization.require_targets false"
            )
        notes = [f"gate {each.gate} is not passed: {each.what}" for each in verdicts if not each.is_passed]
        notes += [f"{each.source}: {each.found:,} of {each.wanted:,}; {each.to_do[0]}" for each in short]
        return {
            "examples": done.metadata["examples"],
            "set_aside": dict(done.set_aside),
            "verdicts": verdicts,
            "notes": notes,
        }

    def cut(self) -> dict[str, Any]:
        """Cut the version, or find the one that this run has cut already; verify where its examples come from.

        Raises:
            CycleError: provenance and figures do not agree; the table has changed since the gates.
        """
        version, notes = self._cut_before(), []
        if version is None:
            done = self._cut(is_rehearsal=False)
            assert done.path is not None  # noqa: S101  # it is not strict
            if failed := self._failed(done):
                notes.append(f"since the gates judged, the table has changed: not passed are {failed}")
            version = Version(self.folder.signature, done.path.name, done.path)
        contents = verified(version)
        return {
            "version": version.name,
            "path": str(version.path),
            "fields_hash": version.manifest()["fields_hash"],
            "examples": contents.examples,
            "labels": contents.labels,
            "sources": dict(contents.sources),
            "telemetry_share": contents.telemetry_share,
            "fields": contents.fields,
            "notes": notes,
        }

    def _cut(self, *, is_rehearsal: bool) -> Done:
        signature = self.folder.signature
        rollouts = self.parts.shipping.rollout_versions(self.config.optimization.signatures[signature].module)
        asked = Asked(signature, PRODUCTION, is_rehearsal=is_rehearsal, made_for=self.made_for, rollouts=rollouts)

        def now() -> dt.datetime:
            return self.parts.now()

        with self.parts.open_tables(self.config) as tables:
            return cut(
                self.config,
                asked,
                tables,
                now=now,
                progress=lambda what, count: self.parts.progress({"what": what, "done": count, "total": None}),
            )

    def _failed(self, done: Done) -> str:
        if not self.config.optimization.strict_gates:
            return ""
        return "; ".join(
            f"{each.gate} ({each.what})"
            for each in done.verdicts
            if not each.is_passed and (each.gate in _WHOLE or each.all_offenders.is_empty())
        )

    def _cut_before(self) -> Version | None:
        """Return the version that this run cut before it was killed."""
        folder = signature_folder(self.config, self.folder.signature)
        gone = deleted_in(folder)
        for number in reversed(versions_in(folder)):
            path = folder / version_name(number)
            if number not in gone and _made_for(path) == self.made_for:
                return Version(self.folder.signature, path.name, path)
        return None


def _made_for(path: Path) -> str | None:
    try:
        found: Any = json.loads((path / METADATA).read_bytes())
    except (OSError, ValueError):
        return None
    value = found.get("made_for") if isinstance(found, dict) else None
    return value if isinstance(value, str) else None
