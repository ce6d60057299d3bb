"""At which rate each module's calls are captured: the configuration, and what changed it since. Pure and immutable.

For each setting alone: what was said of the module itself comes before what was said of all modules; among these the
later of a call of `headrace.set_sampling` and an order on the control topic, then the configuration. But what is
switched off for all is off for each.

    rate 0   counted, not captured        off   neither: as if it were not instrumented
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, Protocol, TypeAlias

from headrace.config.telemetry import Telemetry
from headrace_schemas.names import to_valid_name

__all__ = ["Change", "Policy", "Sampling", "Source"]

Source: TypeAlias = Literal["call", "order"]
_ALL: Final = ""
"""Stands for all modules; no module is named so."""


class Change(Protocol):
    """What is to hold; None leaves a setting as it is."""

    @property
    def rate_pct(self) -> float | None:
        """Percentage of requests that are captured."""

    @property
    def enabled(self) -> bool | None:
        """Whether calls are captured and counted at all."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """What holds.

    Attributes:
        rate_pct: percentage of requests that are captured.
        enabled: whether calls are captured and counted at all.
    """

    rate_pct: float
    enabled: bool


@dataclass(frozen=True, slots=True)
class _Entry:
    """Something that was said of a module, or of all."""

    number: int
    rate_pct: float | None
    enabled: bool | None


_Key: TypeAlias = tuple[str, Source]


class Policy:
    """The rates that hold.

    Args:
        telemetry: what the configuration says.
        changes: what was said since, by module (valid name, "" for all) and source.

    Attributes:
        is_on: whether the calls of any module may be captured or counted.
    """

    __slots__ = ("_by_module", "_changes", "_for_others", "_telemetry", "is_on")

    def __init__(self, telemetry: Telemetry, changes: Mapping[_Key, _Entry] = MappingProxyType({})) -> None:
        self._telemetry = telemetry
        self._changes = changes
        of_all = self._said_of(_ALL)
        self.is_on: Final = of_all.enabled
        self._for_others = self._rate(of_all)
        named = {to_valid_name(name) for name in telemetry.modules} | {module for module, _ in changes}
        self._by_module = {module: self._rate(self._said_of(module)) for module in named - {_ALL}}

    def rate_of(self, module: str) -> float | None:
        """Return the share of a module's requests that is captured, 0 to 1; None where the module is off.

        Args:
            module: its name as in its records.
        """
        return self._by_module.get(module, self._for_others)

    def sampling(self, module: str | None = None) -> Sampling:
        """Return what holds for a module; None: for those of which nothing of their own was said."""
        return self._said_of(_ALL if module is None else to_valid_name(module))

    @property
    def captures(self) -> bool:
        """Whether any rate is above 0."""
        return any((self._for_others, *self._by_module.values()))

    def after_call(
        self, module: str | None, *, rate_pct: float | None = None, enabled: bool | None = None, reset: bool = False
    ) -> "Policy":
        """Return the policy after a call of `headrace.set_sampling`; `reset` takes earlier ones back first."""
        key: _Key = (_ALL if module is None else to_valid_name(module), "call")
        changes = {each: entry for each, entry in self._changes.items() if not (reset and each == key)}
        earlier = changes.get(key)
        if earlier is not None:
            rate_pct = earlier.rate_pct if rate_pct is None else rate_pct
            enabled = earlier.enabled if enabled is None else enabled
        if rate_pct is not None or enabled is not None:
            changes[key] = _Entry(self._next(), rate_pct, enabled)
        return Policy(self._telemetry, changes)

    def after_orders(self, orders: Mapping[str, Change], all_modules: str = "*") -> "Policy":
        """Return the policy when these orders, and no others, are in force; those that were before keep their age.

        Args:
            orders: module name -> what was ordered.
            all_modules: the name under which stands what was ordered for all.
        """
        changes = {key: entry for key, entry in self._changes.items() if key[1] == "call"}
        for name, order in orders.items():
            key: _Key = (_ALL if name == all_modules else to_valid_name(name), "order")
            entry = self._changes.get(key)
            if entry is None or (entry.rate_pct, entry.enabled) != (order.rate_pct, order.enabled):
                entry = _Entry(self._next(), order.rate_pct, order.enabled)
            changes[key] = entry
        return Policy(self._telemetry, changes)

    def _next(self) -> int:
        return 1 + max((entry.number for entry in self._changes.values()), default=0)

    def _said_of(self, module: str) -> Sampling:
        said = sorted(
            (entry for (name, _), entry in self._changes.items() if name == module), key=lambda entry: -entry.number
        )
        rate_pct = next((entry.rate_pct for entry in said if entry.rate_pct is not None), None)
        enabled = next((entry.enabled for entry in said if entry.enabled is not None), None)
        if module == _ALL:
            telemetry = self._telemetry
            return Sampling(
                telemetry.sampling_rate_pct if rate_pct is None else rate_pct,
                telemetry.enabled if enabled is None else enabled,
            )
        of_all = self._said_of(_ALL)
        if (found := self._telemetry.of_module(module)) is not None:
            _, configured = found
            rate_pct = configured.sampling_rate_pct if rate_pct is None else rate_pct
            enabled = configured.enabled if enabled is None else enabled
        return Sampling(of_all.rate_pct if rate_pct is None else rate_pct, of_all.enabled and enabled is not False)

    @staticmethod
    def _rate(sampling: Sampling) -> float | None:
        return sampling.rate_pct / 100 if sampling.enabled else None
