"""A table in a local folder: what is written is on disk for good before anybody relies on it.

Only the owner may read what is written here (files 0600, folders 0700): the rows are people's words.
"""

import contextlib
import os
from collections.abc import Callable, Collection, Iterator
from pathlib import Path, PurePosixPath

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from headrace_consumers.dataset.delta.store import FILE_MODE, fsync_file, fsync_folder, make_private_folder
from headrace_consumers.dataset.delta.table_lock import TableLock
from headrace_consumers.dataset.delta.table_log import fsync_entries
from headrace_consumers.dataset.delta.torn import set_torn_aside, set_torn_checkpoint_aside, torn_commits
from headrace_consumers.dataset.errors import TableError

__all__ = ["LocalStore"]


class LocalStore:
    """Stages files at their final place in the table's folder: until a commit names them, they are nobody's.

    Args:
        root: the table's folder.

    Attributes:
        place: see Store, and so are the next two.
        options: see there.
        is_remote: see there.
    """

    def __init__(self, root: Path) -> None:
        self.place: Path | str = root
        self.options = None
        self.is_remote = False
        self._root = root

    def handle(self) -> DeltaTable:
        """See Store."""
        return DeltaTable(str(self._root))

    def is_table(self) -> bool:
        """See Store."""
        return DeltaTable.is_deltatable(str(self._root))

    def open_for_writing(self, open_: Callable[[], DeltaTable]) -> tuple[DeltaTable, TableLock]:
        """See Store: what a power cut tore at the log's end is set aside first, under the table's lock."""
        lock = TableLock(self._root)
        make_private_folder(self._root / "_delta_log")
        with lock.opening():
            if torn := torn_commits(self._root):
                if not lock.is_alone():
                    raise TableError(
                        f"{self._root}: the last commit is torn, and others have the table open; stop them first"
                    )
                set_torn_aside(self._root, torn)
            try:
                return open_(), lock
            except TableNotFoundError:
                raise
            except DeltaError:
                if not (lock.is_alone() and set_torn_checkpoint_aside(self._root)):
                    raise
                return open_(), lock

    def sync_log(self, after: int, last: int) -> None:
        """See Store."""
        fsync_entries(self._root, after, last)
        if after < 0:  # the folders may be new
            fsync_folder(self._root)
            fsync_folder(self._root.parent)

    def torn(self) -> list[str]:
        """See Store."""
        return [path.name for path in torn_commits(self._root).values()]

    def stage(self, name: str) -> Path:
        """See Store."""
        path = self._path(name)
        if not path.parent.exists():
            make_private_folder(path.parent)
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE))
        return path

    def publish(self, name: str) -> int:
        """See Store."""
        path = self._path(name)
        fsync_file(path)
        folder = path.parent
        fsync_folder(folder)
        if folder != self._root:
            fsync_folder(folder.parent)  # the partition's folder may be new, made by this process or by another
        return path.stat().st_size

    def discard(self, name: str) -> None:
        """See Store."""
        with contextlib.suppress(OSError):
            self.delete(name)

    def delete(self, name: str) -> None:
        """See Store."""
        self._path(name).unlink(missing_ok=True)

    def delete_for_good(self, names: Collection[str]) -> None:
        """See Store."""
        for name in names:
            self.delete(name)
        for folder in {self._path(name).parent for name in names}:
            fsync_folder(folder)

    def keeps_deleted(self) -> bool | None:
        """See Store: of a file system's own snapshots nobody is told."""
        return False

    def source(self, name: str) -> Path:
        """See Store."""
        return self._path(name)

    def is_at_fault(self, error: Exception) -> bool:
        """See Store: pyarrow's own errors have no number."""
        return isinstance(error, OSError) and bool(error.errno)

    def written_at(self, name: str) -> float | None:
        """See Store."""
        try:
            return self._path(name).stat().st_mtime
        except FileNotFoundError:
            return None

    def files(self, folder: str = "") -> Iterator[tuple[str, float]]:
        """See Store."""
        for path in (self._root / folder).rglob("*"):
            with contextlib.suppress(FileNotFoundError):  # it has gone meanwhile
                if path.is_file():
                    yield path.relative_to(self._root).as_posix(), path.stat().st_mtime

    def _path(self, name: str) -> Path:
        parts = PurePosixPath(name).parts
        if not parts or parts[0] == "/" or ".." in parts:
            raise ValueError(f"{name!r} is no name inside the table")
        return self._root.joinpath(*parts)
