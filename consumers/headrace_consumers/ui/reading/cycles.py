"""The runs of the optimization cycle: those that were begun under the configuration, wherever their folders are."""

import hashlib
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from headrace_consumers.cycle.listing import told_of
from headrace_consumers.cycle.run_folder import RunFolder, runs_in
from headrace_consumers.ui.page import NothingThereError
from headrace_consumers.ui.sources import Sources

__all__ = ["Origin", "listed_runs", "name_of", "origin_of", "run_of"]

_NAME: Final = 12


@dataclass(frozen=True, slots=True)
class Origin:
    """The run that started a rollout.

    Attributes:
        name: in an address.
        id: of the run.
        signature: whose program it is.
    """

    name: str
    id: str
    signature: str


def name_of(run: RunFolder) -> str:
    """Return what names a run in an address: two folders may have runs of one month."""
    return hashlib.sha256(str(run.path).encode("utf-8", "surrogateescape")).hexdigest()[:_NAME]


def listed_runs(sources: Sources) -> list[dict[str, Any]]:
    """Return what `cycle.listing.told_of` says of each run, the newest first, with its `name`."""
    return [{**_told(sources, each), "name": name_of(each)} for each in reversed(_runs(sources))]


def run_of(sources: Sources, name: str) -> RunFolder:
    """Return the run that an address names.

    Raises:
        NothingThereError: there is none such.
    """
    for each in _runs(sources):
        if name_of(each) == name:
            return each
    raise NothingThereError(f"{name[:80]}: no run of the cycle; the page Cycle has those that there are")


def origin_of(sources: Sources, rollout_id: str) -> Origin | None:
    """Return the run that started a rollout; None: a person did, or a run that is not here."""
    for run in listed_runs(sources):
        for each in run["signatures"]:
            if each["rollout_id"] == rollout_id:
                return Origin(run["name"], run["id"], each["signature"])
    return None


def _runs(sources: Sources) -> list[RunFolder]:
    return runs_in(Path(sources.config.optimization.path))


def _told(sources: Sources, run: RunFolder) -> dict[str, Any]:
    return sources.kept(("run", run.path), _stamp(run), lambda: told_of(run))


def _stamp(run: RunFolder) -> Hashable:
    """Return what is another once a step is done."""
    found = []
    for path in sorted([*run.path.glob("run.json"), *run.path.glob("*/*.json")]):
        try:
            told = path.stat()
        except OSError:
            continue
        found.append((path.name, told.st_mtime_ns, told.st_size))
    return tuple(found)
