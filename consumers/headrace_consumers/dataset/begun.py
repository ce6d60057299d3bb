"""A batch that is begun: its first chunks are judged, and their rows staged, while the rest of it is read.

It is a guess at what will be committed, and may be dropped at any moment: the messages are kept until they are in the
table. So at the commit it is compared with the batch; where a partition was taken away, or somebody was erased
meanwhile, all of the batch is judged anew.
"""

import contextlib
from typing import NamedTuple

import numpy as np

from headrace_consumers.dataset.chunks import Taken, Taking
from headrace_consumers.dataset.delta.files import StagedFiles
from headrace_consumers.dataset.judging.suppression import Suppression
from headrace_consumers.dataset.kafka.messages import Messages
from headrace_consumers.dataset.sightings_table import StagedSightings

__all__ = ["Begun"]


class _Stretch(NamedTuple):
    """What is judged of a partition: its first offset and its last, and how many messages; offsets have gaps."""

    first: int
    last: int
    number: int


class Begun:
    """Messages that are judged, of which a batch may be made.

    Args:
        suppression: by which they are judged.
        staged: where their rows go.
        sighted: where their copies go; None: they are only counted.
        taking: judges them.
    """

    def __init__(
        self, suppression: Suppression, staged: StagedFiles, sighted: StagedSightings | None, taking: Taking
    ) -> None:
        self.suppression = suppression
        self.staged = staged
        self.sighted = sighted
        self._taking = taking
        self._stretches: dict[int, _Stretch] = {}
        self._open = contextlib.ExitStack()
        self._open.enter_context(staged)
        if sighted is not None:
            self._open.enter_context(sighted)
        self._open.enter_context(taking)

    def add(self, messages: Messages) -> None:
        """Judge further messages.

        Args:
            messages: each partition's in offset order, behind those that were added before.

        Raises:
            TableError: rows cannot be staged.
        """
        for run in messages.runs():
            partition, first, last = int(run.partitions[0]), int(run.offsets[0]), int(run.offsets[-1])
            before = self._stretches.get(partition, _Stretch(first, last, 0))
            self._stretches[partition] = _Stretch(before.first, last, before.number + len(run))
        self._taking.add(messages)

    def rest_of(self, batch: Messages) -> Messages | None:
        """Return what is not judged of a batch; None: it does not begin, in each partition, with what is judged."""
        if not self._stretches:
            return batch
        partitions, offsets = batch.partitions, batch.offsets
        is_judged = np.zeros(len(batch), np.bool_)
        for partition, stretch in self._stretches.items():
            found = (partitions == partition) & (offsets <= stretch.last)
            places = np.flatnonzero(found)
            if len(places) != stretch.number or offsets[places[0]] != stretch.first:
                return None
            is_judged |= found
        return batch.chosen(np.flatnonzero(~is_judged))

    def finish(self, rest: Messages) -> Taken:
        """Judge the rest of the batch, and return what all of it comes to.

        Args:
            rest: behind what was added before, in each partition.

        Raises:
            TableError: rows cannot be staged.
        """
        self._taking.add(rest)
        return self._taking.finish()

    def close(self) -> None:
        """Leave no thread, and no file that was not published."""
        self._open.close()
