"""What of the budget is set aside for the test of a candidate."""

import pytest

from headrace_consumers.cycle.reserving import lacking, needed
from headrace_consumers.cycle.spending import Budget, Taken


@pytest.mark.parametrize(
    ("examples", "taken", "wanted"),
    [
        (20, Taken(20, 20, 0.2), (30, 0.3)),
        (20, Taken(50, 50, 0.5), (75, 0.75)),  # it asks more than once an example
        (20, Taken(20, 5, 0.05), (30, 0.3)),  # what the cache has answered would have cost as much
        (20, Taken(20, 0, 0.0), (30, 0.0)),
        (7, Taken(8, 8, 0.0), (35, 0.0)),  # 34.3 calls
        (0, Taken(), (0, 0.0)),
    ],
)
def test_a_test_takes_as_much_an_example_as_an_evaluation_did(examples, taken, wanted):
    assert needed(30, examples, taken) == (wanted[0], pytest.approx(wanted[1]))


@pytest.mark.parametrize(
    ("budget", "lacks"),
    [
        (Budget(), None),
        (Budget(calls=67), None),
        (Budget(calls=66), "optimization.max_lm_calls is 66: 33 of it are spent, and the test of a candidate takes 33"),
        (Budget(calls=1000, cost_usd=0.5), None),
        (Budget(calls=1000, cost_usd=0.4), "optimization.max_cost_usd is $0.4000: $0.2000 of it are spent"),
    ],
)
def test_a_budget_that_leaves_a_search_nothing_is_told_before_anything_is_spent(budget, lacks):
    found = lacking(budget, Taken(33, 33, 0.2), Taken(33, 33, 0.2))
    assert found is None if lacks is None else found is not None and found.startswith(lacks)
