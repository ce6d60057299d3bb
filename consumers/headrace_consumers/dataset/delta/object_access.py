"""Objects below a table's address in a store, by obstore: the Rust library beneath delta-rs, with the same options.

delta-rs has a file system for pyarrow too, but that keeps Python's lock while a request is under way: a store that is
away would stop the health endpoint and the signal thread for as long.
"""

import contextlib
import datetime as dt
import io
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import obstore
from obstore.exceptions import BaseError, UnknownConfigurationKeyError
from obstore.store import AzureStore, GCSStore, S3Store

from headrace_consumers.dataset.delta.error_line import one_line

__all__ = ["SCHEMES", "Objects", "RemoteFile", "RequestError", "as_os_error", "objects_at"]

Objects: TypeAlias = S3Store | AzureStore | GCSStore


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of object store.

    Attributes:
        store: obstore's class of it.
        variables: how the variables of the environment begin that tell its options.
        tells_versions: whether an object that was put has a version's name just where old versions are kept.
        keeps_without: what it is when it has none; None: deleted objects may be kept in other ways, which is not told.
    """

    store: type[S3Store] | type[AzureStore] | type[GCSStore]
    variables: str
    tells_versions: bool
    keeps_without: bool | None


_S3: Final = Kind(S3Store, "AWS", tells_versions=True, keeps_without=False)
_AZURE: Final = Kind(AzureStore, "AZURE", tells_versions=True, keeps_without=None)  # soft delete
_GCS: Final = Kind(GCSStore, "GOOGLE", tells_versions=False, keeps_without=None)  # each object has a generation
SCHEMES: Final[Mapping[str, Kind]] = {
    "s3": _S3, "s3a": _S3, "az": _AZURE, "abfs": _AZURE, "abfss": _AZURE, "gs": _GCS,
}  # fmt: skip

_RETRIES: Final[Any] = {"max_retries": 3, "retry_timeout": dt.timedelta(seconds=20)}
_CLIENT: Final = frozenset(
    {
        "allow_http", "allow_invalid_certificates", "connect_timeout", "http1_only", "http2_only", "pool_idle_timeout",
        "proxy_ca_certificate", "proxy_excludes", "proxy_url", "read_timeout", "root_certificate", "timeout",
        "user_agent",
    }
)  # fmt: skip
"""Options that obstore takes apart from the store's own."""


def objects_at(uri: str, options: Mapping[str, str]) -> Objects:
    """Return the store whose objects are named relative to an address.

    Args:
        uri: ``s3://bucket/prefix``, or another of SCHEMES.
        options: delta-rs' storage options; its own among them are passed over. What they lack comes from the
            environment (``AWS_...``, ``AZURE_...``, ``GOOGLE_...``).

    Raises:
        BaseError, ValueError: the options contradict each other.
    """
    kind = SCHEMES[uri.partition(":")[0]]
    config: Any = {}
    client: Any = {
        name: os.environ[variable] for name in _CLIENT if (variable := f"{kind.variables}_{name.upper()}") in os.environ
    }
    for name, value in options.items():
        plain = name.lower().removeprefix(f"{kind.variables.lower()}_")
        if plain in _CLIENT:
            client[plain] = value
        elif _is_known(kind, uri, name, value):
            config[name] = value
    return kind.store.from_url(uri, config=config, client_options=client, retry_config=_RETRIES)


class RequestError(OSError):
    """The store was not reached, or refused."""


@contextlib.contextmanager
def as_os_error() -> Iterator[None]:
    """Turn obstore's errors into RequestError, and a missing object into FileNotFoundError."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (BaseError, NotImplementedError) as error:
        raise RequestError(one_line(error)) from error


class RemoteFile(io.RawIOBase):
    """An object as a file to read, a request for each range.

    Args:
        store: holds it.
        name: of the object.
        size_bytes: of the object.
    """

    def __init__(self, store: Objects, name: str, size_bytes: int) -> None:
        self._store = store
        self._name = name
        self._size_bytes = size_bytes
        self._at = 0

    def readable(self) -> bool:
        """See RawIOBase."""
        return True

    def seekable(self) -> bool:
        """See RawIOBase."""
        return True

    def tell(self) -> int:
        """See RawIOBase."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """See RawIOBase."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size_bytes}[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        """See RawIOBase.

        Raises:
            OSError: the store refused.
        """
        length = min(len(buffer), self._size_bytes - self._at)
        if length <= 0:
            return 0
        with as_os_error():
            found = obstore.get_range(self._store, self._name, start=self._at, length=length)
        buffer[:length] = memoryview(found)
        self._at += length
        return length


def _is_known(kind: Kind, uri: str, name: str, value: str) -> bool:
    option: Any = {name: value}
    try:
        kind.store.from_url(uri, config=option)
    except UnknownConfigurationKeyError:
        return False
    except BaseError:  # known, and not enough by itself, e.g. one half of the credentials
        return True
    return True
