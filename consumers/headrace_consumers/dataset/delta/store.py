"""Where a table is: what differs between a local disk and an object store, in one protocol.

    LocalStore (local_store.py)    files fsynced, the log too; a shared lock; a torn commit is set aside
    ObjectStore (object_store.py)  an object is there whole or not at all; probed for conditional put when opened

Names of files are relative to the table, e.g. ``ingest_date=2026-11-25/0f3a.parquet``.
"""

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Final, Protocol, TypeAlias

import pyarrow as pa
from deltalake import DeltaTable

__all__ = ["FILE_MODE", "Share", "Sink", "Store", "fsync_file", "fsync_folder", "make_private_folder"]

FILE_MODE: Final = 0o600
_FOLDER_MODE: Final = 0o700

Sink: TypeAlias = Path | pa.NativeFile
"""What pyarrow reads a Parquet file from, or writes it to."""


class Share(Protocol):
    """What a process holds of a table that it has open for writing."""

    def close(self) -> None:
        """Give it up."""
        ...


class Store(Protocol):
    """The files of one table.

    Attributes:
        place: how delta-rs and people name the table: a local folder, or the address in an object store.
        options: for delta-rs; None: there are none.
        is_remote: whether it is an object store. A request to it may still take effect when its answer is lost.
    """

    @property
    def place(self) -> Path | str: ...  # noqa: D102  # see above

    @property
    def options(self) -> Mapping[str, str] | None: ...  # noqa: D102

    @property
    def is_remote(self) -> bool: ...  # noqa: D102

    def handle(self) -> DeltaTable:
        """Open the newest version; delta-rs' errors and OSError pass through."""
        ...

    def is_table(self) -> bool:
        """Tell whether there is a Delta table; delta-rs' errors and OSError pass through."""
        ...

    def open_for_writing(self, open_: Callable[[], DeltaTable]) -> tuple[DeltaTable, Share]:
        """Return what `open_` returns, after what this store needs before anybody writes.

        Raises:
            TableError: nobody may write here.
            DeltaError, OSError: the store refused.
        """
        ...

    def sync_log(self, after: int, last: int) -> None:
        """Return when the log's entries above `after`, up to `last`, are durable; others' too.

        Raises:
            OSError: the store refused.
        """
        ...

    def torn(self) -> list[str]:
        """Return the log entries at its end that are not whole.

        Raises:
            TableError: an entry before the end is damaged.
            OSError: the log cannot be read.
        """
        ...

    def stage(self, name: str) -> Sink:
        """Return where the file is to be written; it is empty, and nobody else can read it yet.

        Raises:
            OSError: the store refused, or the name is taken.
        """
        ...

    def publish(self, name: str) -> int:
        """Make a staged file durable under its name; return its exact size in bytes.

        Raises:
            OSError: the store refused; the file is not to be named in the table.
        """
        ...

    def discard(self, name: str) -> None:
        """Remove a file that the table does not name, staged or published; what goes wrong is no error."""
        ...

    def delete(self, name: str) -> None:
        """Remove a file; one that is gone is no error.

        Raises:
            OSError: the store refused.
        """
        ...

    def delete_for_good(self, names: Collection[str]) -> None:
        """Remove files; return when no power cut brings one back. One that is gone is no error.

        Raises:
            OSError: the store refused; some may be gone.
        """
        ...

    def keeps_deleted(self) -> bool | None:
        """Tell whether what is deleted stays as an old version; None: the store does not tell.

        A store is asked when it is opened for writing.
        """
        ...

    def source(self, name: str) -> Sink:
        """Return a file to read.

        Raises:
            OSError: it is not there, or the store refused.
        """
        ...

    def is_at_fault(self, error: Exception) -> bool:
        """Tell whether reading or writing a file failed because of the store, and not of what is in the file."""
        ...

    def written_at(self, name: str) -> float | None:
        """Return when a file was written, Unix time in seconds, by the store's clock; None: it is not there.

        Raises:
            OSError: the store refused.
        """
        ...

    def files(self, folder: str = "") -> Iterator[tuple[str, float]]:
        """Yield the names of all files in a folder and below, and when each was written; none: there is no folder.

        Raises:
            OSError: the store refused.
        """
        ...


def make_private_folder(path: Path) -> None:
    """Create the folder, and those above it that are missing, for the owner only; one that exists is left as it is."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=_FOLDER_MODE, exist_ok=True)


def fsync_file(path: Path) -> None:
    """Return when the file's bytes are on disk."""
    _fsync(path, os.O_RDONLY)


def fsync_folder(path: Path) -> None:
    """Return when the folder's entries are on disk."""
    _fsync(path, os.O_RDONLY | os.O_DIRECTORY)


def _fsync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
