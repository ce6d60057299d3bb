"""The files of one table: which of them hold rows that go, named by its newest version or by none."""

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from deltalake.exceptions import DeltaError

from headrace_consumers.dataset.delta.layout import Layout
from headrace_consumers.dataset.delta.opening import one_line
from headrace_consumers.dataset.delta.place import PARTITION_COLUMN
from headrace_consumers.dataset.delta.store import Store
from headrace_consumers.dataset.errors import Fenced, TableError
from headrace_consumers.dataset.upkeep.maintenance_plan import ActiveFile
from headrace_consumers.dataset.upkeep.replacing import ReplacingHandle
from headrace_consumers.erasure.choices import Choice
from headrace_consumers.erasure.finding import rows_that_go

__all__ = ["PATIENCE", "Found", "TableFiles", "Unnamed", "counted", "impatient"]

PATIENCE: Final = 50
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


@dataclass(frozen=True, slots=True)
class Unnamed:
    """Files that the newest version does not name.

    Attributes:
        holding: name -> when it was written, Unix time in seconds; these hold rows that go.
        unreadable: names; most likely somebody is still writing them.
    """

    holding: dict[str, float]
    unreadable: list[str]


class TableFiles:
    """Lists and reads; changes nothing.

    Args:
        store: of the table.
        layout: what the table looks like.

    Attributes:
        store: see above.
        layout: see above.
        handle: on the table.
        named: all files that a version named which was looked at, and those of `recall`.

    Raises:
        TableError: the table cannot be read.
    """

    def __init__(self, store: Store, layout: Layout) -> None:
        self.store = store
        self.layout = layout
        self.handle = ReplacingHandle(store)
        self.named: set[str] = set()
        self._told_of = tuple(n for n in ("signature", "request_id", "dedup_key") if n in layout.schema.names)

    @property
    def version(self) -> int:
        """The table's version, as last looked at."""
        return int(self.handle.table.version())

    def active(self) -> dict[str, ActiveFile]:
        """Return the newest version's files, by name.

        Raises:
            TableError: the log cannot be read.
        """
        self.handle.refresh()
        files = {file.path: file for file in self.handle.files()}
        self.named |= files.keys()
        return files

    def recall(self) -> None:
        """Add to `named` what the log says was replaced.

        Raises:
            TableError: it cannot be read.
        """
        try:
            self.named |= set(self.handle.table.vacuum(0, dry_run=True, enforce_retention_duration=False))
        except (DeltaError, OSError) as error:
            raise TableError(f"{self.store.place}: cannot read the log ({one_line(error)})") from error

    def is_newest(self) -> bool:
        """Tell whether no other version has come since the last look; look.

        Raises:
            TableError: see above.
        """
        before = self.version
        self.handle.refresh()
        return self.version == before

    def look(self, choice: Choice) -> Found:
        """Return what goes, as of now.

        Raises:
            TableError: a file cannot be read.
        """
        for _ in range(PATIENCE):
            with contextlib.suppress(Fenced):
                return self._look(choice)
        raise impatient(self.store)

    def holding(self, choice: Choice, clean: set[str]) -> Iterator[tuple[ActiveFile, pa.Table]]:
        """Yield the newest version's files that hold rows that go, with these; the others' names go to `clean`.

        Args:
            choice: which go.
            clean: names of files that hold none.

        Raises:
            Fenced: a file was replaced and deleted meanwhile; list anew.
            TableError: a file cannot be read.
        """
        for name, file in self.active().items():
            if name in clean:
                continue
            try:
                rows = rows_that_go(self.store.source(name), choice, self._told_of)
            except FileNotFoundError as error:
                if self.is_newest():
                    raise TableError(f"{self.address(name)}: a file of the table is not there") from error
                raise Fenced("another erasure was faster") from error
            except (pa.ArrowException, OSError) as error:
                raise self._unread(name, error) from error
            if rows.num_rows:
                yield file, rows
            else:
                clean.add(name)

    def still_there(self, names: Iterable[str]) -> list[ActiveFile]:
        """Return the files as the newest version has them: since they were listed, others may have replaced one.

        Raises:
            Fenced: they have.
            TableError: the log cannot be read.
        """
        active = self.active()
        try:
            return [active[name] for name in names]
        except KeyError as error:
            raise Fenced(f"{self.store.place}: others replaced {error.args[0]} meanwhile") from error

    def unnamed(self, choice: Choice) -> Unnamed:
        """Return the files that the newest version does not name.

        Raises:
            TableError: the log or the store cannot be read.
        """
        active = self.active()
        found = Unnamed({}, [])
        try:
            listed = sorted(self.store.files())
        except OSError as error:
            raise self._unlisted(error) from error
        for name, written_at in listed:
            if name in active or not name.startswith(f"{PARTITION_COLUMN}="):
                continue
            try:
                if rows_that_go(self.store.source(name), choice).num_rows:
                    found.holding[name] = written_at
            except FileNotFoundError:
                continue
            except (pa.ArrowException, OSError) as error:
                if self.store.is_remote and self.store.is_at_fault(error):
                    raise self._unlisted(error) from error
                found.unreadable.append(name)
        return found

    def address(self, name: str) -> str:
        """Return how people name a file."""
        return f"{self.store.place}/{name}"

    def _look(self, choice: Choice) -> Found:
        found = Found(Counter(), 0, set(), set())
        for _, rows in self.holding(choice, set()):
            found.files += 1
            found.rows.update(counted(rows))
            for name, values in (("request_id", found.requests), ("dedup_key", found.dedup_keys)):
                if name in rows.column_names:
                    values.update(rows[name].drop_null().to_pylist())
        return found

    def _unread(self, name: str, error: Exception) -> TableError:
        if self.store.is_remote and self.store.is_at_fault(error):
            return TableError(f"{self.address(name)}: the store did not give it ({one_line(error)}); run it again")
        return TableError(
            f"{self.address(name)}: cannot be read ({one_line(error)}), so nobody knows whose rows it holds; "
            "restore it from a backup, and run it again"
        )

    def _unlisted(self, error: Exception) -> TableError:
        return TableError(
            f"{self.store.place}: old files cannot be looked through ({one_line(error)}); mend it, and run it again"
        )


def counted(rows: pa.Table) -> Counter[str]:
    """Return how many rows there are, by signature; of a side table under ""."""
    if "signature" not in rows.column_names:
        return Counter({"": rows.num_rows})
    return Counter({each["values"]: each["counts"] for each in pc.value_counts(rows["signature"]).to_pylist()})


def impatient(store: Store) -> TableError:
    """Return what to say when others were always faster."""
    return TableError(
        f"{store.place}: others replaced files each time; run it again, if need be without dataset.maintenance"
    )
