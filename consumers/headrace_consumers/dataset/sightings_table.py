"""The sightings table: a batch's copies go there before the batch is committed, each exactly once.

It has positions of its own, in its own commits, and they may be ahead of the dataset's: a batch that is read again
after a crash finds its copies there already. Which messages are copies does not depend on where batches end.
"""

from collections.abc import Mapping

import numpy as np

from headrace_consumers.dataset.delta.files import write_files
from headrace_consumers.dataset.delta.moves import Move, app_id
from headrace_consumers.dataset.delta.table import InteractionTable
from headrace_consumers.dataset.kafka.messages import Messages
from headrace_consumers.dataset.kafka.source import Source
from headrace_consumers.dataset.landing import commit_files
from headrace_consumers.dataset.sightings import sighting_rows

__all__ = ["SightingsTable"]


class SightingsTable:
    """Takes the copies of one topic.

    Args:
        table: this member's handle on it, of the layout SIGHTINGS.
        source: the topic.
    """

    def __init__(self, table: InteractionTable, source: Source) -> None:
        self._table = table
        self._source = source

    def add(self, copies: Messages, targets: Mapping[int, int]) -> int:
        """Commit the copies that are not there yet; return how many. None: nothing is written.

        Args:
            copies: of a batch, each partition's in offset order.
            targets: partition -> the next offset after the batch.

        Raises:
            Fenced: another member was at it; the batch is to be dropped.
            TableError: nothing was committed; the same batch can be tried again.
        """
        if not len(copies):
            return 0
        self._table.refresh()
        app_ids = {p: app_id(self._source.topic_id, p) for p in np.unique(copies.partitions).tolist()}
        positions = {partition: self._table.position(name) for partition, name in app_ids.items()}
        new = [run for run in (_from(run, positions) for run in copies.runs()) if len(run)]
        if not new:
            return 0
        rows = sighting_rows(Messages.together(new), self._source.topic, self._source.topic_id)
        touched = sorted({int(run.partitions[0]) for run in new})
        moves = [Move(app_ids[p], positions[p], targets[p]) for p in touched]
        commit_files(self._table, write_files(self._table.store, rows, self._table.layout), moves)
        return int(rows.num_rows)


def _from(run: Messages, positions: Mapping[int, int | None]) -> Messages:
    """Return those of one partition's messages that lie at its position or behind it."""
    position = positions[int(run.partitions[0])]
    first = 0 if position is None else int(np.searchsorted(run.offsets, position))
    return run if first == 0 else run.part(first, len(run))
