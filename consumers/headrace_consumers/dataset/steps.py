"""The named steps of a commit, in their order, and the one test-only hook that lets a test kill a process at them."""

import os
import signal
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final, TypeAlias

from headrace.errors import ConfigError

__all__ = ["KILL_VARIABLE", "Hook", "Step", "hook_from_environment", "no_hook"]

KILL_VARIABLE: Final = "HEADRACE_TEST_KILL_AT"


class Step(StrEnum):
    """What a batch goes through, in this order; killed anywhere, nothing is lost and nothing is twice."""

    DEAD_LETTERS = "dead-letters"
    FILES = "files"
    COMMIT = "commit"
    SEEN_SET = "seen-set"
    OFFSETS = "offsets"


Hook: TypeAlias = Callable[[str], None]
"""Called with ``before:<step>`` and ``after:<step>``."""


def no_hook(point: str) -> None:
    """Do nothing; what production runs with."""
    del point


def hook_from_environment(environ: Mapping[str, str] = os.environ) -> Hook:
    """Return a hook that ends this process with SIGKILL at a point, for tests.

    ``HEADRACE_TEST_KILL_AT=after:commit:3`` kills it the third time that it has committed.

    Raises:
        ConfigError: the variable names no point.
    """
    wanted = environ.get(KILL_VARIABLE)
    if not wanted:
        return no_hook
    edge, _, rest = wanted.partition(":")
    step, _, count = rest.partition(":")
    if edge not in {"before", "after"} or step not in set(Step) or not (count or "1").isdigit():
        raise ConfigError(f"{KILL_VARIABLE}={wanted}: expected (before|after):({'|'.join(Step)})[:COUNT]")
    remaining = int(count or "1")

    def kill(point: str) -> None:
        nonlocal remaining
        if point == f"{edge}:{step}":
            remaining -= 1
            if remaining == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return kill
