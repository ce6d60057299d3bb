"""What of the budget is set aside for the test of the candidate, before and while an optimizer searches; pure."""

from math import ceil

from headrace_consumers.cycle.spending import Budget, Taken

__all__ = ["lacking", "needed"]


def needed(test_examples: int, examples: int, taken: Taken) -> tuple[int, float]:
    """Return the calls of LMs and their cost of a test, by what an evaluation took.

    The cost is that of the paid calls: where the cache has answered, the others would have cost as much.

    Args:
        test_examples: of the test.
        examples: of the evaluation.
        taken: what that took.
    """
    if not examples:
        return 0, 0.0
    calls = taken.asked * test_examples / examples
    return ceil(calls), calls * taken.cost_usd / taken.calls if taken.calls else 0.0


def lacking(budget: Budget, spent: Taken, reserved: Taken) -> str | None:
    """Return the line that says that the budget leaves a search nothing; None: it does not.

    Args:
        budget: of the run.
        spent: of it, so far.
        reserved: what the test of a candidate takes of it.
    """
    if budget.calls is not None and spent.calls + reserved.calls >= budget.calls:
        setting, has, gone, test = (
            "optimization.max_lm_calls",
            f"{budget.calls:,}",
            f"{spent.calls:,}",
            f"{reserved.calls:,}",
        )
    elif budget.cost_usd is not None and spent.cost_usd + reserved.cost_usd >= budget.cost_usd:
        setting = "optimization.max_cost_usd"
        has, gone, test = (f"${usd:,.4f}" for usd in (budget.cost_usd, spent.cost_usd, reserved.cost_usd))
    else:
        return None
    return (
        f"{setting} is {has}: {gone} of it are spent, and the test of a candidate takes {test} as the baseline's did, "
        "so that nothing is left for a search; raise it and start the run again"
    )
