"""What all consumers' Kafka clients have in common."""

import threading
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["CLOSING_THREAD", "QUIET", "close_consumer"]

QUIET: Final[Mapping[str, Any]] = {"log_level": 2, "client.id": "headrace"}
"""What goes wrong is told once, by exceptions and `error_cb`, and not at every attempt on standard error."""

CLOSING_THREAD: Final = "headrace-close"
_CLOSE_S: Final = 3.0


def close_consumer(consumer: Any, timeout_s: float = _CLOSE_S) -> None:
    """Leave the group; a broker that is away is not waited for, and finds out by itself.

    Args:
        consumer: it is not used afterwards, and its callbacks find nothing to do.
        timeout_s: how long to wait.
    """
    # Closing waits for answers that may never come, and cannot be told to stop.
    thread = threading.Thread(target=consumer.close, name=CLOSING_THREAD, daemon=True)
    thread.start()
    thread.join(timeout_s)
