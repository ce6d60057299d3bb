"""One right: an operation on one of the broker's resources, as Kafka's ACLs have it."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Kind", "Pattern", "Right"]


class Kind(StrEnum):
    """What a right is about."""

    topic = "topic"
    group = "group"
    cluster = "cluster"
    transactional_id = "transactional_id"
    other = "other"


class Pattern(StrEnum):
    """How a resource is named."""

    literal = "literal"
    prefixed = "prefixed"


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """An operation that is allowed, or denied.

    Attributes:
        kind: of the resource.
        name: its name, or what it begins with; * is all.
        operation: Kafka's name, e.g. READ; READ and WRITE have DESCRIBE in them.
        pattern: how `name` is meant.
        is_denied: whether it is forbidden, which goes before all that is allowed.
        host: from this address only; * is all.
    """

    kind: Kind
    name: str
    operation: str
    pattern: Pattern = Pattern.literal
    is_denied: bool = False
    host: str = "*"

    def __str__(self) -> str:
        """Return it for people."""
        name = f"{self.name}*" if self.pattern is Pattern.prefixed else self.name
        resource = "the cluster" if self.kind is Kind.cluster else f"{self.kind.value} {name}"
        origin = "" if self.host == "*" else f" from {self.host}"
        return f"{'no ' if self.is_denied else ''}{self.operation} on {resource}{origin}"

    def as_dict(self) -> dict[str, str]:
        """Return it as JSON values."""
        return {
            "resource": self.kind.value,
            "name": self.name,
            "pattern": self.pattern.value,
            "operation": self.operation,
            "permission": "deny" if self.is_denied else "allow",
            "host": self.host,
        }
