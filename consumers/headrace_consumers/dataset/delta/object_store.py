"""A table in an object store (S3 and its like, Azure, Google): the log by delta-rs, the files by obstore.

An object is there whole or not at all, and for good once the store has said so: nothing is fsynced, nothing can be
torn, and no lock is taken. Two writers are kept apart by conditional put, which is why the store is probed for it.
A file is written to a temporary one without a name, and goes to the store as a whole.
"""

import contextlib
import os
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import IO, Final

import obstore
import pyarrow as pa
from deltalake import DeltaTable

from headrace_consumers.dataset.delta.conditional_put import insist_on_conditional_put
from headrace_consumers.dataset.delta.object_access import Objects, RemoteFile, RequestError, as_os_error, objects_at

__all__ = ["ObjectStore"]

_DEFAULTS: Final = {"max_retries": "3", "retry_timeout": "20s", "timeout": "30s", "connect_timeout": "5s"}
"""A store that is away is noticed by the consumer, which keeps the batch and stays in its group meanwhile."""

_WHOLE_BYTES: Final = 16_000_000
"""A file up to this size is read with one request, for a request costs more than its bytes."""


class ObjectStore:
    """Reaches a table's objects with delta-rs' storage options; not thread-safe.

    Args:
        uri: the table, e.g. ``s3://bucket/prefix``.
        options: delta-rs' storage options; what they lack comes from the environment.

    Attributes:
        place: see Store, and so are the next two.
        options: see there.
        is_remote: see there.
    """

    def __init__(self, uri: str, options: Mapping[str, str]) -> None:
        self.place = uri.rstrip("/")
        self.options: Mapping[str, str] = {**_DEFAULTS, **options}
        self.is_remote = True
        self._opened: Objects | None = None
        self._keeps_deleted: bool | None = None
        self._staged: dict[str, IO[bytes]] = {}

    def handle(self) -> DeltaTable:
        """See Store."""
        return DeltaTable(self.place, storage_options=dict(self.options))

    def is_table(self) -> bool:
        """See Store; delta-rs' own look would keep Python's lock meanwhile."""
        return any(name.endswith((".json", ".parquet")) for name, _ in self.files("_delta_log"))

    def open_for_writing(self, open_: Callable[[], DeltaTable]) -> tuple[DeltaTable, "_NoShare"]:
        """See Store: it is probed for conditional put."""
        self._keeps_deleted = insist_on_conditional_put(self.place, self.options)
        return open_(), _NoShare()

    def sync_log(self, after: int, last: int) -> None:
        """See Store: it is durable already."""

    def torn(self) -> list[str]:
        """See Store: objects are whole."""
        return []

    def stage(self, name: str) -> pa.NativeFile:
        """See Store."""
        self.discard(name)
        self._staged[name] = tempfile.TemporaryFile()  # noqa: SIM115  # until it is published
        return pa.PythonFile(self._staged[name], "w")

    def publish(self, name: str) -> int:
        """See Store."""
        with self._staged.pop(name) as file, as_os_error():
            size_bytes = file.seek(0, os.SEEK_END)
            file.seek(0)
            obstore.put(self._objects, name, file)
        return size_bytes

    def discard(self, name: str) -> None:
        """See Store."""
        if (staged := self._staged.pop(name, None)) is not None:
            staged.close()
        else:
            with contextlib.suppress(OSError):
                self.delete(name)

    def delete(self, name: str) -> None:
        """See Store."""
        with contextlib.suppress(FileNotFoundError), as_os_error():
            obstore.delete(self._objects, name)

    def delete_for_good(self, names: Collection[str]) -> None:
        """See Store."""
        for name in names:
            self.delete(name)

    def keeps_deleted(self) -> bool | None:
        """See Store."""
        return self._keeps_deleted

    def source(self, name: str) -> pa.NativeFile:
        """See Store."""
        with as_os_error():
            found = obstore.get(self._objects, name)
            size_bytes = found.meta["size"]
            if size_bytes <= _WHOLE_BYTES:
                return pa.BufferReader(memoryview(found.bytes()))
        return pa.PythonFile(RemoteFile(self._objects, name, size_bytes), "r")

    def is_at_fault(self, error: Exception) -> bool:
        """See Store: pyarrow's own errors have no number, and say that a file is damaged."""
        return isinstance(error, (RequestError, FileNotFoundError)) or (
            isinstance(error, OSError) and bool(error.errno)
        )

    def written_at(self, name: str) -> float | None:
        """See Store."""
        try:
            with as_os_error():
                return obstore.head(self._objects, name)["last_modified"].timestamp()
        except FileNotFoundError:
            return None

    def files(self, folder: str = "") -> Iterator[tuple[str, float]]:
        """See Store."""
        with as_os_error():
            for found in obstore.list(self._objects, folder or None):
                yield from ((meta["path"], meta["last_modified"].timestamp()) for meta in found)

    @property
    def _objects(self) -> Objects:
        if self._opened is None:
            self._opened = objects_at(self.place, self.options)
        return self._opened


class _NoShare:
    def close(self) -> None:
        """Nothing is held."""
