"""The registry and the rollout of the cycle: what the step "roll out" is given."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from headrace.config import Config
    from headrace_consumers.cycle.rolling_out import Begun, Served
    from headrace_consumers.rollout.experiment import Experiment
    from headrace_consumers.versions.cutting.asked import RolloutVersions

__all__ = ["CycleShipping"]

_ENDED: Final = frozenset({"promoted", "rolled_back"})


class CycleShipping:
    """Ships into the registry that is configured, and starts rollouts through the control topic.

    Args:
        config: the configuration.
    """

    def __init__(self, config: "Config") -> None:
        self._config = config

    def served(self, module: str) -> "Served | None":
        """Return what the last rollout has left; None: without Kafka or a registry nothing tells."""
        if self._config.kafka.bootstrap_servers is None or self._config.registry.path is None:
            return None
        from headrace_consumers.cycle.rolling_out import Served
        from headrace_consumers.rollout.commands import DEPLOYED

        found = self._last(module)
        if found is None:
            return Served(DEPLOYED.version, DEPLOYED.digest)
        under_way = None if found.state in _ENDED else found.rollout_id
        return Served(found.served.version, found.served.digest, under_way)

    def rollout_versions(self, module: str) -> "RolloutVersions":
        """Return which versions are known from rollouts in production, whose calls datasets are of."""
        from headrace_consumers.cli.rollout_versions import rollout_versions
        from headrace_schemas.dataset_files import PRODUCTION

        return rollout_versions(self._config, PRODUCTION, module)

    def program(self, digest: str) -> bytes:
        """Return a program of the registry."""
        from headrace.programs import open_registry

        return open_registry(self._config).get(digest).encoded()

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
        """Start the rollout, or find the one that was started; None: Kafka is not configured.

        Raises:
            CycleError: another one is under way.
        """
        if self._config.kafka.bootstrap_servers is None:
            return None
        from headrace_consumers.cli.person import person
        from headrace_consumers.cycle.errors import CycleError
        from headrace_consumers.cycle.rolling_out import Begun
        from headrace_consumers.rollout.commands import start

        found = self._last(module)
        if found is None or found.candidate.digest != digest:  # else a run that was killed has started it
            if found is not None and found.state not in _ENDED:
                raise CycleError(
                    f"{found.name}: rollout {found.rollout_id} is {found.state} at {found.at_hand.share:.0%}, so that "
                    "none is started; the run stands, and the same command goes on once that one has ended "
                    "(headrace rollout status)"
                )
            change = start(self._config, environment=self._environment, module=module, candidate=digest, by=person())
            found = change.experiment
        return Begun(found.rollout_id, {"state": found.state, "share": found.share, "baseline": found.baseline.version})

    def command(self, module: str, version: str) -> str:
        """Return the command that starts it by hand."""
        from headrace_schemas.dataset_files import PRODUCTION

        told = "" if self._environment == PRODUCTION else f" --environment {self._environment}"
        return f"headrace rollout start --module {module} --candidate {version}{told}"

    def _last(self, module: str) -> "Experiment | None":
        """Return the module's last rollout in the environment that is configured."""
        from headrace_consumers.rollout.desk import look

        return look(self._config).state.experiments.get(f"{self._environment}/{module}")

    @property
    def _environment(self) -> str:
        return self._config.telemetry.environment
