"""Messages that lie elsewhere than where murmur2 puts their keys: only there do all copies of a key meet."""

from typing import Final, cast

import numpy as np

from headrace_consumers.dataset.kafka.messages import Messages
from headrace_consumers.dataset.records.decode import Unreadable
from headrace_consumers.dataset.seen.murmur2 import partitions_of

__all__ = ["MISPLACED", "misplaced"]

MISPLACED: Final = "misplaced"

_KEY_LENGTH: Final = 64


def misplaced(messages: Messages, partition_count: int) -> dict[int, Unreadable]:
    """Return which messages of a batch lie elsewhere, by their place in it, and where each belongs.

    Somebody writes with another partitioner, or the topic had other partitions once. Keys of another length have no
    place: no row comes of an outcome's key, nor of a message without one.
    """
    keys, lies = messages.keys, messages.partitions
    places = np.arange(len(messages))
    if set(map(_length, keys)) != {_KEY_LENGTH}:
        places = places[[_length(key) == _KEY_LENGTH for key in keys]]
        keys, lies = [keys[place] for place in places], lies[places]
    joined = b"".join(cast("list[bytes]", keys))
    owners = partitions_of(np.frombuffer(joined, np.uint8).reshape(-1, _KEY_LENGTH), partition_count)
    (wrong,) = np.nonzero(owners != lies)
    return {int(places[at]): _belongs_in(int(owners[at])) for at in wrong}


def _belongs_in(partition: int) -> Unreadable:
    detail = f"its key belongs in partition {partition}: the partitioner of its writer must be murmur2_random"
    return Unreadable(MISPLACED, detail)


def _length(key: bytes | None) -> int:
    return 0 if key is None else len(key)
