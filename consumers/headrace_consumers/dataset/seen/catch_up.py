"""Bringing the seen-set forward to the table, or rebuilding it from the table, in bounded steps."""

from collections.abc import Iterator, Sequence

from headrace_consumers.dataset.delta.moves import app_id
from headrace_consumers.dataset.delta.table import InteractionTable
from headrace_consumers.dataset.seen.fingerprints import fingerprints_of_digits
from headrace_consumers.dataset.seen.murmur2 import partitions_of
from headrace_consumers.dataset.seen.seen_set import SeenSet
from headrace_consumers.dataset.upkeep.erasures import erasures_in

__all__ = ["catch_up"]


def catch_up(
    table: InteractionTable, seen: SeenSet, topic_id: str, partition_count: int, partitions: Sequence[int]
) -> Iterator[int]:
    """Bring the keys of the partitions to the table's state; yield after each step how many keys it added.

    A caller polls Kafka between the steps, so that a long rebuild does not cost its membership. A partition that the
    seen-set knows gets the rows from its watermark on. One that it does not know, or knows to be ahead of the table, or
    knows as of before an erasure, gets all keys of the table that Kafka would put there, whatever topic and partition
    their rows came from; and those that were read from it, wherever their producer should have put them, so that their
    copies are found there again.
    """
    erasures = erasures_in(table)
    positions = {partition: table.position(app_id(topic_id, partition)) or 0 for partition in partitions}
    unknown = []
    for partition, position in positions.items():
        watermark = seen.watermark(partition)
        yield 0  # loading it may have taken seconds
        if watermark is None or watermark > position or seen.erasures(partition) != erasures:
            seen.forget(partition, erasures)
            unknown.append(partition)
        elif watermark < position:
            for rows in table.key_rows(topic_id, partition, from_offset=watermark):
                seen.add(partition, {rows.day: fingerprints_of_digits(rows.digits)})
                yield len(rows)
            seen.add(partition, {}, position)
            seen.save(partition)
    if unknown:
        for rows in table.key_rows():
            digits = rows.digits
            fingerprints = fingerprints_of_digits(digits)
            owners = partitions_of(digits, partition_count)
            added = 0
            for partition in unknown:
                chosen = fingerprints[(owners == partition) | rows.were_read_from(topic_id, partition)]
                seen.add(partition, {rows.day: chosen})
                added += len(chosen)
            yield added
        for partition in unknown:
            seen.add(partition, {}, positions[partition])
            seen.save(partition)
