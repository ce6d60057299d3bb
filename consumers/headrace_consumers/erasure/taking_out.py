"""Rows out of a table: files rewritten without them, replaced in fenced commits.

Appenders are not in the way: their commits rebase on ours. Of a maintainer and us one is fenced, and lists anew.
"""

import datetime as dt
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import structlog

from headrace_consumers.dataset.delta.files import DataFile, new_name, statistics
from headrace_consumers.dataset.delta.opening import one_line
from headrace_consumers.dataset.delta.place import PARTITION_COLUMN
from headrace_consumers.dataset.errors import Fenced, TableError
from headrace_consumers.dataset.steps import ErasureStep, Hook
from headrace_consumers.dataset.upkeep.erasures import ERASURES
from headrace_consumers.dataset.upkeep.maintenance_plan import ActiveFile
from headrace_consumers.dataset.upkeep.merge import Merge
from headrace_consumers.erasure.choices import Choice
from headrace_consumers.erasure.removal import Removal, told
from headrace_consumers.erasure.table_files import PATIENCE, TableFiles, counted, impatient

__all__ = ["TakingOut"]

log = structlog.get_logger("headrace.erasure")

_AT_ONCE: Final = 20


class TakingOut:
    """Takes rows out of one table.

    Args:
        files: of the table.
        choice: which rows go.
        erasure_id: told in the commits.
        now: UTC.
        hook: called around the steps; tests kill the process there.
    """

    def __init__(
        self, files: TableFiles, choice: Choice, erasure_id: str, *, now: Callable[[], dt.datetime], hook: Hook
    ) -> None:
        self._files = files
        self._store = files.store
        self._handle = files.handle
        self._choice = choice
        self._erasure_id = erasure_id
        self._now = now
        self._hook = hook

    def run(self) -> None:
        """Remove the rows; return when the newest version has none of them.

        Raises:
            TableError: a file cannot be read or written. What was removed stays removed; run it again.
        """
        clean: set[str] = set()
        at_once = _AT_ONCE
        for _ in range(PATIENCE):
            try:
                for group in _groups(self._files.holding(self._choice, clean), at_once):
                    self._replace(group)
            except Fenced:
                at_once = max(1, at_once // 2)
            else:
                if self._files.is_newest():
                    return
        raise impatient(self._store)

    def _replace(self, group: Sequence[tuple[ActiveFile, pa.Table]]) -> None:
        columns = [field for field in pa.schema(self._handle.table.schema()) if field.name != PARTITION_COLUMN]
        written: list[DataFile] = []
        names: list[str] = []
        landed = self._handle.is_in_doubt = False
        try:
            self._hook(f"before:{ErasureStep.REWRITE}")
            for file, rows in group:
                names.append(new_name(file.date.isoformat()))
                written += self._without(file, rows.num_rows, pa.schema(columns), names[-1])
            self._hook(f"after:{ErasureStep.REWRITE}")
            removal = Removal(sum((counted(rows) for _, rows in group), Counter()), len(group))
            self._hook(f"before:{ErasureStep.TAKE_OUT}")
            self._handle.replace(
                self._files.still_there(file.path for file, _ in group),
                written,
                now=self._now(),
                data_change=True,
                info=told(self._erasure_id, removal),
                raising=[ERASURES],
            )
            landed = True
            self._hook(f"after:{ErasureStep.TAKE_OUT}")
        except FileNotFoundError as error:  # replaced and deleted since it was listed; the next listing tells
            raise Fenced("another erasure was faster") from error
        except (pa.ArrowException, OSError) as error:
            raise TableError(
                f"{self._store.place}: cannot rewrite a file ({one_line(error)}); mend it, and run again"
            ) from error
        finally:
            for name in () if landed or self._handle.is_in_doubt else names:
                self._store.discard(name)
        log.info("rows erased", rows=removal.rows.total(), files=len(group))

    def _without(self, file: ActiveFile, going: int, schema: pa.Schema, name: str) -> list[DataFile]:
        merge = Merge(
            [self._store.source(file.path)],
            schema,
            self._store.stage(name),
            self._files.layout,
            lambda rows: pc.invert(self._choice.of(rows)),
        )
        for _ in merge.steps():
            pass
        if file.rows is not None and merge.rows + going != file.rows:
            raise TableError(
                f"{self._files.address(file.path)}: does not hold the rows that the table says; nothing was changed"
            )
        if not merge.rows:
            self._store.discard(name)
            return []
        return [DataFile(name, self._store.publish(name), file.date.isoformat(), statistics(merge.rows, merge.bounds))]


def _groups(holding: Iterator[tuple[ActiveFile, pa.Table]], size: int) -> Iterator[list[tuple[ActiveFile, pa.Table]]]:
    """Yield files of one date together, so many at most.

    All are listed before the first is replaced: they are of one version of the table.
    """
    by_date = sorted(holding, key=lambda item: item[0].date)
    for _, of_date in itertools.groupby(by_date, key=lambda item: item[0].date):
        members = list(of_date)
        for begin in range(0, len(members), size):
            yield members[begin : begin + size]
