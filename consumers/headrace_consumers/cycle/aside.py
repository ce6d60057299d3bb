"""One folder for run after run, as of a cron line with a fixed `--output-dir`: that of an earlier period is put aside.

<dir>/run.json, <dir>/<signature>/       the run of this period
<dir>/optimization_<id>/                 one of an earlier period, whole

A folder whose name has the run's id in it is that run's, and stays so.
"""

import shlex
from dataclasses import dataclass
from pathlib import Path

from headrace_consumers.cycle.artefacts import CycleStep
from headrace_consumers.cycle.errors import CycleError
from headrace_consumers.cycle.run_folder import RUN, RunFolder
from headrace_consumers.versions.files.disk import fsync_folder, make_folder

__all__ = ["Placed", "is_named_after", "placed"]


@dataclass(frozen=True, slots=True)
class Placed:
    """The run that is meant by a folder.

    Attributes:
        id: of the run: this period's, or the one whose folder it is.
        told: what was put aside, in a line; None: nothing was.
    """

    id: str
    told: str | None = None


def is_named_after(folder: Path, run_id: str) -> bool:
    """Tell whether a folder is for this one run."""
    return run_id in folder.resolve().name


def placed(folder: Path, period: str, runs: Path) -> Placed:
    """Return which run a folder is for, once that of an earlier period is put aside. The folder's lock is held.

    Killed meanwhile, it goes on the next time: run.json is moved last.

    Args:
        folder: where runs are, or will be.
        period: of now.
        runs: optimization.path.

    Raises:
        CycleError: what is there cannot be read or moved.
    """
    run = RunFolder(folder)
    if not (folder / RUN).exists():
        return Placed(period)
    facts = run.facts()
    run_id = str(facts.get("id", period))
    if run_id == period or is_named_after(folder, run_id):
        return Placed(run_id)
    old = RunFolder(_free(folder, run_id))
    try:
        make_folder(old.path)
        for signature in facts["signatures"]:
            _move(run.of(signature).path, old.path)
        _move(run.report, old.path)
        old.point_out(facts, runs)
        _move(folder / RUN, old.path)
    except OSError as error:
        raise CycleError(
            f"{old.path}: run {run_id} cannot be put aside there ({error.strerror}); give another --output-dir"
        ) from error
    open_ = [each for each in facts["signatures"] if not old.of(each).file_of(CycleStep.ROLL_OUT).is_file()]
    going_on = f"headrace cycle run --output-dir {shlex.quote(str(old.path))}"
    how = f"not at its end; {going_on} goes on with it" if open_ else "done"
    return Placed(period, f"run {run_id} was put aside, in {old.path}: it is {how}")


def _free(folder: Path, run_id: str) -> Path:
    """Return where a run is put aside: a place that has no run yet."""
    number, path = 1, folder / f"optimization_{run_id}"
    while (path / RUN).exists():
        number += 1
        path = folder / f"optimization_{run_id}_{number}"
    return path


def _move(path: Path, into: Path) -> None:
    if path.exists():
        path.rename(into / path.name)
        fsync_folder(into)
        fsync_folder(path.parent)
