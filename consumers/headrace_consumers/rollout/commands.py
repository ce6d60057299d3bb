"""What people order of rollouts: read at the desk, changed, written there; `headrace rollout` and programs call it."""

import datetime as dt
import time
from collections.abc import Callable
from typing import Final

from headrace.config import Config
from headrace_consumers.rollout.desk import Desk, DeskError, Superseded
from headrace_consumers.rollout.moves import Change, RolloutError, What, begun, ordered
from headrace_consumers.rollout.plan import plan_of
from headrace_consumers.rollout.state import State
from headrace_schemas.names import to_valid_name
from headrace_schemas.programs import is_digest
from headrace_schemas.rollouts import ProgramVersion

__all__ = ["DEPLOYED", "order", "start"]

DEPLOYED: Final = ProgramVersion("baseline", None)
"""The code as the service has it, where no program was ever rolled out."""
_TRIES: Final = 5


def start(
    config: Config,
    *,
    environment: str,
    module: str,
    candidate: str,
    baseline: str | None = None,
    by: str,
    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
) -> Change:
    """Begin a rollout, and return it when Kafka has it.

    Args:
        config: the whole configuration; `rollout` is the plan, `registry` has the programs.
        environment: of the producers.
        module: as in statistics.
        candidate: the digest of a program in the registry, or its version.
        baseline: likewise; None: what is served now, as the module's last rollout left it.
        by: who begins it.
        now_ms: Unix time.

    Raises:
        ProgramError: the registry has no such program, or it is not what it should be.
        RolloutError: another rollout is under way, or candidate and baseline are the same.
        DeskError: Kafka did not take it.
    """
    wanted = _found(config, module, candidate)
    compared = None if baseline is None else _found(config, module, baseline)

    def change(state: State) -> Change:
        before, now = state.experiments.get(f"{environment}/{module}"), now_ms()
        served = DEPLOYED if before is None else before.served
        at = f"{dt.datetime.fromtimestamp(now / 1000, dt.UTC):%Y%m%dT%H%M%S}{now % 1000:03d}"
        return begun(
            environment=environment,
            module=module,
            rollout_id=to_valid_name(f"{module}-{wanted.version}-{at}"),
            candidate=wanted,
            baseline=compared or served,
            plan=plan_of(config),
            before=before,
            now_ms=now,
            by=by,
        )

    return _changed(config, change, now_ms)


def order(
    config: Config,
    what: What,
    *,
    environment: str,
    module: str,
    by: str,
    reason: str,
    to_all: bool = False,
    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
) -> Change:
    """Pause, resume, promote or roll back a module's rollout, and return it when Kafka has it.

    Args:
        config: the whole configuration.
        what: to do.
        environment: of the producers.
        module: as in statistics.
        by: who.
        reason: why.
        to_all: promote to all requests at once.
        now_ms: Unix time.

    Raises:
        RolloutError: there is none, or it is not in a state for that.
        DeskError: Kafka did not take it.
    """
    name = f"{environment}/{module}"

    def change(state: State) -> Change:
        before = state.experiments.get(name)
        return ordered(before, name, what, now_ms=now_ms(), by=by, reason=reason, to_all=to_all)

    return _changed(config, change, now_ms)


def _changed(config: Config, change: Callable[[State], Change], now_ms: Callable[[], int]) -> Change:
    desk = Desk(config, is_command=True)
    try:
        for _ in range(_TRIES):
            try:
                state = desk.take_over()  # a mere look might not show what was committed a moment ago
                try:
                    made = change(state)
                except RolloutError:  # whoever was fenced goes on at once after what a command wrote
                    desk.write(state, now_ms())
                    raise
                desk.write(state.with_changes([made]), now_ms(), [made.entry], [made.order])
            except Superseded:  # the controller was at it; its decision is read first
                continue
            return made
    finally:
        desk.close()
    raise DeskError("others write at the same time; see `headrace rollout status`, and try again")


def _found(config: Config, module: str, named: str) -> ProgramVersion:
    from headrace.programs import open_registry

    registry = open_registry(config)
    digest = named if is_digest(named) else registry.find(module, named)
    program = registry.get(digest)
    if program.module != module:
        raise RolloutError(f"program {digest[:12]} is one of module {program.module}, not of {module}")
    return ProgramVersion(program.version, digest)
