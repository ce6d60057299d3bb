"""Which versions rollouts have put before everybody, whose answers are the service's own in a dataset; which not."""

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from headrace_consumers.versions.cutting.asked import RolloutVersions

if TYPE_CHECKING:
    from headrace.config import Config
    from headrace_consumers.rollout.moves import Entry

__all__ = ["rollout_versions", "versions_of_log", "versions_or_none"]


def versions_or_none(config: "Config", environment: str, signature: str) -> RolloutVersions:
    """Return those of a signature's module, of all modules where the configuration names none; for a cut by hand.

    Where the rollouts cannot be read a line on stderr says so, and what that means.
    """
    from headrace_schemas import HeadraceError

    known = config.optimization.signatures.get(signature)
    try:
        return rollout_versions(config, environment, None if known is None else known.module)
    except HeadraceError as error:
        sys.stderr.write(
            f"headrace: {error}; so what rollouts have promoted is not known, and its answers count as a candidate's "
            "(versions.baseline_versions names what is served without asking)\n"
        )
        return RolloutVersions()


def rollout_versions(config: "Config", environment: str, module: str | None) -> RolloutVersions:
    """Return those of a module, or of all; empty: versions.baseline_versions tells, or no Kafka and registry do.

    Raises:
        HeadraceError: the rollouts cannot be read.
    """
    if config.versions.baseline_versions is not None:
        return RolloutVersions()
    if config.kafka.bootstrap_servers is None or config.registry.path is None:
        return RolloutVersions()
    from headrace_consumers.rollout.desk import look

    return versions_of_log(
        entry for entry in look(config).entries if entry.environment == environment and module in {None, entry.module}
    )


def versions_of_log(entries: Iterable["Entry"]) -> RolloutVersions:
    """Return the versions that a log of rollouts tells of; one that was taken back later was not promoted.

    Args:
        entries: the oldest first.
    """
    last = {(entry.environment, entry.module, entry.rollout_id): entry for entry in entries}
    compared = {each.baseline.version for each in last.values() if each.baseline.digest is not None}
    promoted = frozenset(compared | {each.candidate.version for each in last.values() if each.state == "promoted"})
    return RolloutVersions(promoted, frozenset(each.candidate.version for each in last.values()) - promoted)
