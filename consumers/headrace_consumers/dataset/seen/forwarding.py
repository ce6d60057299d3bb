"""Newly owned partitions are read once the index covers the table's rows of them: brought there a step at a time.

Between the steps the loop polls and commits as ever. A partition that went meanwhile, and maybe came back, begins anew:
another member may have moved it on, and what was asked of the table would miss those rows.
"""

from collections.abc import Generator, Iterator, Mapping
from typing import TYPE_CHECKING

import structlog

from headrace_consumers.dataset.kafka.assignment import Assignment
from headrace_consumers.dataset.seen.index import Index

if TYPE_CHECKING:
    from headrace_consumers.dataset.kafka.partitions import Owned

__all__ = ["Forwarding"]

log = structlog.get_logger("headrace.dataset")


class Forwarding:
    """Brings an index forward for partitions that are not ready, and then has them read.

    Args:
        index: derived from the table.
        assignment: what the group gives this member.
    """

    def __init__(self, index: Index, assignment: Assignment) -> None:
        self._index = index
        self._assignment = assignment
        self._held: Mapping[int, Owned] = {}
        self._steps: Iterator[int] | None = None

    @property
    def is_under_way(self) -> bool:
        """Whether there is more to do."""
        return self._steps is not None

    def step(self) -> bool:
        """Do a step, of a fraction of a second; return whether one was due."""
        waiting = self._assignment.owned.not_ready()
        if any(waiting.get(partition) is not owned for partition, owned in self._held.items()):
            self.close()
        if self._steps is None:
            if not waiting:
                self._index.release_all_but(set(self._assignment.owned))  # not in a callback: it may fire in a step
                return False
            self._held, self._steps = waiting, self._index.bring_forward(list(waiting))
        try:
            next(self._steps)
        except StopIteration:
            self._end()
        return True

    def close(self) -> None:
        """Leave what is under way."""
        steps, self._steps, self._held = self._steps, None, {}
        if isinstance(steps, Generator):
            steps.close()

    def _end(self) -> None:
        partitions = list(self._held)
        self.close()
        self._assignment.ready(partitions)
        if facts := self._index.facts:
            log.info("seen-set brought forward", partitions=partitions, **facts)
