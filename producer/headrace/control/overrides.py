"""From all orders in force to what holds for each module of one service. Pure.

For each setting alone, the most specific order that states it wins: one that names the module before one that does not,
then one that names the service, then one that names the environment. What all modules are switched off by, no order
about one of them switches on again: that is the policy's own rule.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from headrace.control.sampling_orders import ANY, SamplingOrder, SamplingScope

__all__ = ["ALL_MODULES", "Orders", "Override"]

ALL_MODULES: Final = ANY
"""The module name under which stands what holds for every module that has no entry of its own."""


@dataclass(frozen=True, slots=True)
class Override:
    """What holds instead of the configuration; None leaves it."""

    rate_pct: float | None = None
    enabled: bool | None = None


class Orders:
    """The orders in force."""

    def __init__(self) -> None:
        self._by_scope: dict[SamplingScope, SamplingOrder] = {}

    def take(self, order: SamplingOrder) -> None:
        """Put an order in the place of the earlier one of its scope; an empty one takes that back."""
        if order.is_empty:
            self._by_scope.pop(order.scope, None)
        else:
            self._by_scope[order.scope] = order

    def listed(self) -> list[SamplingOrder]:
        """Return the orders in force, by name."""
        return sorted(self._by_scope.values(), key=lambda order: order.scope.name)

    def overrides(self, environment: str, service: str) -> Mapping[str, Override]:
        """Return module name -> what holds for it, for one service; ALL_MODULES for those that are not named.

        A module that no order reaches, and ALL_MODULES where none reaches all, have no entry.
        """
        reaching = sorted(
            (order for order in self._by_scope.values() if order.scope.reaches(environment, service)),
            key=lambda order: order.scope.rank,
        )
        resolved = {}
        for module in {order.scope.module for order in reaching}:
            rate_pct, enabled = None, None
            for order in reaching:  # the most specific is the last
                if order.scope.module in {ANY, module}:
                    rate_pct = order.rate_pct if order.rate_pct is not None else rate_pct
                    enabled = order.enabled if order.enabled is not None else enabled
            resolved[module] = Override(rate_pct, enabled)
        return resolved
