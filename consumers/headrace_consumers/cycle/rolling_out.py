"""What the cycle needs of others: a registry for programs, whoever starts rollouts, and what these have brought."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from headrace_consumers.versions.cutting.asked import RolloutVersions

__all__ = ["Begun", "Served", "Shipping"]


@dataclass(frozen=True, slots=True)
class Begun:
    """A rollout that was started, or had been already.

    Attributes:
        rollout_id: names it.
        details: what it was begun with.
    """

    rollout_id: str
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Served:
    """The version of a module that services answer with.

    Attributes:
        version: its name.
        digest: in the registry; None: the code as it is deployed.
        under_way: the rollout that compares another one with it at this time; None: none does.
    """

    version: str
    digest: str | None
    under_way: str | None = None


class Shipping(Protocol):
    """Puts artefacts where services find them, and starts rollouts; each of it again changes nothing."""

    def served(self, module: str) -> Served | None:
        """Return which version is served; None: that is not known here.

        Raises:
            HeadraceError: it cannot be found out.
        """

    def rollout_versions(self, module: str) -> RolloutVersions:
        """Return the versions that are known from rollouts; none: there were none, or that is not known.

        Raises:
            HeadraceError: it cannot be found out.
        """

    def program(self, digest: str) -> bytes:
        """Return a program of the registry.

        Raises:
            HeadraceError: it cannot be got.
        """

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
