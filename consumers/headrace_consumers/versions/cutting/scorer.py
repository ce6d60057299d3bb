"""The user's own scorer of difficulty, which the configuration names as ``package.module:object``."""

import importlib
from functools import reduce
from typing import Any

from headrace.errors import ConfigError
from headrace_consumers.versions.cutting.difficulty import Scorer

__all__ = ["load_scorer"]


def load_scorer(path: str | None) -> Scorer | None:
    """Import the user's own scorer of difficulty.

    Raises:
        ConfigError: it cannot be imported, or cannot be called.
    """
    if path is None:
        return None
    module_name, _, name = path.partition(":")
    try:
        found: Any = reduce(getattr, name.split("."), importlib.import_module(module_name))
    except Exception as error:  # whatever a module does while it is imported
        raise ConfigError(
            f"versions.difficulty_scorer: {path}: cannot be imported "
            f"({type(error).__name__}: {' '.join(str(error).split())[:200]}); "
            "install its package, or name its folder in PYTHONPATH"
        ) from error
    if not callable(found):
        raise ConfigError(
            f"versions.difficulty_scorer: {path}: found {type(found).__name__}, expected something that can be called"
        )
    return found  # type: ignore[no-any-return]
