"""The N of optimized_v<N>: one more than anybody has, also where two runs have chosen the same one at once."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from headrace_consumers.cycle.errors import CycleError
from headrace_consumers.cycle.rolling_out import Shipping
from headrace_schemas.programs import Program, ProgramError

__all__ = ["next_number", "registered", "there_as"]

_NUMBERED: Final = re.compile(r"optimized_v([1-9][0-9]{0,8})")
_TRIES: Final = 10
"""So many others may take a number while this one looks."""


def next_number(names: Iterable[str]) -> int:
    """Return N of the next optimized_v<N>, given names that have such a part."""
    return max((int(match[1]) for name in names if (match := _NUMBERED.search(name))), default=0) + 1


def there_as(program: Program, versions: Mapping[str, str]) -> dict[str, str]:
    """Return version -> digest where the registry has this program, under its own number or another.

    Args:
        program: the candidate.
        versions: version -> digest, of its module in the registry.
    """
    return {
        version: digest
        for version, digest in versions.items()
        if _NUMBERED.fullmatch(version) and replace(program, version=version).digest == digest
    }


def registered(shipping: Shipping, program: Program) -> tuple[str, str] | None:
    """Put a candidate into the registry, under the next number where another run has taken its own meanwhile.

    Args:
        shipping: see there.
        program: the candidate.

    Returns:
        The version's name and the digest; None: no registry is configured.

    Raises:
        CycleError: others take each number first.
        HeadraceError: it cannot be put there.
    """
    for _ in range(_TRIES):
        versions = shipping.versions(program.module)
        if there := there_as(program, versions):
            version = min(there)
        elif program.version in versions:
            version = f"optimized_v{next_number(versions)}"
        else:
            version = program.version
        try:
            digest = shipping.register(replace(program, version=version).encoded())
        except ProgramError as error:
            if error.reason != "taken":
                raise
            continue
        return None if digest is None else (version, digest)
    raise CycleError(f"{program.module}: others register versions at the same time; start the run again")
