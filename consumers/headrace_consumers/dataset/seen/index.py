"""What has to be brought to the table's state before a partition is read: the loop's view of it."""

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any, Protocol

from headrace_consumers.dataset.delta.table import InteractionTable
from headrace_consumers.dataset.kafka.source import Source
from headrace_consumers.dataset.seen.catch_up import catch_up
from headrace_consumers.dataset.seen.seen_set import SeenSet

__all__ = ["Index", "KeyIndex", "NoIndex"]


class Index(Protocol):
    """An index that is derived from the table, a part of it for each partition."""

    def bring_forward(self, partitions: Sequence[int]) -> Iterator[int]:
        """Bring the partitions to the table's state, in bounded steps; yield after each how many keys it added."""
        ...

    def release_all_but(self, partitions: Container[int]) -> None:
        """Give back the memory of all other partitions."""
        ...

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the log tells of it; nothing where there is nothing to bring forward."""
        ...


class KeyIndex:
    """The seen-set, as an index.

    Args:
        table: what it is derived from.
        seen: the keys.
        source: the topic.
    """

    def __init__(self, table: InteractionTable, seen: SeenSet, source: Source) -> None:
        self._table = table
        self._seen = seen
        self._source = source

    def bring_forward(self, partitions: Sequence[int]) -> Iterator[int]:
        """See `Index.bring_forward`."""
        return catch_up(self._table, self._seen, self._source.topic_id, self._source.partition_count, partitions)

    def release_all_but(self, partitions: Container[int]) -> None:
        """See `Index.release_all_but`."""
        self._seen.release_all_but(partitions)

    @property
    def facts(self) -> Mapping[str, Any]:
        """See `Index.facts`."""
        size = self._seen.size
        return {"keys": size.keys, "mb": size.memory_mb}


class NoIndex:
    """Of a table whose rows need no comparing."""

    def bring_forward(self, partitions: Sequence[int]) -> Iterator[int]:
        """See `Index.bring_forward`."""
        del partitions
        return iter(())

    def release_all_but(self, partitions: Container[int]) -> None:
        """See `Index.release_all_but`."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """See `Index.facts`."""
        return {}
