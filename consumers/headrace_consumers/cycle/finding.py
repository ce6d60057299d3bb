"""What a search has found, kept until its test is done: a run that was killed meanwhile does not search again."""

import hashlib
import json
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from headrace_consumers.cycle.artefacts import Stopped, Trial
from headrace_consumers.cycle.bench import Bench
from headrace_schemas.programs import Program, ProgramError

__all__ = ["Finding", "asked", "keep", "kept", "loaded"]

_LATER: Final = frozenset({"max_lm_calls", "max_cost_usd", "min_improvement_pct", "confidence", "rollout"})
"""Settings that change nothing of what was found."""


class Finding(BaseModel):
    """What came of a search.

    Attributes:
        asked: names what was looked for.
        program: what its predictors are told, as JSON has it; None: no candidate was evaluated.
        is_changed: whether that is anything else than before.
        trials: in their order.
        stopped: what of the budget was spent; None: the optimizer came to its end.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    asked: str
    program: dict[str, Any] | None
    is_changed: bool
    trials: list[Trial]
    stopped: Stopped | None


def keep(bench: Bench, finding: Finding) -> None:
    """Write it down.

    Raises:
        CycleError: it cannot be written.
    """
    bench.folder.write(bench.folder.found, finding.model_dump_json().encode())


def kept(bench: Bench) -> Finding | None:
    """Return what an earlier process has found, if the same was looked for; None: nothing was, or it fits no more."""
    try:
        finding = Finding.model_validate_json(bench.folder.found.read_bytes())
        if finding.asked != asked(bench) or finding.program is None:
            return None
        loaded(bench, finding.program)
    except (OSError, ValidationError, ProgramError):
        return None
    return finding


def loaded(bench: Bench, program: dict[str, Any]) -> Any:
    """Return the bench's program, told what a candidate's predictors are told; so it is what services would get.

    Raises:
        ProgramError: it does not fit.
    """
    from headrace.routing.fitting import load_onto

    copy = bench.program.deepcopy()
    load_onto(Program.decoded(json.dumps(program).encode()), copy)
    return copy


def asked(bench: Bench) -> str:
    """Return what names what is looked for: on which data, for which program, how."""
    job, settings = bench.job, bench.settings.model_dump(mode="json", exclude=set(_LATER))
    told = [job.signature, job.version, job.number, job.served, bench.signature.model_dump(mode="json"), settings]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
