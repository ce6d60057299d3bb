"""Whether messages lie in the partitions where murmur2 puts their keys: only there do all copies of a key meet."""

from typing import Final, cast

import numpy as np

from headrace_consumers.dataset.kafka.message import Message
from headrace_consumers.dataset.kafka.messages import Messages
from headrace_consumers.dataset.seen.murmur2 import partitions_of

__all__ = ["misplaced"]

_KEY_LENGTH: Final = 64


def misplaced(messages: Messages, partition_count: int) -> Message | None:
    """Return the first message that lies elsewhere; None where each is in its place.

    Somebody writes with another partitioner, or the topic has other partitions than it had. A key that is no
    deduplication key has no place.
    """
    keys, lies = messages.keys, messages.partitions
    if set(map(_length, keys)) != {_KEY_LENGTH}:
        placed = [at for at, key in enumerate(keys) if _length(key) == _KEY_LENGTH]
        if not placed:
            return None
        return misplaced(messages.chosen(np.asarray(placed)), partition_count)
    joined = b"".join(cast("list[bytes]", keys))
    owners = partitions_of(np.frombuffer(joined, np.uint8).reshape(-1, _KEY_LENGTH), partition_count)
    (wrong,) = np.nonzero(owners != lies)
    return messages[int(wrong[0])] if len(wrong) else None


def _length(key: bytes | None) -> int:
    return 0 if key is None else len(key)
