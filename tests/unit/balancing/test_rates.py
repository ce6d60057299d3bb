"""Rates spend the budget where examples are short and calls fail."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_consumers.balancing.rates import Demand, rates_for, worth_an_order


def _demand(calls_per_s: float, examples: int = 0, failure_share: float = 0.0) -> Demand:
    return Demand(
        environment="production",
        service="shop",
        module="support",
        calls_per_s=calls_per_s,
        failure_share=failure_share,
        examples=examples,
    )


_DEMANDS = st.lists(
    st.builds(_demand, st.floats(0, 1_000), st.integers(0, 200), st.floats(0, 1)), min_size=1, max_size=8
)


@given(_DEMANDS, st.floats(0.01, 1_000))
def test_the_budget_is_never_exceeded_and_spent_where_it_can_be(demands: list[Demand], budget: float) -> None:
    rates = rates_for(demands, budget_per_s=budget, wanted=50)
    records = sum(demand.calls_per_s * rate / 100 for demand, rate in zip(demands, rates, strict=True))
    assert records <= budget * (1 + 1e-9)
    assert all(0 < rate <= 100 for rate in rates)
    if max(rates) < 100 and any(demand.calls_per_s > 0.01 for demand in demands):
        assert records == pytest.approx(budget, rel=1e-6) or rates == [1.0] * len(rates)


@given(_DEMANDS, st.floats(0.01, 1_000))
def test_who_lacks_more_or_fails_more_is_sampled_at_least_as_often(demands: list[Demand], budget: float) -> None:
    rates = rates_for(demands, budget_per_s=budget, wanted=50)
    for one, its in zip(demands, rates, strict=True):
        for other, others in zip(demands, rates, strict=True):
            if one.examples <= other.examples and one.failure_share >= other.failure_share:
                assert its >= others


def test_a_short_module_comes_first_and_a_failing_one_before_it() -> None:
    full, short, failing = rates_for(
        [_demand(10, 500), _demand(10, 0), _demand(10, 0, 0.25)], budget_per_s=3.0, wanted=50
    )
    assert full == pytest.approx(1.0)
    assert failing == pytest.approx(2 * short)


def test_a_budget_below_the_least_rates_lowers_all_alike() -> None:
    assert rates_for([_demand(100), _demand(300, 500)], budget_per_s=2.0, wanted=50) == [0.5, 0.5]


def test_a_budget_for_all_samples_all() -> None:
    assert rates_for([_demand(10), _demand(10, 500)], budget_per_s=1_000, wanted=50) == [100, 100]
    assert rates_for([], budget_per_s=1, wanted=50) == []


def test_small_changes_are_no_order() -> None:
    assert worth_an_order(10, None)
    assert not worth_an_order(11, 10)
    assert worth_an_order(13, 10)
    assert worth_an_order(7, 10)
