"""Erasures as a consumer sees them: a number in the table that each erasure's commit raises.

An erasure may take any row, and a fingerprint of it is still a trace; so a seen-set that reflects another number than
the table's is rebuilt.
"""

from typing import Final

from headrace_consumers.dataset.delta.table import InteractionTable

__all__ = ["ERASURES", "erasures_in"]

ERASURES: Final = "erasures"
"""The app id of the transaction that counts them: an erasure commits ``txn(ERASURES, n + 1)`` with its removals."""


def erasures_in(table: InteractionTable) -> int:
    """Return how many erasures the table has seen, as of its handle."""
    return table.position(ERASURES) or 0
