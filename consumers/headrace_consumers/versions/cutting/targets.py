"""How far each source is from its target, and what to change where it is short; pure."""

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from headrace.config import Config
from headrace_consumers.versions.gates.balance import NAME as SOURCE_BALANCE
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
    config: Config, signature: str, splits: Mapping[Split, SplitFigures], times_seen: int, set_aside: Mapping[str, int]
) -> list[Target]:
    """Return the targets of `optimization`, met or not.

    Args:
        config: the configuration.
        signature: whose examples.
        splits: what the version holds.
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
        "telemetry": [*_more_telemetry(config, signature, found["telemetry"], times_seen, set_aside)],
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


def _more_telemetry(
    config: Config, signature: str, found: int, times_seen: int, set_aside: Mapping[str, int]
) -> Iterator[str]:
    gave_way = set_aside.get(SOURCE_BALANCE, 0)
    if gave_way >= config.optimization.telemetry_target - found:
        yield f"{gave_way:,} gave way to the source balance: more of other sources let more of them stay"
        return
    named = shlex.quote(signature)
    rate = config.telemetry.sampling_rate_pct
    thresholds = config.filters.for_signature(signature)
    if rate < 100:  # noqa: PLR2004  # percent
        yield f"sample more: telemetry.sampling_rate_pct is {rate:g}"
    yield f"collect for longer: rows are kept {config.dataset.retention_days} days (dataset.retention_days)"
    yield (
        f"look whether filters are too strict: min_quality_score {thresholds.min_quality_score:g}, max_latency_ms "
        f"{thresholds.max_latency_ms:g}, max_cost_usd {thresholds.max_cost_usd:g}; headrace dataset why -s {named}"
    )
    if times_seen > 2 * found:
        yield (
            f"each input came {times_seen / found:.1f} times: usage repeats itself; count more input fields "
            f"(dedup.signatures), or make examples (headrace dataset synthesize -s {named}{_lm(config)})"
        )
    if taken := sum(set_aside.values()):
        yield f"{taken:,} were set aside; set_aside.jsonl says why"
