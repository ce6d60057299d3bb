"""Objects below a table's address in S3, by obstore: the Rust library beneath delta-rs, with the same options.

delta-rs has a file system for pyarrow too, but that keeps Python's lock while a request is under way: a store that is
away would stop the health endpoint and the signal thread for as long.
"""

import contextlib
import datetime as dt
import io
import os
from collections.abc import Iterator, Mapping
from typing import Any, Final

import obstore
from obstore.exceptions import BaseError, UnknownConfigurationKeyError
from obstore.store import S3Store

from headrace_consumers.dataset.delta.error_line import one_line

__all__ = ["RemoteFile", "RequestError", "as_os_error", "s3_store"]

_RETRIES: Final[Any] = {"max_retries": 3, "retry_timeout": dt.timedelta(seconds=20)}
_CLIENT: Final = frozenset(
    {
        "allow_http", "allow_invalid_certificates", "connect_timeout", "http1_only", "http2_only", "pool_idle_timeout",
        "proxy_ca_certificate", "proxy_excludes", "proxy_url", "read_timeout", "root_certificate", "timeout",
        "user_agent",
    }
)  # fmt: skip
"""Options that obstore takes apart from the store's own."""


def s3_store(uri: str, options: Mapping[str, str]) -> S3Store:
    """Return the store whose objects are named relative to an address.

    Args:
        uri: ``s3://bucket/prefix``.
        options: delta-rs' storage options; its own among them are passed over. What they lack comes from the
            environment (``AWS_...``).

    Raises:
        BaseError, ValueError: the options contradict each other.
    """
    config: Any = {}
    client: Any = {name: os.environ[variable] for name in _CLIENT if (variable := f"AWS_{name.upper()}") in os.environ}
    for name, value in options.items():
        plain = name.lower().removeprefix("aws_")
        if plain in _CLIENT:
            client[plain] = value
        elif _is_known(uri, name, value):
            config[name] = value
    return S3Store.from_url(uri, config=config, client_options=client, retry_config=_RETRIES)


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

    def __init__(self, store: S3Store, name: str, size_bytes: int) -> None:
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


def _is_known(uri: str, name: str, value: str) -> bool:
    option: Any = {name: value}
    try:
        S3Store.from_url(uri, config=option)
    except UnknownConfigurationKeyError:
        return False
    except BaseError:  # known, and not enough by itself, e.g. one half of the credentials
        return True
    return True
