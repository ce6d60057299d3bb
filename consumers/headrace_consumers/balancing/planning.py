"""What becomes of each module's rate: ordered, kept, taken back, or left to whoever has said it. Pure.

    people gave it a rate, or switched it off       left: theirs, taken off the budget first; ours is taken back
    no longer short of examples, fails no more      the configured rate holds: no order, or the one there is taken back
    else                                            a rate within what is left of the budget
    no calls for a while, and an order of old       taken back

A module that was left to its configuration gets an order again once it lacks examples or fails `FAILS_MORE` more often
than all modules on average; one that has an order keeps it until it fails no more often than these.

What people have said is found as services find it: an order about all modules, services or environments is theirs, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from headrace.control import ALL_MODULES, ANY, Orders, Override, SamplingOrder, SamplingScope
from headrace_consumers.balancing.rates import Demand, rates_for, worth_an_order

__all__ = ["BY", "FAILS_MORE", "FORGOTTEN_MS", "Limits", "Planned", "is_ours", "planned", "taken_back"]

BY: Final = "headrace sampling adapt"
"""Who gave an order; those of people are left alone."""
FAILS_MORE: Final = 0.01
FORGOTTEN_MS: Final = 86_400_000
"""An order that is older, about a module without calls, is taken back."""
_ROUNDING: Final = 1.005
"""Rates have three digits."""
_LEAST_BUDGET: Final = 0.01
"""Of the budget, for modules that nobody has given a rate, whatever people have ordered for others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What rates have to keep to.

    Attributes:
        budget_per_s: records a second of all modules together.
        wanted: a signature that has so many examples lacks none.
        least_pct: no rate is below it.
        most_pct: none is above it.
    """

    budget_per_s: float
    wanted: int = 200
    least_pct: float = 1.0
    most_pct: float = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A module, and what becomes of its rate.

    Attributes:
        scope: environment, service and module.
        demand: what it did; None: it had no calls.
        before_pct: the rate that an order set; None: none did.
        rate_pct: the rate that holds from then on; None: that of its configuration, which nothing tells.
        what: ordered, kept (it differs too little, and is within the budget), left (somebody else has ordered),
            configured (nothing is ordered) or withdrawn.
        order: to be written; None: nothing is.
    """

    scope: SamplingScope
    demand: Demand | None
    before_pct: float | None
    rate_pct: float | None
    what: str
    order: SamplingOrder | None = None


def planned(demands: Sequence[Demand], in_force: Sequence[SamplingOrder], limits: Limits, now_ms: int) -> list[Planned]:
    """Return what becomes of each module's rate.

    Args:
        demands: what modules did that had calls.
        in_force: the orders on the control topic.
        limits: what to keep to.
        now_ms: Unix time.
    """
    orders = {order.scope: order for order in in_force}
    mean_failures = _mean_failures(demands)
    people, rows, adapted, budget = _of_people(in_force), [], [], limits.budget_per_s
    for demand in demands:
        scope = SamplingScope(demand.environment, demand.service or ANY, demand.module)
        order = orders.pop(scope, None)
        said_pct = _said_pct(people, demand)
        if said_pct is not None:
            budget -= demand.calls_per_s * said_pct / 100  # what people have ordered is spent first
            rows.append(_left(scope, demand, order, said_pct, now_ms))
            continue
        before_pct = None if order is None else order.rate_pct
        if _lacks_nothing(demand, limits.wanted, mean_failures, is_ordered=before_pct is not None):
            budget -= demand.sampled_per_s  # as is what the configuration says
            rows.append(_configured(scope, demand, order, now_ms))
            continue
        adapted.append((scope, demand, order))
    budget = max(budget, _LEAST_BUDGET * limits.budget_per_s)
    rates = rates_for(
        [demand for _, demand, _ in adapted],
        budget_per_s=budget,
        wanted=limits.wanted,
        least_pct=limits.least_pct,
        most_pct=limits.most_pct,
    )
    rates = [float(f"{exact_pct:.3g}") for exact_pct in rates]
    held = [_held_pct(rate_pct, order) for (_, _, order), rate_pct in zip(adapted, rates, strict=True)]
    records = sum(demand.calls_per_s * pct / 100 for (_, demand, _), pct in zip(adapted, held, strict=True))
    if records > _ROUNDING * budget:  # what is kept although it is too high is too much
        held = list(map(min, held, rates))
    for (scope, demand, order), rate_pct in zip(adapted, held, strict=True):
        rows.append(_adapted(scope, demand, order, rate_pct, now_ms))
    for scope, order in orders.items():
        if is_ours(order) and now_ms - order.updated_at_ms > FORGOTTEN_MS:
            rows.append(_configured(scope, None, order, now_ms))
    return rows


def is_ours(order: SamplingOrder) -> bool:
    """Tell whether a rate was ordered by what is here."""
    return order.rate_pct is not None and order.updated_by.startswith(BY)


def _of_people(orders: Sequence[SamplingOrder]) -> Orders:
    """Return what people have said; of an order that has a rate of ours, what they said beside it."""
    people = Orders()
    for order in orders:
        people.take(replace(order, rate_pct=None) if order.updated_by.startswith(BY) else order)
    return people


def _said_pct(people: Orders, demand: Demand) -> float | None:
    """Return the rate that somebody has given a module, 0 where it is off; None: nobody has given it one."""
    said = people.overrides(demand.environment, demand.service)
    of_all = said.get(ALL_MODULES, Override())
    own = said.get(demand.module, of_all)
    return 0.0 if of_all.enabled is False or own.enabled is False else own.rate_pct


def _left(scope: SamplingScope, demand: Demand, order: SamplingOrder | None, said_pct: float, now_ms: int) -> Planned:
    if order is None or not is_ours(order):
        return Planned(scope=scope, demand=demand, before_pct=said_pct, rate_pct=said_pct, what="left")
    back = taken_back(order, now_ms)  # it is about this module alone, and would win over theirs
    return Planned(
        scope=scope, demand=demand, before_pct=order.rate_pct, rate_pct=said_pct, what="withdrawn", order=back
    )


def _held_pct(rate_pct: float, order: SamplingOrder | None) -> float:
    """Return the rate that is in force where another one is not worth an order, else that one."""
    before_pct = None if order is None else order.rate_pct
    return rate_pct if before_pct is None or worth_an_order(rate_pct, before_pct) else before_pct


def taken_back(order: SamplingOrder, now_ms: int) -> SamplingOrder:
    """Return an order without its rate; what people have said of the module beside it stays."""
    return SamplingOrder(scope=order.scope, enabled=order.enabled, updated_at_ms=now_ms, updated_by=BY)


def _adapted(
    scope: SamplingScope, demand: Demand, order: SamplingOrder | None, rate_pct: float, now_ms: int
) -> Planned:
    before_pct = None if order is None else order.rate_pct
    if rate_pct == before_pct:
        return Planned(scope=scope, demand=demand, before_pct=before_pct, rate_pct=rate_pct, what="kept")
    enabled = None if order is None else order.enabled
    made = SamplingOrder(scope=scope, rate_pct=rate_pct, enabled=enabled, updated_at_ms=now_ms, updated_by=BY)
    return Planned(scope=scope, demand=demand, before_pct=before_pct, rate_pct=rate_pct, what="ordered", order=made)


def _configured(scope: SamplingScope, demand: Demand | None, order: SamplingOrder | None, now_ms: int) -> Planned:
    if order is None or order.rate_pct is None:
        return Planned(scope=scope, demand=demand, before_pct=None, rate_pct=None, what="configured")
    back = taken_back(order, now_ms)
    return Planned(scope=scope, demand=demand, before_pct=order.rate_pct, rate_pct=None, what="withdrawn", order=back)


def _lacks_nothing(demand: Demand, wanted: int, mean_failures: float, *, is_ordered: bool) -> bool:
    most = mean_failures if is_ordered else mean_failures + FAILS_MORE
    return demand.examples >= wanted and demand.failure_share <= most


def _mean_failures(demands: Sequence[Demand]) -> float:
    calls = sum(demand.calls_per_s for demand in demands)
    return sum(demand.calls_per_s * demand.failure_share for demand in demands) / calls if calls else 0.0
