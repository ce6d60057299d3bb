"""What the user has named as ``package.module:object``, imported."""

import importlib
from functools import reduce
from typing import Any

__all__ = ["NotImportedError", "imported"]


class NotImportedError(Exception):
    """It cannot be imported; the message says why, and what to do."""


def imported(path: str) -> Any:
    """Return the object.

    Raises:
        NotImportedError: whatever its module does while it is imported.
    """
    module_name, _, name = path.partition(":")
    try:
        return reduce(getattr, name.split("."), importlib.import_module(module_name))
    except Exception as error:
        raise NotImportedError(
            f"{path}: cannot be imported ({type(error).__name__}: {' '.join(str(error).split())[:200]}); "
            "install its package, or name its folder in PYTHONPATH"
        ) from error
