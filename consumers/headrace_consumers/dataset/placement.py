"""Whether messages lie in the partitions where murmur2 puts their keys: only there do all copies of a key meet."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from headrace_consumers.dataset.message import Message
from headrace_consumers.dataset.messages import Messages
from headrace_consumers.dataset.murmur2 import partitions_of

__all__ = ["misplaced"]

_KEY_LENGTH: Final = 64


def misplaced(messages: Sequence[Message], partition_count: int) -> Message | None:
    """Return the first message that lies elsewhere; None where each is in its place.

    Somebody writes with another partitioner, or the topic has other partitions than it had. A key that is no
    deduplication key has no place.
    """
    columns = Messages.of(messages)
    keyed = {place: key for place, key in enumerate(columns.keys) if key is not None and len(key) == _KEY_LENGTH}
    if not keyed:
        return None
    keys = np.frombuffer(b"".join(keyed.values()), np.uint8).reshape(-1, _KEY_LENGTH)
    places = np.fromiter(keyed, np.int64, len(keyed))
    (wrong,) = np.nonzero(partitions_of(keys, partition_count) != columns.partitions[places])
    return columns[int(places[wrong[0]])] if len(wrong) else None
