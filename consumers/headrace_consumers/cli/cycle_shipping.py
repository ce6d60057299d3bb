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
        """Start the rollout, or find the one that was started; None: Kafka is not configured."""
        if self._config.kafka.bootstrap_servers is None:
            return None
        from headrace_consumers.cli.person import person
        from headrace_consumers.cycle.rolling_out import Begun
        from headrace_consumers.rollout.commands import start
        from headrace_consumers.rollout.desk import look
        from headrace_schemas.dataset_files import PRODUCTION

        found = look(self._config).state.experiments.get(f"{PRODUCTION}/{module}")
        if found is None or found.candidate.digest != digest:  # else a run that was killed has started it
            change = start(self._config, environment=PRODUCTION, module=module, candidate=digest, by=person())
            found = change.experiment
        return Begun(found.rollout_id, {"state": found.state, "share": found.share, "baseline": found.baseline.version})

    def command(self, module: str, version: str) -> str:
        """Return the command that starts it by hand."""
        return f"headrace rollout start --module {module} --candidate {version}"
