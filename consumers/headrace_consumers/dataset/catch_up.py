"""Bringing the seen-set forward to the table, or rebuilding it from the table, in bounded steps."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from headrace_consumers.dataset.murmur2 import partitions_of
from headrace_consumers.dataset.seen_set import SeenSet
from headrace_consumers.dataset.table import InteractionTable, app_id

__all__ = ["catch_up"]

_KEY_LENGTH: Final = 64


def catch_up(
    table: InteractionTable, seen: SeenSet, topic_id: str, partition_count: int, partitions: Sequence[int]
) -> Iterator[int]:
    """Bring the keys of the partitions to the table's state; yield the number of keys added after each step.

    A caller polls Kafka between the steps, so that a long rebuild does not cost its membership. A partition that the
    seen-set knows gets the rows from its watermark on. One that it does not know, or knows to be ahead of the table,
    gets all keys of the table that Kafka would put there, whatever topic and partition their rows came from.
    """
    positions = {partition: table.position(app_id(topic_id, partition)) or 0 for partition in partitions}
    unknown = []
    for partition, position in positions.items():
        watermark = seen.watermark(partition)
        if watermark is None or watermark > position:
            seen.forget(partition)
            unknown.append(partition)
            continue
        if watermark < position:
            for keys in table.key_batches(topic_id, partition, from_offset=watermark):
                seen.add({partition: _to_bytes(_to_matrix(keys))}, {})
                yield len(keys)
            seen.add({}, {partition: position})
    if unknown:
        for keys in table.key_batches():
            matrix = _to_matrix(keys)
            owners = partitions_of(matrix, partition_count)
            added = {partition: _to_bytes(matrix[owners == partition]) for partition in unknown}
            seen.add(added, {})
            yield sum(map(len, added.values()))
        seen.add({}, {partition: positions[partition] for partition in unknown})


def _to_bytes(matrix: npt.NDArray[np.uint8]) -> list[bytes]:
    return [row.tobytes() for row in matrix]


def _to_matrix(keys: pa.Array) -> npt.NDArray[np.uint8]:
    """Return the keys' characters, shape (n, 64)."""
    joined = "".join(keys.to_pylist()).encode("ascii")
    return np.frombuffer(joined, np.uint8).reshape(-1, _KEY_LENGTH)
