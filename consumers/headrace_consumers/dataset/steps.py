"""The named steps of a commit, in their order, at which tests strike the process."""

import os
import time
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Final

from headrace_consumers import kill_points
from headrace_consumers.kill_points import KILL_VARIABLE, SLOW_VARIABLE, STOP_VARIABLE, Hook, no_hook

__all__ = [
    "KILL_VARIABLE",
    "SLOW_VARIABLE",
    "STOP_VARIABLE",
    "ErasureStep",
    "Hook",
    "MaintenanceStep",
    "Step",
    "hook_from_environment",
    "no_hook",
]


class Step(StrEnum):
    """What a batch goes through, in this order; killed anywhere, nothing is lost and nothing is twice."""

    DEAD_LETTERS = "dead-letters"
    SIGHTINGS = "sightings"
    FILES = "files"
    COMMIT = "commit"
    SEEN_SET = "seen-set"
    OFFSETS = "offsets"


class MaintenanceStep(StrEnum):
    """What maintenance goes through; killed anywhere, nothing is lost and nothing is twice."""

    MERGE = "merge"
    REPLACE = "replace"
    DELETE = "delete"


class ErasureStep(StrEnum):
    """What an erasure goes through; killed anywhere, the next one does the rest."""

    SUPPRESS = "suppress"
    VERSIONS = "versions"
    REWRITE = "rewrite"
    TAKE_OUT = "take-out"
    PURGE = "purge"
    CERTIFICATE = "certificate"


_STEPS: Final = (*Step, *MaintenanceStep, *ErasureStep)


def hook_from_environment(
    environ: Mapping[str, str] = os.environ,
    sleep: Callable[[float], object] = time.sleep,
    steps: Iterable[str] = _STEPS,
) -> Hook:
    """Return a hook that strikes this process at one of its steps; see `kill_points`.

    Raises:
        ConfigError: a variable names no point, or no number of seconds.
    """
    return kill_points.hook_from_environment(environ, sleep, steps=steps)
