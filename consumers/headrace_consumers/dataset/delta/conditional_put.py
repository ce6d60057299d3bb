"""Whether an object store can keep two writers apart: a put on condition that there is no such object yet.

Two commits of one version are two puts of one key. A store that ignores the condition takes both, and the rows of the
first are gone although they were acknowledged: of 69,000 such rows 33,000 were lost when that was tried.

delta-rs looks before it puts, so two of its commits would not show it.
"""

import contextlib
import uuid
from collections.abc import Mapping

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotSupportedError

from headrace_consumers.dataset.delta.object_access import SCHEMES, objects_at
from headrace_consumers.dataset.delta.opening import one_line
from headrace_consumers.dataset.errors import TableError

__all__ = ["insist_on_conditional_put"]


def insist_on_conditional_put(uri: str, options: Mapping[str, str]) -> bool | None:
    """Put an object twice on condition that it is not there, below ``<table>/_probe/``, and remove it.

    Args:
        uri: the table, e.g. ``s3://bucket/prefix``.
        options: delta-rs' storage options.

    Returns:
        Whether the store keeps old versions, also of what is deleted; None: it does not tell.

    Raises:
        TableError: the store took it twice, or it cannot be reached or written.
    """
    key = f"_probe/{uuid.uuid4().hex}"
    try:
        store = objects_at(uri, options)
        has_version = obstore.put(store, key, b"headrace", mode="create")["version"] is not None
        try:
            obstore.put(store, key, b"headrace", mode="create")
        except AlreadyExistsError:
            kind = SCHEMES[uri.partition(":")[0]]
            return True if has_version and kind.tells_versions else kind.keeps_without
        finally:
            with contextlib.suppress(BaseError, OSError):
                obstore.delete(store, key)
    except (NotSupportedError, NotImplementedError):
        pass  # switched off by an option
    except (BaseError, OSError, ValueError) as error:
        raise TableError(
            f"{uri}: cannot write to the store ({one_line(error)}); check dataset.path, dataset.storage_options and "
            "the store's variables of the environment"
        ) from error
    raise TableError(
        f"{uri}: this store has no conditional put (If-None-Match): two writers would overwrite each other's commits, "
        "and acknowledged rows would be lost; use a store that has it, or a local folder as dataset.path"
    )
