"""The user's own scorer of difficulty, which the configuration names as ``package.module:object``."""

from headrace.errors import ConfigError
from headrace_consumers.versions.cutting.difficulty import Scorer
from headrace_consumers.versions.own_object import NotImportedError, imported

__all__ = ["load_scorer"]


def load_scorer(path: str | None) -> Scorer | None:
    """Import the user's own scorer of difficulty.

    Raises:
        ConfigError: it cannot be imported, or cannot be called.
    """
    if path is None:
        return None
    try:
        found = imported(path)
    except NotImportedError as error:
        raise ConfigError(f"versions.difficulty_scorer: {error}") from error
    if not callable(found):
        raise ConfigError(
            f"versions.difficulty_scorer: {path}: found {type(found).__name__}, expected something that can be called"
        )
    return found  # type: ignore[no-any-return]
