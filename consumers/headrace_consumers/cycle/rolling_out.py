"""What the step "roll out" needs of others: a registry for the artefact, and whoever starts rollouts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["Begun", "Shipping"]


@dataclass(frozen=True, slots=True)
class Begun:
    """A rollout that was started, or had been already.

    Attributes:
        rollout_id: names it.
        details: what it was begun with.
    """

    rollout_id: str
    details: Mapping[str, Any]


class Shipping(Protocol):
    """Puts artefacts where services find them, and starts rollouts; each of it again changes nothing."""

    def versions(self, module: str) -> Mapping[str, str]:
        """Return version -> digest of what the registry has of a module; empty: nothing, or there is no registry."""

    def register(self, program: bytes) -> str | None:
        """Put an artefact into the registry, return its digest; None: no registry is configured.

        Raises:
            HeadraceError: it cannot be put there.
        """

    def start(self, module: str, digest: str) -> Begun | None:
        """Start the rollout of a registered version, or find the one that was started; None: nobody starts any here.

        Raises:
            HeadraceError: it cannot be started, e.g. as another one runs.
        """

    def command(self, module: str, version: str) -> str:
        """Return the command that starts it by hand."""
