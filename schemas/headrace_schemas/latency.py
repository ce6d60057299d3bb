"""The bounds of the latency histogram: part of the contract, so that counts of all producers can be added.

OpenTelemetry's advice for `gen_ai.client.operation.duration` (0.01 s, doubling to 81.92 s), and 1, 3, 5, 10 and 30 s,
at which people set thresholds: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/
"""

from bisect import bisect_left
from typing import Final

__all__ = ["BOUNDS_S", "bucket_of", "is_bound", "nearest_bound_s"]

BOUNDS_S: Final[tuple[float, ...]] = tuple(
    sorted([*(0.01 * float(2**power) for power in range(14)), 1.0, 3.0, 5.0, 10.0, 30.0])
)
"""Upper bounds in seconds, inclusive; calls that take longer have a bucket of their own."""


def bucket_of(latency_s: float) -> int:
    """Return the index of a latency's bucket, 0 to len(BOUNDS_S)."""
    return bisect_left(BOUNDS_S, latency_s)


def is_bound(latency_s: float) -> bool:
    """Tell whether the histogram can say exactly how many calls took at most so long."""
    return latency_s in BOUNDS_S


def nearest_bound_s(latency_s: float) -> float:
    """Return the bound whose ratio to a latency above 0 is nearest to 1."""
    return min(BOUNDS_S, key=lambda bound_s: max(bound_s / latency_s, latency_s / bound_s))
