"""A cycle's run without LMs: a real cut of examples in a pool; worker and shipper only write down what they do.

As a program, `python -m tests.support.cycles FOLDER POINT...`, it is one run after the other, each killed at its point.
"""

import datetime as dt
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headrace.config import Config, load
from headrace_consumers.cycle.artefacts import CycleStep
from headrace_consumers.cycle.job import Job
from headrace_consumers.cycle.parts import Parts, Plan
from headrace_consumers.cycle.rolling_out import Begun, Served
from headrace_consumers.cycle.run_lock import held
from headrace_consumers.cycle.running import Ran, run
from headrace_consumers.versions.cutting.asked import RolloutVersions
from headrace_consumers.versions.reading.tables import Tables
from headrace_schemas.dataset_files import SourceLine

SIGNATURE = "ClassifyTicket"
NOW = dt.datetime(2026, 11, 27, 2, 0, tzinfo=dt.UTC)
LOOSE_GATES = {"max_share_per_source": 1.0, "max_difficulty_deviation": 1.0, "min_categories": 1, "min_examples": 10}


def config_of(folder: Path, versions: Mapping[str, Any] | None = None, **optimization: Any) -> Config:
    """A configuration whose every place is in a folder."""
    return load(
        overrides={
            "dataset": {"path": str(folder / "table")},
            "versions": {
                "path": str(folder / "training_data"),
                "gates": {"default": LOOSE_GATES},
                **(versions or {}),
            },
            "optimization": {
                "path": str(folder / "optimization"),
                "signatures": {SIGNATURE: {"program": "triage:Triage", "module": "triage"}},
                "git_target": 0,
                "synthetic_target": 0,
                "min_test_examples": 5,
                **optimization,
            },
        },
        environ={},
    )


def waiting(folder: Path, count: int = 120, source: str = "import") -> None:
    """Put examples into a pool, as an import does."""
    from headrace_consumers.versions.sources.pool import Pool, pool_path

    Pool(pool_path(folder / "training_data", SIGNATURE, source)).append(  # type: ignore[arg-type]  # a source
        SourceLine(
            inputs={"ticket": f"Number {number}: where is my {('refund', 'parcel', 'invoice')[number % 3]}, please"},
            outputs={"queue": ("billing", "shipping", "other")[number % 3]},
            category=None,
            difficulty=None,
            timestamp_ms=1_790_000_000_000 + number,
            metadata={},
        )
        for number in range(count)
    )


@dataclass
class Worker:
    """Answers jobs by rule, and writes each down.

    Attributes:
        folder: the run's parent, where `jobs` is.
        gain: by how much the candidate is better, on an example the baseline fails.
        changes: what is different in an answer, by task.
        jobs: those done in this process.
    """

    folder: Path
    gain: float = 1.0
    changes: dict[str, dict[str, Any]] = field(default_factory=dict)
    jobs: list[Job] = field(default_factory=list)

    def __call__(self, job: Job, on_progress: Callable[[Mapping[str, Any]], object]) -> Any:
        self.jobs.append(job)
        _note(self.folder / "jobs", job.task)
        on_progress({"what": "test examples", "done": 1, "total": 1})
        return {**getattr(self, job.task)(job), **self.changes.get(job.task, {})}

    def collect(self, job: Job) -> dict[str, Any]:
        targets = job.config["optimization"]
        return {name: {"wanted": targets[f"{name}_target"], "found": 0} for name in ("git", "synthetic")}

    def baseline(self, job: Job) -> dict[str, Any]:
        scores = self._scores(job, lambda number: float(number % 2))
        return {
            "model": "openai/none",
            "signature_hashes": {"classify": "0" * 16},
            "scores": scores,
            "score": sum(scores.values()) / len(scores) if scores else None,
            "failed": 0,
            "reads_labels": True,
            "unverified_share": 0.0,
            "lm_calls": len(scores),
            "cost_usd": 0.0,
        }

    def optimize(self, job: Job) -> dict[str, Any]:
        program = {
            "format": "headrace.program.v1",
            "module": "triage",
            "version": f"optimized_v{job.number}",
            "dataset": {"signature": job.signature, "version": job.version},
            "scores": None,
            "predictors": {
                "classify": {
                    "signature": SIGNATURE,
                    "signature_hash": "0" * 16,
                    "instructions": "Better.",
                    "fields": [],
                    "demos": [],
                }
            },
        }
        scores = self._scores(job, lambda number: 1.0 if number % 2 else self.gain)
        trials = [{"score": score, "is_full": True, "examples": 20} for score in (50.0, 60.0, 90.0)]
        return {
            "trials": trials,
            "stopped": None,
            "program": program,
            "is_changed": True,
            "scores": scores,
            "failed": 0,
            "lm_calls": 100,
            "cost_usd": 0.5,
        }

    def _scores(self, job: Job, of: Callable[[int], float]) -> dict[str, float]:
        test = Path(job.config["versions"]["path"]) / job.signature / str(job.version) / "test.jsonl"
        ids = [json.loads(line)["example_id"] for line in test.read_text().splitlines()]
        return {each: of(number) for number, each in enumerate(ids)}


@dataclass
class Shipper:
    """A registry and a control topic in a file; each of it again changes nothing.

    Attributes:
        known: version -> digest, in the registry.
        now: the version that is served.
        programs: digest -> program.
        taken: versions that others take while this one looks.
        rolled_out: versions that are known from rollouts.
    """

    folder: Path
    has_registry: bool = True
    starts: bool = True
    known: dict[str, str] = field(default_factory=dict)
    now: Served | None = None
    programs: dict[str, bytes] = field(default_factory=dict)
    taken: list[str] = field(default_factory=list)
    rolled_out: RolloutVersions = field(default_factory=RolloutVersions)

    def rollout_versions(self, module: str) -> RolloutVersions:
        return self.rolled_out if module == "triage" else RolloutVersions()

    def served(self, module: str) -> Served | None:
        return self.now if module == "triage" else None

    def program(self, digest: str) -> bytes:
        return self.programs[digest]

    def versions(self, module: str) -> Mapping[str, str]:
        return self.known if module == "triage" else {}

    def register(self, program: bytes) -> str | None:
        from headrace_schemas.programs import Program, ProgramError

        if not self.has_registry:
            return None
        found = Program.decoded(program)
        digest = found.digest
        if self.taken and self.taken[0] == found.version:
            self.known[self.taken.pop(0)] = "f" * 64
        if self.known.setdefault(found.version, digest) != digest:
            raise ProgramError("taken", "somebody has it")
        self.programs[digest] = program
        _note(self.folder / "registered", digest, once=True)
        return digest

    def start(self, module: str, digest: str) -> Begun | None:
        if not self.starts:
            return None
        _note(self.folder / "started", f"{module} {digest}", once=True)
        return Begun(f"{module}-{digest[:8]}", {"share": 0.1})

    def command(self, module: str, version: str) -> str:
        return f"headrace rollout start {module} {version}"


@contextmanager
def _no_tables(_config: Config) -> Iterator[Tables]:
    yield Tables(None)


def cycle(
    folder: Path,
    config: Config,
    *,
    until: CycleStep = CycleStep.ROLL_OUT,
    hook: Callable[[str], object] = lambda _: None,
    work: Any = None,
    shipping: Any = None,
    say: Callable[[str], object] = lambda _: None,
    starts_rollouts: bool = True,
    output_dir: Path | None = None,
) -> list[Ran]:
    """Run the cycle in a folder."""
    plan = Plan("202611", output_dir or folder / "run", tuple(config.optimization.signatures), starts_rollouts)
    plan.folder.mkdir(exist_ok=True, parents=True)
    parts = Parts(
        now=lambda: NOW,
        seconds=time.monotonic,
        open_tables=_no_tables,
        work=work or Worker(folder),
        shipping=shipping or Shipper(folder),
        hook=hook,
        say=say,
        progress=lambda _: None,
    )
    with held(plan.folder):
        return run(config, plan, parts, until)


def noted(path: Path) -> list[str]:
    """What a worker or shipper has written down."""
    return path.read_text().splitlines() if path.exists() else []


def _note(path: Path, line: str, *, once: bool = False) -> None:
    if once and line in noted(path):
        return
    with path.open("a") as file:
        file.write(f"{line}\n")


def _main(folder: Path, points: list[str]) -> None:
    """Run once for each point, in a process each, and print how each ended; what is imported is imported once."""
    import headrace_consumers.versions.cutting.cut  # noqa: F401  # polars is only imported before a fork, not used
    from headrace_consumers.kill_points import KILL_VARIABLE, hook_from_environment

    codes = []
    for point in points:
        pid = os.fork()
        if not pid:
            hook = hook_from_environment({KILL_VARIABLE: point}, steps=tuple(CycleStep))
            (found,) = cycle(folder, config_of(folder), hook=hook)
            os._exit(int(found.failure is not None or not found.is_complete))
        codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    sys.stdout.write(json.dumps(codes))


if __name__ == "__main__":
    _main(Path(sys.argv[1]), sys.argv[2:])
