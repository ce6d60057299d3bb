"""Messages that lie elsewhere than where murmur2 puts their keys: only there do all copies of a key meet."""

from typing import Final

import numpy as np

from headrace_consumers.dataset.kafka.messages import NO_PLACE, Messages
from headrace_consumers.dataset.records.decode import Unreadable

__all__ = ["MISPLACED", "misplaced"]

MISPLACED: Final = "misplaced"


def misplaced(messages: Messages, partition_count: int) -> dict[int, Unreadable]:
    """Return which messages of a batch lie elsewhere, by their place in it, and where each belongs.

    Somebody writes with another partitioner, or the topic had other partitions once. Keys of another length have no
    place: no row comes of an outcome's key, nor of a message without one.
    """
    hashes = messages.hashes
    owners = hashes % partition_count
    (wrong,) = np.nonzero((owners != messages.partitions) & (hashes != NO_PLACE))
    return {int(place): _belongs_in(int(owners[place])) for place in wrong}


def _belongs_in(partition: int) -> Unreadable:
    detail = f"its key belongs in partition {partition}: the partitioner of its writer must be murmur2_random"
    return Unreadable(MISPLACED, detail)
