"""Kafka's murmur2 over many keys at once, to find a table's keys that belong to a partition."""

import numpy as np
import numpy.typing as npt

__all__ = ["hashes_of", "partitions_of"]

_M = np.uint32(0x5BD1E995)
_SEED = 0x9747B28C


def partitions_of(keys: npt.NDArray[np.uint8], partitions: int) -> npt.NDArray[np.int64]:
    """Return the partition of each key; the vector form of `headrace_schemas.keys.partition_of`.

    Args:
        keys: shape (n, length), the keys' bytes; length a multiple of 4.
        partitions: the topic's number of partitions.

    Returns:
        shape (n,).
    """
    return hashes_of(keys) % partitions


def hashes_of(keys: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Return the hash of each key, of which Kafka takes the remainder by the number of partitions; never negative.

    Args:
        keys: shape (n, length), the keys' bytes; length a multiple of 4.

    Returns:
        shape (n,).
    """
    n, length = keys.shape
    words = np.ascontiguousarray(keys).view("<u4").reshape(n, length // 4)
    h = np.full(n, _SEED ^ length, np.uint32)
    for column in range(words.shape[1]):
        k = words[:, column] * _M
        k ^= k >> np.uint32(24)
        k *= _M
        h *= _M
        h ^= k
    h ^= h >> np.uint32(13)
    h *= _M
    h ^= h >> np.uint32(15)
    return (h & np.uint32(0x7FFFFFFF)).astype(np.int64)
