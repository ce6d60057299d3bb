"""The steps from a dataset version to a program: baseline, optimize, decide, roll out."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from headrace.config import Config
from headrace.config.optimization import Optimization
from headrace_consumers.cycle.artefacts import Baseline, CutMade, CycleStep, Decided, Interval, Optimized
from headrace_consumers.cycle.bootstrap import compared
from headrace_consumers.cycle.deciding import decided, refusal, what_would_help
from headrace_consumers.cycle.errors import CycleError
from headrace_consumers.cycle.job import Job
from headrace_consumers.cycle.numbering import next_number, registered, there_as
from headrace_consumers.cycle.parts import Parts
from headrace_consumers.cycle.run_folder import RunFolder, SignatureFolder, runs_in
from headrace_consumers.cycle.served import check_still_served, noted
from headrace_schemas.dataset_files import folder_name
from headrace_schemas.programs import Program

__all__ = ["ProgramSteps"]


@dataclass(frozen=True, slots=True)
class ProgramSteps:
    """Looks for a better program for a signature, and ships it or does not.

    Attributes:
        config: the configuration.
        run: the run.
        folder: of the signature in it.
        starts_rollouts: whether what is shipped is rolled out.
        parts: see Parts.
    """

    config: Config
    run: RunFolder
    folder: SignatureFolder
    starts_rollouts: bool
    parts: Parts

    @property
    def settings(self) -> Optimization:
        """What holds for the signature."""
        return self.config.optimization.for_signature(self.folder.signature)

    @property
    def module(self) -> str:
        """The module whose program it is."""
        return self.config.optimization.signatures[self.folder.signature].module

    def makers(self) -> dict[CycleStep, Callable[[], dict[str, Any]]]:
        """Return what makes the members of each step's artefact."""
        return {
            CycleStep.BASELINE: self.baseline,
            CycleStep.OPTIMIZE: self.optimize,
            CycleStep.DECIDE: self.decide,
            CycleStep.ROLL_OUT: self.roll_out,
        }

    def baseline(self) -> dict[str, Any]:
        """Measure the program as it is served."""
        settings = self.settings
        served = self.parts.shipping.served(self.module)
        program_json = self._program_json(None if served is None else served.digest)
        found = self.parts.work(self._job("baseline", served=program_json), self.parts.progress)
        measured, notes = noted(served, found.pop("misfit", None))
        refused = refusal(settings, len(found["scores"]), found["unverified_share"], reads_labels=found["reads_labels"])
        if found["failed"]:
            notes.append(f"the program raised on {found['failed']} examples, which score 0")
        program = self.config.optimization.signatures[self.folder.signature].program
        facts = {"program": program, "metric": settings.metric, "refused": refused, "served": measured}
        return {**found, **facts, "notes": notes}

    def optimize(self) -> dict[str, Any]:
        """Let the optimizer look for a better program, and test it."""
        settings, baseline = self.settings, self.folder.need(Baseline)
        number = next_number([*self.parts.shipping.versions(self.module), *self._other_files()])
        found = self.parts.work(
            self._job(
                "optimize",
                number=number,
                served=self._program_json(None if baseline.served is None else baseline.served.digest),
                baseline=baseline.scores,
                reserved_calls=baseline.lm_calls,
                reserved_usd=baseline.cost_usd,
            ),
            self.parts.progress,
        )
        program = found.pop("program")
        members = {**found, "optimizer": settings.optimizer}
        if program is None:
            return {**members, "file": None, "file_sha256": None, "number": None, "comparison": None, "notes": []}
        ids = sorted(baseline.scores)
        comparison = compared(
            [baseline.scores[each] for each in ids],
            [found["scores"][each] for each in ids],
            confidence=settings.confidence,
            seed=settings.seed,
        )
        interval = Interval(**asdict(comparison))
        content = self._file(program, interval, found)
        path = self.folder.path / f"{folder_name(self.folder.signature)}_optimized_v{number}.json"
        self.folder.write(path, content)
        notes = [f"the candidate raised on {found['failed']} examples, which score 0"] if found["failed"] else []
        if found["stopped"]:
            what = "calls of LMs" if found["stopped"] == "lm_calls" else "the cost"
            notes.append(f"stopped as the budget of {what} was spent; the best candidate until then was tested")
        return {
            **members,
            "file": path.name,
            "file_sha256": hashlib.sha256(content).hexdigest(),
            "number": number,
            "comparison": interval,
            "notes": notes,
        }

    def decide(self) -> dict[str, Any]:
        """Decide whether it is shipped."""
        settings, baseline = self.settings, self.folder.need(Baseline)
        required = settings.min_improvement_pct
        if baseline.refused is not None:
            reason = what_would_help(self.folder.signature, settings, baseline)
            return {"outcome": baseline.refused, "reason": reason, "required_pct": required}
        outcome, reason = decided(settings, self.folder.need(Optimized))
        return {"outcome": outcome, "reason": reason, "required_pct": required}

    def roll_out(self) -> dict[str, Any]:
        """Put what is shipped into the registry, and start its rollout."""
        nothing = {"registered": None, "rollout_id": None, "command": None}
        if self.folder.need(Decided).outcome != "ship":
            return nothing
        optimized = self.folder.need(Optimized)
        assert optimized.file is not None  # noqa: S101  # it is shipped
        path = self.folder.path / optimized.file
        program = Program.decoded(self._shipped(path, optimized))
        shipping, module = self.parts.shipping, self.module
        own = there_as(program, shipping.versions(module)).values()
        check_still_served(self.folder, self.folder.need(Baseline), shipping.served(module), own)
        there = registered(shipping, program)
        if there is None:
            note = f"registry.path is not set: services do not find it; the artefact is {path}"
            return {**nothing, "notes": [note]}
        version, digest = there
        notes = []
        if version != program.version:
            notes.append(f"another run has taken {program.version} meanwhile; it is registered as {version}")
        begun = shipping.start(module, digest) if self.starts_rollouts and self.settings.rollout else None
        if begun is None:
            command = shipping.command(module, version)
            notes.append(f"start its rollout: {command}")
            return {**nothing, "registered": digest, "command": command, "notes": notes}
        return {
            "registered": digest,
            "rollout_id": begun.rollout_id,
            "command": None,
            "details": dict(begun.details),
            "notes": notes,
        }

    def _program_json(self, digest: str | None) -> str | None:
        return None if digest is None else self.parts.shipping.program(digest).decode()

    def _job(self, task: str, **more: Any) -> Job:
        made = self.folder.need(CutMade)
        return Job(
            task=task,
            config=self.config.model_dump(mode="json"),
            signature=self.folder.signature,
            folder=str(self.folder.path),
            version=made.version,
            fields=made.fields,
            **more,
        )

    def _file(self, program: dict[str, Any], interval: Interval, found: dict[str, Any]) -> bytes:
        settings = self.settings
        scores = {
            "metric": settings.metric,
            "optimizer": settings.optimizer,
            "trials": len(found["trials"]),
            "split": "test",
            "examples": interval.examples,
            "baseline": interval.baseline,
            "optimized": interval.candidate,
            "improvement": interval.relative,
            "difference": interval.difference,
            "interval": [interval.low, interval.high],
            "confidence": interval.confidence,
        }
        return json.dumps({**program, "scores": scores}, indent=1, ensure_ascii=False).encode() + b"\n"

    def _shipped(self, path: Path, optimized: Optimized) -> bytes:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise CycleError(f"{path}: cannot be read ({error.strerror}); nothing is shipped") from None
        if hashlib.sha256(content).hexdigest() != optimized.file_sha256:
            raise CycleError(
                f"{path}: is not the file that was tested (its SHA-256 is another), somebody changed it; nothing is "
                f"shipped. Remove {self.folder.file_of(Optimized.step)} and what follows it, and it is made anew"
            )
        return content

    def _other_files(self) -> Iterator[str]:
        here = self.run.path.resolve()
        for run in runs_in(Path(self.config.optimization.path)):
            for signature, each in self.config.optimization.signatures.items():
                if each.module == self.module and (run.path.resolve() != here or signature != self.folder.signature):
                    yield from (path.name for path in run.of(signature).path.glob("*_optimized_v*.json"))
