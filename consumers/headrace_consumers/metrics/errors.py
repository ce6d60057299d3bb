"""What can stop the metrics consumer; each is one line that says what, where and what to do."""

from headrace.errors import HeadraceError

__all__ = ["MetricsError"]


class MetricsError(HeadraceError):
    """The topics or the broker are not what the consumer needs."""
