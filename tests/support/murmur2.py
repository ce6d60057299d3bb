"""Kafka's placement of keys, written down once more from its description, as an independent account needs it."""

__all__ = ["partition_by_murmur2"]


def partition_by_murmur2(key: bytes, partitions: int) -> int:
    """Return where Java's default partitioner and librdkafka's murmur2_random put a key."""
    m, h = 0x5BD1E995, 0x9747B28C ^ len(key)
    whole = len(key) - len(key) % 4
    for at in range(0, whole, 4):
        k = int.from_bytes(key[at : at + 4], "little") * m % 2**32
        k = (k ^ k >> 24) * m % 2**32
        h = h * m % 2**32 ^ k
    if rest := key[whole:]:
        h = (h ^ int.from_bytes(rest, "little")) * m % 2**32
    h = (h ^ h >> 13) * m % 2**32
    return ((h ^ h >> 15) & 0x7FFFFFFF) % partitions
