"""What lag in seconds means, for every consumer alike. Pure."""

__all__ = ["lag_s"]


def lag_s(lag_records: int | None, since_ms: int | None, now_ms: int) -> float | None:
    """Return how far a partition is behind, in seconds; None: not known.

    Args:
        lag_records: how many records wait; None: not known.
        since_ms: when what is behind was written to Kafka, Unix time; None: not known.
        now_ms: Unix time.
    """
    if lag_records == 0:
        return 0.0
    return None if since_ms is None else max(0.0, (now_ms - since_ms) / 1000)
