"""What becomes of a module's rate: people's stay; who lacks examples or fails more gets one, until it does not."""

from dataclasses import replace
from typing import Any

import pytest

from headrace.control import SamplingOrder, SamplingScope
from headrace_consumers.balancing.planning import BY, FORGOTTEN_MS, Limits, Planned, planned
from headrace_consumers.balancing.rates import Demand

_LIMITS = Limits(budget_per_s=10, wanted=200)
_NOW_MS = 1_795_000_000_000


def _demand(module: str, examples: int = 0, **changes: Any) -> Demand:
    return Demand(
        **{
            "environment": "production",
            "service": "shop",
            "module": module,
            "calls_per_s": 100.0,
            "failure_share": 0.0,
            "examples": examples,
            "sampled_per_s": 1.0,
            **changes,
        }
    )


def _order(module: str, rate_pct: float | None = 3.0, enabled: bool | None = None, by: str = BY) -> SamplingOrder:
    scope = SamplingScope("production", "shop", module)
    return SamplingOrder(scope=scope, rate_pct=rate_pct, enabled=enabled, updated_at_ms=_NOW_MS - 60_000, updated_by=by)


def _planned(demands: list[Demand], *orders: SamplingOrder) -> dict[str, Planned]:
    return {row.scope.module: row for row in planned(demands, orders, _LIMITS, _NOW_MS)}


def test_a_module_that_has_its_examples_gives_its_rate_back_and_the_others_get_the_budget() -> None:
    before = _planned([_demand("short"), _demand("full", 150)])
    assert {name: row.what for name, row in before.items()} == {"short": "ordered", "full": "ordered"}
    orders = [row.order for row in before.values() if row.order is not None]
    after = _planned([_demand("short"), _demand("full", 200)], *orders)
    full, short = after["full"], after["short"]
    assert (full.what, full.rate_pct, full.before_pct) == ("withdrawn", None, before["full"].rate_pct)
    assert full.order is not None
    assert full.order.is_empty
    assert (short.what, short.rate_pct) == ("kept", 8.0)
    fresh = _planned([_demand("short"), _demand("full", 200)])["short"]
    assert fresh.rate_pct == pytest.approx(9.0)  # what the other takes by its configuration, 1 a second, is not there
    again = _planned([_demand("short"), _demand("full", 200)], *[row.order for row in [short] if row.order])
    assert (again["full"].what, again["full"].order) == ("configured", None)


def test_what_people_have_said_beside_the_rate_stays() -> None:
    row = _planned([_demand("full", 200)], _order("full", enabled=True))["full"]
    assert row.order is not None
    assert (row.order.rate_pct, row.order.enabled, row.order.is_empty) == (None, True, False)


def test_people_s_own_rates_are_left_alone_even_of_modules_that_lack_nothing() -> None:
    theirs, off = _order("full", 10.0, by="ann@host"), _order("off", None, enabled=False)
    rows = _planned([_demand("full", 200), _demand("off", 200)], theirs, off)
    assert {name: (row.what, row.rate_pct, row.order) for name, row in rows.items()} == {
        "full": ("left", 10.0, None),
        "off": ("left", 0.0, None),
    }


@pytest.mark.parametrize("scope", ["*/*/full", "production/*/full", "*/shop/full", "*/*/*", "production/shop/*"])
@pytest.mark.parametrize(("rate_pct", "enabled", "holds"), [(0.5, None, 0.5), (None, False, 0.0)])
def test_an_order_of_people_about_more_than_one_module_is_theirs_too(
    scope: str, rate_pct: float | None, enabled: bool | None, holds: float
) -> None:
    theirs = replace(_order("full", rate_pct, enabled, by="ann@host"), scope=SamplingScope.of(scope))
    (row,) = _planned([_demand("full")], theirs).values()
    assert (row.what, row.rate_pct, row.order) == ("left", holds, None)
    (row,) = planned([_demand("full")], [theirs, _order("full", 50.0)], _LIMITS, _NOW_MS)
    assert (row.what, row.before_pct, row.rate_pct) == ("withdrawn", 50.0, holds)  # else it would win over theirs
    assert row.order is not None
    assert row.order.is_empty


@pytest.mark.parametrize("scope", ["staging/*/full", "*/other/full", "*/*/other"])
def test_an_order_of_people_about_others_is_none_of_a_modules(scope: str) -> None:
    theirs = replace(_order("full", 0.5, by="ann@host"), scope=SamplingScope.of(scope))
    assert [row.what for row in planned([_demand("full")], [theirs], _LIMITS, _NOW_MS)] == ["ordered"]


def test_what_people_ordered_about_a_module_holds_over_what_they_ordered_about_all() -> None:
    of_all = replace(_order("full", 0.5, by="ann@host"), scope=SamplingScope())
    rows = _planned([_demand("full")], of_all, _order("full", 7.0, by="ann@host"))
    assert (rows["full"].what, rows["full"].rate_pct) == ("left", 7.0)


@pytest.mark.parametrize("before_pct", [10.5, 12.0, 12.5, 13.0])
def test_a_rate_that_exceeds_the_budget_is_not_kept_however_near_it_is(before_pct: float) -> None:
    row = _planned([_demand("short")], _order("short", before_pct))["short"]
    assert (row.what, row.rate_pct) == ("ordered", 10.0)


def test_a_rate_within_the_budget_is_kept_and_told_as_it_is_in_force() -> None:
    row = _planned([_demand("short")], _order("short", 8.5))["short"]
    assert (row.what, row.before_pct, row.rate_pct, row.order) == ("kept", 8.5, 8.5, None)
    little = [_demand("short", calls_per_s=50.0), _demand("other", calls_per_s=50.0)]  # 10% each
    rows = _planned(little, _order("short", 11.0), _order("other", 8.5))
    assert {name: (row.what, row.rate_pct) for name, row in rows.items()} == {
        "short": ("kept", 11.0),  # together they are within it
        "other": ("kept", 8.5),
    }


def test_a_module_that_fails_more_is_sampled_more_until_it_fails_no_more_than_all() -> None:
    full = [_demand("well", 200), _demand("failing", 200, failure_share=0.10)]
    rows = _planned(full)
    assert {name: row.what for name, row in rows.items()} == {"well": "configured", "failing": "ordered"}
    order = rows["failing"].order
    assert order is not None
    a_little = [_demand("well", 200), _demand("failing", 200, failure_share=0.01)]  # all together: 0.5%
    assert _planned(a_little, order)["failing"].what != "withdrawn"
    assert _planned(a_little)["failing"].what == "configured"
    alike = [_demand("well", 200), _demand("failing", 200)]
    assert _planned(alike, order)["failing"].what == "withdrawn"


def test_an_order_about_a_module_without_calls_is_withdrawn_after_a_day() -> None:
    ours = _order("gone")
    assert _planned([], ours) == {}
    old = replace(ours, updated_at_ms=_NOW_MS - FORGOTTEN_MS - 1)
    assert [(row.what, row.demand) for row in _planned([], old).values()] == [("withdrawn", None)]
    theirs = replace(old, updated_by="ann@host")
    assert _planned([], theirs) == {}
