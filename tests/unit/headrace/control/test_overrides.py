"""Which of several orders holds for a module."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.control import ALL_MODULES, Orders, Override, SamplingOrder, SamplingScope

NAMES = st.sampled_from(["*", "a", "b"])
ORDER = st.builds(
    SamplingOrder,
    scope=st.builds(SamplingScope, NAMES, NAMES, NAMES),
    rate_pct=st.none() | st.sampled_from([0.0, 1.0, 50.0]),
    enabled=st.none() | st.booleans(),
)


def order(name: str, **said: Any) -> SamplingOrder:
    return SamplingOrder(scope=SamplingScope.of(name), **said)


def resolved(*orders: SamplingOrder, environment: str = "production", service: str = "shop") -> dict[str, Override]:
    in_force = Orders()
    for one in orders:
        in_force.take(one)
    return dict(in_force.overrides(environment, service))


def test_without_orders_nothing_holds() -> None:
    assert resolved() == {}


def test_an_order_of_another_service_or_environment_does_not_reach() -> None:
    assert resolved(order("*/other/*", rate_pct=5), order("staging/*/*", rate_pct=5)) == {}
    assert resolved(order("*/shop/*", rate_pct=5), service="") == {}


@pytest.mark.parametrize(
    ("loser", "winner"),
    list(
        itertools.pairwise(
            [
                "*/*/*",
                "production/*/*",
                "*/shop/*",
                "production/shop/*",
                "*/*/support",
                "production/*/support",
                "*/shop/support",
                "production/shop/support",
            ]
        )
    ),
)
def test_the_more_specific_order_wins_whichever_came_first(loser: str, winner: str) -> None:
    less, more = order(loser, rate_pct=1), order(winner, rate_pct=2)
    for orders in ((less, more), (more, less)):
        found = resolved(*orders)
        assert found.get("support", found.get(ALL_MODULES)) == Override(2, None)


def test_each_setting_is_decided_alone() -> None:
    found = resolved(
        order("*/*/*", rate_pct=1, enabled=False), order("*/shop/*", rate_pct=2), order("*/*/support", enabled=True)
    )
    assert found == {"*": Override(2, False), "support": Override(2, True)}


def test_a_module_is_named_only_where_an_order_names_it() -> None:
    found = resolved(order("*/*/support", rate_pct=50))
    assert found == {"support": Override(50, None)}


def test_a_rate_of_0_and_a_switch_that_is_off_are_said() -> None:
    assert resolved(order("*/*/*", rate_pct=10, enabled=True), order("*/shop/*", rate_pct=0, enabled=False)) == {
        "*": Override(0, False)
    }


def test_an_order_replaces_the_earlier_one_of_its_scope_and_an_empty_one_takes_it_back() -> None:
    both = order("*/*/*", rate_pct=1, enabled=False)
    assert resolved(both, order("*/*/*", rate_pct=2)) == {"*": Override(2, None)}
    assert resolved(both, order("*/*/*")) == {}
    assert resolved(order("*/*/*")) == {}


def test_those_in_force_are_listed_by_name() -> None:
    orders = Orders()
    for name in ("b/*/*", "a/*/*", "c/*/*"):
        orders.take(order(name, rate_pct=1))
    orders.take(order("a/*/*"))
    assert [one.scope.name for one in orders.listed()] == ["b/*/*", "c/*/*"]


@given(st.lists(ORDER, max_size=8), st.sampled_from(["a", "b", "c"]))
def test_it_is_what_a_search_from_the_most_specific_scope_finds(orders: list[SamplingOrder], module: str) -> None:
    found = resolved(*orders, environment="a", service="b")
    last = {one.scope: one for one in orders}

    def first(setting: str) -> Any:
        for of_module, of_service, of_environment in itertools.product((module, "*"), ("b", "*"), ("a", "*")):
            one = last.get(SamplingScope(of_environment, of_service, of_module))
            if one is not None and getattr(one, setting) is not None:
                return getattr(one, setting)
        return None

    assert found.get(module, found.get(ALL_MODULES, Override())) == Override(first("rate_pct"), first("enabled"))
