"""A run on disk.

<run>/run.json                                   what it is
<run>/report.html                                made anew whenever a step is done
<run>/<signature>/<step>.json                    the artefacts
<run>/<signature>/<signature>_optimized_v<N>.json    the program that was found
<run>/<signature>/failure.json                   why the next step was not done the last time, see failures
<run>/<signature>/spent.jsonl                    paid calls of LMs
<run>/<signature>/lm_cache/                      answers of LMs, until the last step is done; likewise
<run>/<signature>/found.json, optimizer/         what the search has found, and its state
<run>/optimization_<id>/                         a run of an earlier period that was in this folder, see aside
<optimization.path>/runs/<id>.json               where each run is, for `headrace cycle ls`
"""

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import ValidationError

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
from headrace_consumers.cycle.errors import CycleError
from headrace_consumers.versions.files.disk import make_folder, write_over
from headrace_schemas.dataset_files import folder_name

__all__ = ["REPORT", "RUN", "RunFolder", "SignatureFolder", "runs_in"]

RUN: Final = "run.json"
REPORT: Final = "report.html"
_RUNS: Final = "runs"
_KINDS: Final[dict[CycleStep, type[Artefact]]] = {
    kind.step: kind for kind in (Collected, Gated, CutMade, Baseline, Optimized, Decided, RolledOut)
}

_Kind = TypeVar("_Kind", bound=Artefact)


@dataclass(frozen=True, slots=True)
class SignatureFolder:
    """The artefacts of a signature.

    Attributes:
        signature: whose.
        path: the folder.
    """

    signature: str
    path: Path

    def file_of(self, step: CycleStep) -> Path:
        """Return the artefact's file."""
        return self.path / f"{step}.json"

    @property
    def lm_cache(self) -> Path:
        """Where answers of LMs are kept until the run is over."""
        return self.path / "lm_cache"

    @property
    def spent(self) -> Path:
        """Where paid calls of LMs are noted."""
        return self.path / "spent.jsonl"

    @property
    def found(self) -> Path:
        """Where it is kept what a search has found."""
        return self.path / "found.json"

    @property
    def optimizer(self) -> Path:
        """Where an optimizer keeps its state."""
        return self.path / "optimizer"

    def load(self, kind: type[_Kind]) -> _Kind | None:
        """Return the artefact of a step; None: the step was not done.

        Raises:
            CycleError: it cannot be read, or was made from another one than is there.
        """
        path = self.file_of(kind.step)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise CycleError(f"{path}: cannot be read ({error.strerror})") from None
        try:
            found = kind.model_validate_json(content)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"])) or "the file"
            raise CycleError(
                f"{path}: is no artefact of this release ({where}: {first['msg']}); remove it and what follows it in "
                "the cycle, and these steps are done anew"
            ) from None
        if found.made_from != self.hash_before(kind.step):
            raise CycleError(
                f"{path}: was made from another artefact of the step before than is there; somebody changed one of "
                "them. Remove it, and the step is done anew"
            )
        return found

    def need(self, kind: type[_Kind]) -> _Kind:
        """Return the artefact of a step that was done.

        Raises:
            CycleError: it was not, or see `load`.
        """
        found = self.load(kind)
        if found is None:
            raise CycleError(f"{self.file_of(kind.step)}: is missing; start the run again")
        return found

    def save(self, artefact: Artefact) -> None:
        """Write an artefact; readers see all of it or none.

        Raises:
            CycleError: it cannot be written.
        """
        self.write(self.file_of(artefact.step), artefact.model_dump_json(indent=1).encode() + b"\n")

    def write(self, path: Path, content: bytes) -> None:
        """Write a file of the run, whole or not at all.

        Raises:
            CycleError: it cannot be written.
        """
        try:
            make_folder(path.parent)
            write_over(path, content)
        except OSError as error:
            raise CycleError(f"{path}: cannot be written ({error.strerror}); the step is not done") from error

    def hash_before(self, step: CycleStep) -> str | None:
        """Return the SHA-256 of the last artefact before a step; None: there is none."""
        steps = list(CycleStep)
        for before in reversed(steps[: steps.index(step)]):
            try:
                return hashlib.sha256(self.file_of(before).read_bytes()).hexdigest()
            except OSError:
                continue
        return None

    def done(self) -> list[Artefact]:
        """Return the artefacts that there are, in the steps' order.

        Raises:
            CycleError: see `load`.
        """
        found = (self.load(_KINDS[step]) for step in CycleStep)
        return [each for each in found if each is not None]

    def forget_answers(self) -> None:
        """Remove what was only kept to go on from, and holds people's words: the LMs' answers, the search's state."""
        shutil.rmtree(self.lm_cache, ignore_errors=True)
        shutil.rmtree(self.optimizer, ignore_errors=True)
        self.found.unlink(missing_ok=True)


class RunFolder:
    """The folder of a run.

    Args:
        path: where it is.
    """

    def __init__(self, path: Path) -> None:
        self.path: Final = path

    @property
    def report(self) -> Path:
        """The report."""
        return self.path / REPORT

    def of(self, signature: str) -> SignatureFolder:
        """Return a signature's folder."""
        return SignatureFolder(signature, self.path / folder_name(signature))

    def facts(self) -> dict[str, Any]:
        """Return what run.json says.

        Raises:
            CycleError: it is no run, or cannot be read.
        """
        path = self.path / RUN
        try:
            found = json.loads(path.read_bytes())
        except FileNotFoundError:
            raise CycleError(
                f"{self.path}: is no run of a cycle; headrace cycle ls names those that there are"
            ) from None
        except (OSError, ValueError) as error:
            raise CycleError(f"{path}: cannot be read ({error})") from None
        if not isinstance(found, dict) or not isinstance(found.get("signatures"), list):
            raise CycleError(f"{path}: says nothing of a run")
        return found

    def begin(self, facts: dict[str, Any], runs: Path) -> dict[str, Any]:
        """Note what the run is, and where, unless that was done before; return what is noted.

        Raises:
            CycleError: nothing can be written there.
        """
        try:
            make_folder(self.path)
            if (self.path / RUN).exists():
                known = self.facts()
                signatures = [
                    *known["signatures"],
                    *(each for each in facts["signatures"] if each not in known["signatures"]),
                ]
                facts = {**known, "signatures": signatures}
            write_over(self.path / RUN, json.dumps(facts, indent=1).encode() + b"\n")
            self.point_out(facts, runs)
        except OSError as error:
            raise CycleError(
                f"{error.filename or self.path}: cannot be written ({error.strerror}); check optimization.path and "
                "--output-dir"
            ) from error
        return facts

    def point_out(self, facts: dict[str, Any], runs: Path) -> None:
        """Note where the run is, for those who list runs. OSError passes through."""
        make_folder(runs / _RUNS)
        pointer = {"id": facts["id"], "path": str(self.path.resolve()), "begun_at": facts["begun_at"]}
        name = hashlib.sha256(pointer["path"].encode()).hexdigest()[:16]
        write_over(runs / _RUNS / f"{name}.json", json.dumps(pointer).encode() + b"\n")


def runs_in(root: Path) -> list[RunFolder]:
    """Return the runs that were begun under a configuration, the oldest first; those that are gone are left out."""
    found = []
    for path in (root / _RUNS).glob("*.json"):
        try:
            told = json.loads(path.read_bytes())
            folder = Path(told["path"])
            begun_at = str(told["begun_at"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if (folder / RUN).is_file():
            found.append((begun_at, str(folder)))
    return [RunFolder(Path(folder)) for _, folder in sorted(found)]
