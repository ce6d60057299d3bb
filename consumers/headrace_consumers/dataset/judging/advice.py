"""What to do about records that do not become examples; the document's troubleshooting, by reason."""

from collections.abc import Mapping
from typing import Final

__all__ = ["REPEATED", "what_to_do"]

_KEYS: Final[Mapping[str, str]] = {
    "suppressed": "nothing there: they are of people who were erased (headrace erase)",
    "environment": "nothing there: see filters.environments, and telemetry.environment of the services",
    "failed": "require_success, and see why the calls fail",
    "truncated": "nothing there: raise telemetry.max_field_bytes of the services",
    "latency": "max_latency_ms",
    "cost": "max_cost_usd",
    "quality": "min_quality_score",
}
"""Why records are rejected -> the threshold under filters.default or filters.signatures.<name>."""

REPEATED: Final = (
    "if the inputs differ only in what matters little, count fewer: dedup.signatures.{signature}.fields; "
    "else the usage is repetitive: synthetic examples bring variety"
)
"""Where most records repeat the inputs of another; to be formatted with the signature."""


def what_to_do(reason: str, signature: str) -> str:
    """Return what to look at where many records of a signature are rejected for a reason."""
    return f"look at filters.signatures.{signature} and filters.default: {_KEYS.get(reason, f'own_filters, {reason}')}"
