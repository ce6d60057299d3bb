"""Why a step was not done the last time: kept beside the artefacts, until the step is done.

<run>/<signature>/failure.json
"""

from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from headrace_consumers.cycle.artefacts import CycleStep
from headrace_consumers.cycle.errors import CycleError
from headrace_consumers.cycle.run_folder import SignatureFolder

__all__ = ["Failure", "failure_of", "forget_failure", "keep_failure"]

_FILE: Final = "failure.json"


class Failure(BaseModel):
    """A step that failed.

    Attributes:
        step: which.
        failed_at: when, ISO 8601 in UTC.
        reason: in one line.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    step: CycleStep
    failed_at: str
    reason: str

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return self.model_dump(mode="json")

    def line(self) -> str:
        """Return it for people."""
        return f"{self.step} failed at {self.failed_at}: {self.reason}"


def failure_of(folder: SignatureFolder) -> Failure | None:
    """Return how the last step failed; None: none did, or it is done by now."""
    try:
        found = Failure.model_validate_json(_path(folder).read_bytes())
    except (OSError, ValidationError):
        return None
    return None if folder.file_of(found.step).exists() else found


def keep_failure(folder: SignatureFolder, failure: Failure) -> None:
    """Keep it. Where the disk refuses that it is lost: whoever runs the step is told all the same."""
    try:
        folder.write(_path(folder), failure.model_dump_json(indent=1).encode() + b"\n")
    except CycleError:
        return


def forget_failure(folder: SignatureFolder) -> None:
    """Remove it. OSError passes through."""
    _path(folder).unlink(missing_ok=True)


def _path(folder: SignatureFolder) -> Path:
    return folder.path / _FILE
