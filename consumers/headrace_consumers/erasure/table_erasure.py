"""Erasing rows from one table: files rewritten without them, replaced in fenced commits, and the old ones deleted.

Appenders are not in the way: their commits rebase on ours. Of a maintainer and us one is fenced, and lists anew.
"""

import contextlib
import datetime as dt
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import structlog
from deltalake.exceptions import DeltaError

from headrace_consumers.dataset.delta.files import DataFile, new_name, statistics
from headrace_consumers.dataset.delta.layout import Layout
from headrace_consumers.dataset.delta.local_store import LocalStore
from headrace_consumers.dataset.delta.opening import one_line
from headrace_consumers.dataset.delta.place import PARTITION_COLUMN
from headrace_consumers.dataset.delta.store import fsync_folder
from headrace_consumers.dataset.errors import Fenced, TableError
from headrace_consumers.dataset.steps import ErasureStep, Hook, no_hook
from headrace_consumers.dataset.upkeep.erasures import ERASURES
from headrace_consumers.dataset.upkeep.maintenance_plan import ActiveFile
from headrace_consumers.dataset.upkeep.merge import Merge
from headrace_consumers.dataset.upkeep.replacing import ReplacingHandle
from headrace_consumers.erasure.choices import Choice
from headrace_consumers.erasure.finding import rows_that_go
from headrace_consumers.erasure.removal import Removal, removal_of, told

__all__ = ["Found", "TableErasure"]

log = structlog.get_logger("headrace.erasure")

_AT_ONCE: Final = 20
_GRACE_S: Final = 30.0
_LOOK_S: Final = 0.5
_PATIENCE: Final = 50
"""So often others may be faster. A maintainer that was fenced waits for a minute."""


@dataclass(slots=True)
class Found:
    """What goes from a table.

    Attributes:
        rows: by signature; of a side table under "".
        files: that hold them.
        requests: their request ids.
        dedup_keys: their keys.
    """

    rows: Counter[str]
    files: int
    requests: set[str]
    dedup_keys: set[str]


class TableErasure:
    """One table from which rows go.

    Args:
        path: a local folder that is a table.
        layout: what it looks like.
        now: UTC.
        sleep: waits for so many seconds.
        hook: called around the steps; tests kill the process there.

    Raises:
        TableError: it cannot be read.
    """

    def __init__(
        self,
        path: Path,
        layout: Layout,
        *,
        now: Callable[[], dt.datetime],
        sleep: Callable[[float], object],
        hook: Hook = no_hook,
    ) -> None:
        self.path = path
        self._layout = layout
        self._now = now
        self._hook = hook
        self._sleep = sleep
        self._named: set[str] = set()
        self._store = LocalStore(path)
        self._handle = ReplacingHandle(path)
        self._told_of = tuple(n for n in ("signature", "request_id", "dedup_key") if n in layout.schema.names)

    def look(self, choice: Choice) -> Found:
        """Return what goes, as of now; nothing is changed.

        Raises:
            TableError: a file cannot be read.
        """
        for _ in range(_PATIENCE):
            with contextlib.suppress(Fenced):
                return self._look(choice)
        raise self._impatient()

    def _look(self, choice: Choice) -> Found:
        found = Found(Counter(), 0, set(), set())
        for _, rows in self._holding(choice, set()):
            found.files += 1
            found.rows.update(self._counted(rows))
            for name, values in (("request_id", found.requests), ("dedup_key", found.dedup_keys)):
                if name in rows.column_names:
                    values.update(rows[name].drop_null().to_pylist())
        return found

    def run(self, choice: Choice, erasure_id: str) -> None:
        """Remove the rows; return when the newest version has none of them.

        Raises:
            TableError: a file cannot be read or written. What was removed stays removed; run it again.
        """
        clean: set[str] = set()
        at_once = _AT_ONCE
        for _ in range(_PATIENCE):
            try:
                for group in _groups(self._holding(choice, clean), at_once):
                    self._take_out(group, choice, erasure_id)
            except Fenced:
                at_once = max(1, at_once // 2)
            else:
                if self._is_newest():
                    return
        raise self._impatient()

    def removed(self, erasure_id: str) -> Removal:
        """Return what all commits of an erasure have removed from the table.

        Raises:
            TableError: its log cannot be read.
        """
        try:
            return removal_of(self._handle.table.history(), erasure_id)
        except (DeltaError, OSError) as error:
            raise TableError(f"{self.path}: cannot read the log ({one_line(error)})") from error

    def purge(self, choice: Choice) -> tuple[int, list[Path]]:
        """Delete the files that the table no longer names and that hold rows that go.

        No commit can name one of them any more: one that was judged before the suppression is refused, and so is a
        merge of files that were replaced.

        Returns:
            How many, and the files that cannot be read: most likely somebody is still writing them.

        Raises:
            TableError: a file cannot be deleted.
        """
        self._handle.refresh()
        self._named |= {file.path for file in self._handle.files()}
        self._hook(f"before:{ErasureStep.PURGE}")
        found, unreadable = self._unnamed(choice)
        waited_s = 0.0
        while waited_s < _GRACE_S and any(self._is_being_written(path) for path in found):
            self._sleep(_LOOK_S)  # a consumer that judges its batch again deletes the file itself
            waited_s += _LOOK_S
        self._insist_on_nameless(found)
        try:
            for path in found:
                path.unlink(missing_ok=True)
            for folder in {path.parent for path in found}:
                fsync_folder(folder)
        except OSError as error:
            raise TableError(f"{error.filename}: cannot be deleted ({error.strerror}); run it again") from error
        self._hook(f"after:{ErasureStep.PURGE}")
        return len(found), unreadable

    def _unnamed(self, choice: Choice) -> tuple[list[Path], list[Path]]:
        """Return the files that this version does not name: those that hold rows that go, and unreadable ones."""
        active = {file.path for file in self._handle.files()}
        found, unreadable = [], []
        for path in sorted(self.path.glob(f"{PARTITION_COLUMN}=*/*")):
            if path.relative_to(self.path).as_posix() in active:
                continue
            try:
                if rows_that_go(path, choice).num_rows:
                    found.append(path)
            except FileNotFoundError:
                continue
            except (pa.ArrowException, OSError):
                unreadable.append(path)
        return found, unreadable

    def _insist_on_nameless(self, paths: Sequence[Path]) -> None:
        self._handle.refresh()
        active = {file.path for file in self._handle.files()}
        if any(path.relative_to(self.path).as_posix() in active for path in paths):
            raise TableError(
                f"{self.path}: rows of the person were committed meanwhile, by a consumer of an older release that "
                "does not know of erasures; update all consumers, and run it again"
            )

    def _is_being_written(self, path: Path) -> bool:
        """Tell whether it may be of a commit under way: it is new, and no version that was looked at named it."""
        if path.relative_to(self.path).as_posix() in self._named:
            return False
        try:
            return self._now().timestamp() - path.stat().st_mtime < _GRACE_S
        except FileNotFoundError:
            return False

    @property
    def version(self) -> int:
        """The table's version, as last looked at."""
        return int(self._handle.table.version())

    def _holding(self, choice: Choice, clean: set[str]) -> Iterator[tuple[ActiveFile, pa.Table]]:
        """Yield the newest version's files that hold rows that go; the others' paths are added to `clean`."""
        self._handle.refresh()
        files = self._handle.files()
        self._named |= {file.path for file in files}
        for file in files:
            if file.path in clean:
                continue
            try:
                rows = rows_that_go(self.path / file.path, choice, self._told_of)
            except FileNotFoundError as error:
                if self._is_newest():
                    raise TableError(f"{self.path / file.path}: a file of the table is not there") from error
                raise Fenced("another erasure was faster") from error
            except (pa.ArrowException, OSError) as error:
                raise TableError(
                    f"{self.path / file.path}: cannot be read ({one_line(error)}), so nobody knows whose rows it "
                    "holds; restore it from a backup, and run it again"
                ) from error
            if rows.num_rows:
                yield file, rows
            else:
                clean.add(file.path)

    def _impatient(self) -> TableError:
        return TableError(
            f"{self.path}: others replaced files each time; run it again, if need be without dataset.maintenance"
        )

    def _is_newest(self) -> bool:
        before = self.version
        self._handle.refresh()
        return self.version == before

    def _take_out(self, group: Sequence[tuple[ActiveFile, pa.Table]], choice: Choice, erasure_id: str) -> None:
        columns = [field for field in pa.schema(self._handle.table.schema()) if field.name != PARTITION_COLUMN]
        written: list[DataFile] = []
        names: list[str] = []
        landed = self._handle.is_in_doubt = False
        try:
            self._hook(f"before:{ErasureStep.REWRITE}")
            for file, rows in group:
                names.append(new_name(file.date.isoformat()))
                written += self._without(file, rows.num_rows, choice, pa.schema(columns), names[-1])
            self._hook(f"after:{ErasureStep.REWRITE}")
            removal = Removal(sum((self._counted(rows) for _, rows in group), Counter()), len(group))
            self._hook(f"before:{ErasureStep.TAKE_OUT}")
            self._handle.replace(
                self._still_there(file.path for file, _ in group),
                written,
                now=self._now(),
                data_change=True,
                info=told(erasure_id, removal),
                raising=[ERASURES],
            )
            landed = True
            self._hook(f"after:{ErasureStep.TAKE_OUT}")
        except FileNotFoundError as error:  # replaced and deleted since it was listed; the next listing tells
            raise Fenced("another erasure was faster") from error
        except (pa.ArrowException, OSError) as error:
            raise TableError(
                f"{self.path}: cannot rewrite a file ({one_line(error)}); mend it, and run again"
            ) from error
        finally:
            for name in () if landed or self._handle.is_in_doubt else names:
                self._store.discard(name)
        log.info("rows erased", rows=removal.rows.total(), files=len(group))

    def _still_there(self, paths: Iterable[str]) -> list[ActiveFile]:
        """Return the files as the newest version has them: since they were listed, others may have replaced one.

        Raises:
            Fenced: they have.
        """
        self._handle.refresh()
        active = {file.path: file for file in self._handle.files()}
        try:
            return [active[path] for path in paths]
        except KeyError as error:
            raise Fenced(f"{self.path}: others replaced {error.args[0]} meanwhile") from error

    def _without(self, file: ActiveFile, going: int, choice: Choice, schema: pa.Schema, name: str) -> list[DataFile]:
        merge = Merge(
            [self.path / file.path],
            schema,
            self._store.stage(name),
            self._layout,
            lambda rows: pc.invert(choice.of(rows)),
        )
        for _ in merge.steps():
            pass
        if file.rows is not None and merge.rows + going != file.rows:
            raise TableError(
                f"{self.path / file.path}: does not hold the rows that the table says; nothing was changed"
            )
        if not merge.rows:
            self._store.discard(name)
            return []
        return [DataFile(name, self._store.publish(name), file.date.isoformat(), statistics(merge.rows, merge.bounds))]

    def _counted(self, rows: pa.Table) -> Counter[str]:
        if "signature" not in rows.column_names:
            return Counter({"": rows.num_rows})
        return Counter({each["values"]: each["counts"] for each in pc.value_counts(rows["signature"]).to_pylist()})


def _groups(holding: Iterator[tuple[ActiveFile, pa.Table]], size: int) -> Iterator[list[tuple[ActiveFile, pa.Table]]]:
    """Yield files of one date together, so many at most.

    All are listed before the first is replaced: they are of one version of the table.
    """
    by_date = sorted(holding, key=lambda item: item[0].date)
    for _, of_date in itertools.groupby(by_date, key=lambda item: item[0].date):
        members = list(of_date)
        for begin in range(0, len(members), size):
            yield members[begin : begin + size]
