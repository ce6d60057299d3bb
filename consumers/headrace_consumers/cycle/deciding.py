"""Whether a candidate is shipped; pure.

It is, where it is better than the baseline on the held-out test by what was asked for, and the interval of the
difference lies above zero. Nothing is, where the test cannot tell: too few examples, or labels that are mainly the
baseline's own answers, so that the test measures how far a program repeats it.
"""

from headrace.config.optimization import Optimization
from headrace_consumers.cycle.artefacts import Baseline, Interval, Optimized, Outcome

__all__ = ["decided", "refusal", "what_would_help"]


def refusal(
    settings: Optimization, test_examples: int, unverified_share: float, *, reads_labels: bool
) -> Outcome | None:
    """Return why nothing can be shipped whatever is found, before anything is spent on finding it; None: nothing."""
    if test_examples < settings.min_test_examples:
        return "too_few"
    return "unverified" if reads_labels and unverified_share > settings.max_unverified_share else None


def what_would_help(signature: str, settings: Optimization, baseline: Baseline) -> str:
    """Return what to do about a refusal, in one line."""
    if baseline.refused == "too_few":
        return (
            f"nothing is shipped: {len(baseline.scores)} examples in test, at least {settings.min_test_examples} are "
            "wanted (optimization.min_test_examples); collect more, or give test a larger share (versions.splits)"
        )
    return (
        f"nothing is shipped: {baseline.unverified_share:.0%} of the test's outputs are the program's own answers that "
        f"nobody looked at, and the metric {baseline.metric} reads them: it would measure how well a program repeats "
        "this one. What helps: corrections and scores (headrace.feedback; headrace dataset relabel -s "
        f"{signature}), or a metric that reads no labels (optimization.metric: judge, or your own)"
    )


def decided(settings: Optimization, optimized: Optimized) -> tuple[Outcome, str]:
    """Return what is done with what the optimizer found, and why, in one line with the numbers."""
    found = optimized.comparison
    if found is None:
        return "stopped", (
            f"nothing is shipped: {_spent(optimized)} before any candidate was evaluated; raise "
            f"optimization.{'max_lm_calls' if optimized.stopped == 'lm_calls' else 'max_cost_usd'}"
        )
    numbers = _numbers(found)
    if not optimized.is_changed:
        return (
            "no_improvement",
            f"nothing is shipped: {optimized.optimizer} found nothing better than the program; {numbers}",
        )
    is_enough = found.difference > 0 and (
        found.relative is None or found.relative * 100 >= settings.min_improvement_pct
    )
    if is_enough and found.low > 0:
        return "ship", f"shipped: {numbers}"
    wanted = f"at least {settings.min_improvement_pct:g}% is asked for, and an interval above zero"
    return "no_improvement", f"nothing is shipped: {numbers}; {wanted}"


def _numbers(found: Interval) -> str:
    relative = "from nothing" if found.relative is None else f"{found.relative:+.1%}"
    return (
        f"{found.baseline:.3f} -> {found.candidate:.3f} on {found.examples} test examples ({relative}; difference "
        f"{found.difference:+.3f}, {found.confidence:.0%} interval {found.low:+.3f} to {found.high:+.3f})"
    )


def _spent(optimized: Optimized) -> str:
    if optimized.stopped == "lm_calls":
        return f"the budget of LM calls was spent ({optimized.lm_calls:,})"
    return f"the budget was spent (${optimized.cost_usd:.2f})"
