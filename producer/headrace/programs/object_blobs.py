"""The registry's files as objects in a store, by obstore (S3, GCS, Azure): a Rust library without dependencies."""

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

from headrace.errors import ConfigError
from headrace_schemas.programs import MAX_PROGRAM_BYTES, ProgramError

__all__ = ["ObjectBlobs"]

_CLIENT: Final = frozenset({"allow_http", "allow_invalid_certificates", "connect_timeout", "proxy_url", "timeout"})
_OF_STORES: Final = ("aws_", "azure_", "google_")
_TIMEOUTS: Final = {"connect_timeout": "5s", "timeout": "20s"}


class ObjectBlobs:
    """Objects below an address.

    Args:
        address: ``s3://bucket/prefix``, ``gs://...``, ``az://...``; ``memory:///`` for tests.
        options: the store's; what they lack comes from the environment.
        max_retries: of a request that failed.

    Raises:
        ConfigError: obstore is not installed, or refuses the address or the options.
    """

    def __init__(self, address: str, options: Mapping[str, str], max_retries: int = 2) -> None:
        try:
            import obstore
            from obstore.exceptions import BaseError
            from obstore.store import MemoryStore, from_url
        except ModuleNotFoundError:
            raise ConfigError(
                "registry.path: an object store needs obstore: pip install 'headrace[registry]'"
            ) from None
        config: Any = {}
        client: Any = dict(_TIMEOUTS)
        retries: Any = {"max_retries": max_retries, "retry_timeout": dt.timedelta(seconds=10)}
        for name, value in options.items():
            plain = name.lower()
            for prefix in _OF_STORES:
                plain = plain.removeprefix(prefix)
            (client if plain in _CLIENT else config)[plain if plain in _CLIENT else name] = value
        self._obstore = obstore
        self._errors = (BaseError, NotImplementedError, OSError)
        self._address = address
        try:
            if address.startswith("memory:"):
                self._store: Any = MemoryStore()
            else:
                self._store = from_url(address, config=config, client_options=client, retry_config=retries)
        except (BaseError, ValueError) as error:
            raise ConfigError(f"registry.path: {address}: {_first_line(error)}") from None

    def put_once(self, name: str, data: bytes) -> bool:
        """See Blobs; by conditional put."""
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        try:
            self._obstore.put(self._store, name, data, mode="create")
        except (AlreadyExistsError, PreconditionError):
            return False
        except self._errors as error:
            raise self._unreachable(name, "written", error) from error
        return True

    def put(self, name: str, data: bytes) -> None:
        """See Blobs."""
        try:
            self._obstore.put(self._store, name, data)
        except self._errors as error:
            raise self._unreachable(name, "written", error) from error

    def get(self, name: str) -> bytes | None:
        """See Blobs."""
        from obstore.exceptions import NotFoundError

        try:
            found = self._obstore.get(self._store, name)
            if found.meta["size"] > MAX_PROGRAM_BYTES:
                raise ProgramError("too_large", f"{name}: {found.meta['size']} bytes are no program")
            return bytes(found.bytes())
        except (FileNotFoundError, NotFoundError):
            return None
        except self._errors as error:
            raise self._unreachable(name, "read", error) from error

    def names(self, prefix: str) -> list[str]:
        """See Blobs."""
        try:
            found = self._obstore.list_with_delimiter(self._store, f"{prefix}/")
        except self._errors as error:
            raise self._unreachable(prefix, "listed", error) from error
        paths = [*found["common_prefixes"], *(each["path"] for each in found["objects"])]
        return sorted(path.rstrip("/").rpartition("/")[2] for path in paths)

    def _unreachable(self, name: str, what: str, error: Exception) -> ProgramError:
        return ProgramError("unreachable", f"{self._address}: {name} cannot be {what} ({_first_line(error)})")


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
