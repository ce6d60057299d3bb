"""How far each source is from its target, and what to change where it is short; pure."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from headrace.config import Config
from headrace_consumers.versions.cutting.more_telemetry import more_telemetry
from headrace_consumers.versions.reading.telemetry import FromTables
from headrace_schemas.dataset_files import Source, Split
from headrace_schemas.dataset_manifest import SplitFigures

__all__ = ["Target", "targets"]

_SOME_LM: Final = "openai/gpt-4o-mini"


@dataclass(frozen=True, slots=True)
class Target:
    """One source's target.

    Attributes:
        source: which.
        wanted: so many examples; 0: none is wanted.
        found: so many there are.
        to_do: what to change, a line each; empty where it is met.
    """

    source: Source
    wanted: int
    found: int
    to_do: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {"source": self.source, "target": self.wanted, "found": self.found, "to_do": list(self.to_do)}


def targets(
    config: Config,
    signature: str,
    splits: Mapping[Split, SplitFigures],
    read: FromTables,
    *,
    times_seen: int,
    set_aside: Mapping[str, int],
) -> list[Target]:
    """Return the targets of `optimization`, met or not.

    Args:
        config: the configuration.
        signature: whose examples.
        splits: what the version holds.
        read: what the rows say of its telemetry.
        times_seen: how often the keys of its telemetry came, together.
        set_aside: gate -> how many.
    """
    wanted: dict[Source, int] = {
        "telemetry": config.optimization.telemetry_target,
        "git": config.optimization.git_target,
        "synthetic": config.optimization.synthetic_target,
    }
    found = {source: sum(each["sources"].get(source, 0) for each in splits.values()) for source in wanted}
    named, lm = shlex.quote(signature), _lm(config)
    repository = shlex.quote(config.optimization.git_repository or ".")
    to_do = {
        "telemetry": [
            *more_telemetry(
                config,
                signature,
                read,
                found=found["telemetry"],
                times_seen=times_seen,
                set_aside=set_aside,
                make_examples=f"headrace dataset synthesize -s {named}{lm}",
            )
        ],
        "git": [f"headrace dataset mine-git --signature {named} --repo {repository}{lm}"],
        "synthetic": [f"headrace dataset synthesize --signature {named}{lm}"],
    }
    return [
        Target(source, number, found[source], tuple(to_do[source]) if found[source] < number else ())
        for source, number in wanted.items()
    ]


def _lm(config: Config) -> str:
    """Return the option of the LM that makes examples: the one that is configured, or one to put yours in place of."""
    chosen = config.optimization
    if chosen.prompt_lm is not None:
        model, served = chosen.prompt_lm, chosen.prompt_lm_api_base
    else:
        model, served = chosen.lm or _SOME_LM, chosen.lm_api_base if chosen.lm else None
    return f" --lm {shlex.quote(model)}" + (f" --api-base {shlex.quote(served)}" if served else "")
