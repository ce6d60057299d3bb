"""From a place to its store."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from headrace_consumers.dataset.delta.local_store import LocalStore
from headrace_consumers.dataset.delta.object_access import SCHEMES
from headrace_consumers.dataset.delta.object_store import ObjectStore
from headrace_consumers.dataset.delta.store import Store
from headrace_consumers.dataset.errors import TableError

if TYPE_CHECKING:
    from headrace.config.consumers import Dataset

__all__ = ["opened_at", "store_at", "store_of"]

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):/")
_NONE: Final[Mapping[str, str]] = {}


def store_at(place: Path | str, options: Mapping[str, str] = _NONE) -> Store:
    """Return the store of the table at a place.

    Args:
        place: a local folder, or an address in an object store, e.g. ``s3://bucket/prefix``.
        options: delta-rs' storage options.

    Raises:
        TableError: no table can be there.
    """
    scheme = _SCHEME.match(str(place))
    if scheme is None:
        return LocalStore(Path(place))
    if scheme[1] in SCHEMES and isinstance(place, str) and "://" in place:
        return ObjectStore(place, options)
    if scheme[1] in SCHEMES:  # a path of Python has made one slash of two
        raise TableError(f"{place}: this works on a local table only, and this one is in an object store")
    raise TableError(
        f"{place}: {scheme[1]} is not supported; give a local folder, s3://bucket/prefix, "
        "az://container/prefix or gs://bucket/prefix"
    )


def opened_at(place: Path | Store) -> Store:
    """Return the store of a local folder; one that is given is returned as it is.

    Raises:
        TableError: the path is an address of an object store, which needs its options.
    """
    return store_at(place) if isinstance(place, Path) else place


def store_of(dataset: "Dataset") -> Store:
    """Return the store of a configuration's table.

    Raises:
        TableError: see above.
    """
    return store_at(dataset.path, dataset.storage_options)
