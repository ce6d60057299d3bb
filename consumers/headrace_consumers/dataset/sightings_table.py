"""The sightings table: a batch's copies go there before the batch is committed, each exactly once.

It has positions of its own, in its own commits, and they may be ahead of the dataset's: a batch that is read again
after a crash finds its copies there already. Which messages are copies does not depend on where batches end.
"""

from collections.abc import Mapping
from types import TracebackType
from typing import Self

import numpy as np

from headrace_consumers.dataset.delta.files import StagedFiles
from headrace_consumers.dataset.delta.moves import Move, app_id
from headrace_consumers.dataset.delta.table import InteractionTable
from headrace_consumers.dataset.kafka.messages import Messages
from headrace_consumers.dataset.kafka.source import Source
from headrace_consumers.dataset.landing import commit_files
from headrace_consumers.dataset.sightings import sighting_rows

__all__ = ["SightingsTable", "StagedSightings"]


class SightingsTable:
    """Takes the copies of one topic.

    Args:
        table: this member's handle on it, of the layout SIGHTINGS.
        source: the topic.
    """

    def __init__(self, table: InteractionTable, source: Source) -> None:
        self._table = table
        self._source = source

    def staging(self) -> "StagedSightings":
        """Return where a batch's copies go, a context: they are nobody's, and gone if they are not committed."""
        return StagedSightings(self._table, self._source)

    def add(self, copies: Messages, targets: Mapping[int, int]) -> int:
        """Commit the copies that are not there yet; return how many. None: nothing is written.

        Args:
            copies: of a batch, each partition's in offset order.
            targets: partition -> the next offset after the batch.

        Raises:
            Fenced: another member was at it; the batch is to be dropped.
            TableError: nothing was committed; the same batch can be tried again.
        """
        with self.staging() as staged:
            staged.append(staged.further(copies))
            return staged.commit(targets)


class StagedSightings:
    """The copies of one batch, a row group for each of its chunks; see `SightingsTable`.

    Attributes:
        count: of those that are staged.
    """

    def __init__(self, table: InteractionTable, source: Source) -> None:
        self._table = table
        self._source = source
        self._positions: dict[int, int | None] = {}
        self._staged = StagedFiles(table.store, table.layout)
        self._touched: set[int] = set()
        self.count = 0

    def further(self, copies: Messages) -> Messages:
        """Return those that the table has not: of each partition what lies at its position or behind it.

        Raises:
            TableError: the table cannot be read.
        """
        if len(copies) and not self._positions:
            self._table.refresh()
        found = []
        for run in copies.runs():
            partition = int(run.partitions[0])
            if partition not in self._positions:
                self._positions[partition] = self._table.position(self._app_id(partition))
            position = self._positions[partition]
            first = 0 if position is None else int(np.searchsorted(run.offsets, position))
            if first < len(run):
                self._touched.add(partition)
                found.append(run.part(first, len(run)))
        return Messages.together(found)

    def append(self, further: Messages) -> None:
        """Stage a row for each; may be called on another thread than the rest, once at a time.

        Raises:
            TableError: the disk refused.
        """
        if len(further):
            self._staged.append(sighting_rows(further, self._source.topic, self._source.topic_id))
            self.count += len(further)

    def commit(self, targets: Mapping[int, int]) -> int:
        """Commit what is staged; see `SightingsTable.add`."""
        if self.count:
            moves = [Move(self._app_id(p), self._positions[p], targets[p]) for p in sorted(self._touched)]
            commit_files(self._table, self._staged.publish(), moves)
        return self.count

    def _app_id(self, partition: int) -> str:
        return app_id(self._source.topic_id, partition)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._staged.__exit__(kind, error, traceback)
