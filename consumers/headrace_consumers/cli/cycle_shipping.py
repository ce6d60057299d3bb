"""The registry and the rollout of the cycle: what the step "roll out" is given."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headrace.config import Config
    from headrace_consumers.cycle.rolling_out import Begun

__all__ = ["CycleShipping"]


class CycleShipping:
    """Ships into the registry that is configured, and starts rollouts through the control topic.

    Args:
        config: the configuration.
    """

    def __init__(self, config: "Config") -> None:
        self._config = config

    def versions(self, module: str) -> Mapping[str, str]:
        """Return version -> digest of what the registry has of a module."""
        if self._config.registry.path is None:
            return {}
        from headrace.programs import open_registry

        return dict(open_registry(self._config).versions(module))

    def register(self, program: bytes) -> str | None:
        """Put an artefact into the registry; None: none is configured."""
        if self._config.registry.path is None:
            return None
        from headrace.programs import open_registry
        from headrace_schemas.programs import Program

        return str(open_registry(self._config).put(Program.decoded(program)))

    def start(self, module: str, digest: str) -> "Begun | None":
        """Start nothing; the command that does is told."""
        del module, digest
        return None

    def command(self, module: str, version: str) -> str:
        """Return the command that starts it by hand."""
        return f"headrace rollout start --module {module} --candidate {version}"
