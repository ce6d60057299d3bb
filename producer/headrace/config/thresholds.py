"""Latency thresholds that can be watched exactly: those at a bound of the histogram that all producers count in."""

from headrace.config.model import Config
from headrace.errors import ConfigError
from headrace_schemas import latency

__all__ = ["check_latency_thresholds"]

_MS: float = 1000.0


def check_latency_thresholds(config: Config) -> None:
    """Check what alerts are made of. Filters may have any threshold: they compare each record's own latency.

    Raises:
        ConfigError: between two bounds the histogram cannot tell how many calls were slower.
    """
    found_ms = config.quality_thresholds.max_latency_p99_ms
    if latency.is_bound(found_ms / _MS):
        return
    nearest_ms = latency.nearest_bound_s(found_ms / _MS) * _MS
    bounds = ", ".join(f"{bound_s * _MS:g}" for bound_s in latency.BOUNDS_S)
    raise ConfigError(
        f"quality_thresholds.max_latency_p99_ms: found {found_ms:g}, expected a bound of the latency histogram, "
        f"so that slower calls are counted exactly; the nearest is {nearest_ms:g} (all: {bounds})"
    )
