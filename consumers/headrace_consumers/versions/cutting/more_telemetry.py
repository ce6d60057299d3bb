"""What to change where telemetry is short of its target; pure.

What the rows say comes before the configuration: where a dataset is cut, the service's is seldom the one at hand.
"""

import shlex
from collections.abc import Iterator, Mapping
from typing import Final

from headrace.config import Config
from headrace_consumers.versions.gates.balance import NAME as SOURCE_BALANCE
from headrace_consumers.versions.reading.telemetry import FromTables

__all__ = ["more_telemetry"]

_ALL_MODULES: Final = "telemetry.sampling_rate_pct"


def more_telemetry(
    config: Config,
    signature: str,
    read: FromTables,
    *,
    found: int,
    times_seen: int,
    set_aside: Mapping[str, int],
    make_examples: str,
) -> Iterator[str]:
    """Yield what to change, a line each.

    Args:
        config: the configuration at hand.
        signature: whose examples.
        read: what the rows say.
        found: so many examples of telemetry there are.
        times_seen: how often their keys came, together.
        set_aside: gate -> how many.
        make_examples: the command that makes some.
    """
    gave_way = set_aside.get(SOURCE_BALANCE, 0)
    if gave_way >= config.optimization.telemetry_target - found:
        yield f"{gave_way:,} gave way to the source balance: more of other sources let more of them stay"
        return
    thresholds = config.filters.for_signature(signature)
    yield from _sample_more(config, signature, read)
    yield f"collect for longer: rows are kept {config.dataset.retention_days} days (dataset.retention_days)"
    yield (
        f"look whether filters are too strict: min_quality_score {thresholds.min_quality_score:g}, max_latency_ms "
        f"{thresholds.max_latency_ms:g}, max_cost_usd {thresholds.max_cost_usd:g}; "
        f"headrace dataset why -s {shlex.quote(signature)}"
    )
    if times_seen > 2 * found:
        yield f"each input came {times_seen / found:.1f} times: {_repeated(read, make_examples)}"
    if taken := sum(set_aside.values()):
        yield f"{taken:,} were set aside; set_aside.jsonl says why"


def _sample_more(config: Config, signature: str, read: FromTables) -> Iterator[str]:
    shares = read.inclusion_probabilities
    if shares:
        if min(shares) < 1:
            settings = " and ".join(dict.fromkeys(_setting(config, module)[0] for module in sorted(read.module_names)))
            yield f"sample more: these calls were sampled at {_rate(shares)}; raise the service's {settings}"
        return
    optimized = config.optimization.signatures.get(signature)
    setting, rate_pct = _setting(config, None if optimized is None else optimized.module)
    if rate_pct < 100:  # noqa: PLR2004  # percent
        yield f"sample more: raise the service's {setting}, which is {rate_pct:g} here"


def _rate(shares: Mapping[float, int]) -> str:
    """Return at which rate calls were sampled, and which share of all of them that makes where it has changed."""
    least, most = min(shares), max(shares)
    if least == most:
        return f"{100 * least:.4g}%"
    calls = sum(rows / share for share, rows in shares.items())
    return f"{100 * least:.4g}% to {100 * most:.4g}%, {100 * sum(shares.values()) / calls:.4g}% of all"


def _setting(config: Config, module: str | None) -> tuple[str, float]:
    """Return which setting holds for a module, named as in its records, and what it is."""
    found = None if module is None else config.telemetry.of_module(module)
    if found is not None and (rate_pct := found[1].sampling_rate_pct) is not None:
        return f"telemetry.modules.{found[0]}.sampling_rate_pct", rate_pct
    return _ALL_MODULES, config.telemetry.sampling_rate_pct


def _repeated(read: FromTables, make_examples: str) -> str:
    """Return what to do where inputs repeat: more of them can count only where the key leaves some of it out."""
    advice = {policy: told for policy in sorted(read.dedup_policies) if (told := _what_counts_less(policy))}
    if not advice:
        return f"usage repeats itself; collect for longer, or make examples ({make_examples})"
    rows = sum(read.dedup_policies[policy] for policy in advice)
    steps = dict.fromkeys(step for told in advice.values() for step in told)
    return (
        f"the key of {rows:,} of {read.rows:,} rows leaves something out ({'; '.join(advice)}): {', '.join(steps)} in "
        f"the service's dedup.signatures, or make examples ({make_examples})"
    )


def _what_counts_less(policy: str) -> list[str]:
    """Return what to change of a policy by which less than the whole input counts; none: the whole counts."""
    own = policy.partition(":")[2] if policy.startswith("hmac-") else policy  # keys made with a secret name it first
    told = ["count more input fields"] if own.startswith("fields:") else []
    told += ["do not ignore case"] if own.removesuffix("+space").endswith("+case") else []
    return [*told, "do not ignore white space"] if own.endswith("+space") else told
