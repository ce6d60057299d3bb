"""Who uses a version: a marker that a run or a rollout writes, and that keeps the version from being deleted."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace_schemas.dataset_files import USED_BY_FOLDER

__all__ = ["Used", "uses"]


@dataclass(frozen=True, slots=True)
class Used:
    """Somebody uses a version.

    Attributes:
        version: its name; None where the marker cannot be read: then it may be any.
        what: a run, a rollout.
        path: the marker.
    """

    version: str | None
    what: str
    path: Path


def uses(folder: Path) -> list[Used]:
    """Return who uses versions of a signature, by the markers' names. OSError passes through."""
    markers = sorted((folder / USED_BY_FOLDER).glob("*.json"))
    return [_used(path) for path in markers]


def _used(path: Path) -> Used:
    try:
        found: Any = json.loads(path.read_bytes())
        version, what = found["version"], found["what"]
    except (OSError, ValueError, KeyError, TypeError):
        return Used(None, f"what {path.name} says, which cannot be read", path)
    return Used(str(version), " ".join(str(what).split()) or path.stem, path)
