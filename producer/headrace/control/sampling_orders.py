"""A sampling order: whom it is about, what it says, and its form on the control topic. Pure.

    key    sampling/<environment>/<service>/<module>     each a name, or * for all
    value  Control{kind, name, value: {"rate_pct": 0..100 | null, "enabled": true | false | null}, ...}

null leaves a setting as it is. A tombstone, {} and two nulls take the order back.
"""

import math
from dataclasses import dataclass
from typing import Any, Final

from headrace_schemas.control_records import FUTURE_MS, OrderError, encoded, key_of, name_in, read_record
from headrace_schemas.names import is_valid_name

__all__ = ["ANY", "FUTURE_MS", "KIND", "OrderError", "SamplingOrder", "SamplingScope", "read_order"]

KIND: Final = "sampling"
ANY: Final = "*"

_MAX_RATE_PCT: Final = 100


@dataclass(frozen=True, slots=True)
class SamplingScope:
    """Whom an order is about; each part is a name, or ANY.

    Attributes:
        environment: telemetry.environment of the producers.
        service: telemetry.service of the producers; one without a name is reached by ANY only.
        module: as in a record's module_name.
    """

    environment: str = ANY
    service: str = ANY
    module: str = ANY

    @property
    def name(self) -> str:
        """The `name` on the topic."""
        return f"{self.environment}/{self.service}/{self.module}"

    @property
    def key(self) -> bytes:
        """The message key."""
        return key_of(KIND, self.name)

    @property
    def rank(self) -> tuple[bool, bool, bool]:
        """How specific it is; the greater rank wins: a named module, then a named service, then environment."""
        return self.module != ANY, self.service != ANY, self.environment != ANY

    def reaches(self, environment: str, service: str) -> bool:
        """Tell whether producers of an environment and a service follow it."""
        return self.environment in {ANY, environment} and self.service in {ANY, service}

    @classmethod
    def of(cls, name: str) -> "SamplingScope":
        """Return the scope of a `name`.

        Raises:
            OrderError: it is no <environment>/<service>/<module>.
        """
        parts = name.split("/")
        if len(parts) != len(cls.__slots__) or not all(part == ANY or is_valid_name(part) for part in parts):
            raise OrderError("its name is no <environment>/<service>/<module>, each a name or *")
        return cls(*parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingOrder:
    """What producers shall do.

    Attributes:
        scope: whom it is about.
        rate_pct: the sampling rate, percent; None leaves it.
        enabled: whether calls are captured at all; None leaves it.
        updated_at_ms: when it was given, Unix time in milliseconds.
        updated_by: by whom, for people.
    """

    scope: SamplingScope
    rate_pct: float | None = None
    enabled: bool | None = None
    updated_at_ms: int = 0
    updated_by: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing: earlier orders of this scope are taken back."""
        return self.rate_pct is None and self.enabled is None

    def encoded(self) -> bytes:
        """Return the message value."""
        said = {"rate_pct": self.rate_pct, "enabled": self.enabled}
        return encoded(KIND, self.scope.name, said, self.updated_at_ms, self.updated_by)


def read_order(key: bytes | None, value: bytes | None, now_ms: int) -> SamplingOrder | None:
    """Return the order in a message of the control topic; None where it is of another kind.

    Args:
        key: the message's key.
        value: its value; None is a tombstone: the empty order.
        now_ms: this clock, Unix time in milliseconds.

    Raises:
        OrderError: it cannot be used.
    """
    name = name_in(KIND, key)
    if name is None:
        return None
    scope = SamplingScope.of(name)
    record = read_record(KIND, key, value, now_ms)
    if record is None or record.said is None:
        return SamplingOrder(scope=scope)
    return SamplingOrder(
        scope=scope,
        rate_pct=_rate_pct(record.said.get("rate_pct")),
        enabled=_enabled(record.said.get("enabled")),
        updated_at_ms=record.updated_at_ms,
        updated_by=record.updated_by,
    )


def _rate_pct(value: Any) -> float | None:
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not 0 <= value <= _MAX_RATE_PCT:
        raise OrderError("its rate_pct is no number from 0 to 100")
    return float(value)


def _enabled(value: Any) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    raise OrderError("its enabled is neither true nor false")
