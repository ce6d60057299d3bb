"""How many records a poll asks for: enough to cost little each, and no more bytes than memory is to hold."""

from typing import Final

from headrace_consumers.dataset.kafka.messages import Messages

__all__ = ["POLL_BYTES", "Pace"]

POLL_BYTES: Final = 8_000_000
MOST_RECORDS: Final = 2_000
FIRST_RECORDS: Final = 100
"""Before it is known how large records are; 100 of the largest are 100 MB."""


class Pace:
    """Follows the size of the records.

    Attributes:
        records: ask for so many.
    """

    def __init__(self) -> None:
        self.records = FIRST_RECORDS

    def note(self, polled: Messages) -> None:
        """Take in what a poll returned: the next one asks for POLL_BYTES of such records."""
        if len(polled):
            mean_bytes = max(1.0, float(polled.sizes_bytes.mean()))
            self.records = max(1, min(MOST_RECORDS, int(POLL_BYTES / mean_bytes)))
