"""What pages read from, and how commands are named to a person."""

import shlex
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Final, TypeVar

from headrace.config import Config
from headrace_consumers.ui.cache import Cache

__all__ = ["Sources"]

Value = TypeVar("Value")


class Sources:
    """The configuration, and what is kept of what was read.

    Args:
        config: the whole configuration.
        config_path: where it came from; None: from the environment and the defaults.
        cache: keeps what was read.

    Attributes:
        config: as given.
        root: the folder of all versions.
    """

    def __init__(self, config: Config, config_path: Path | None, cache: Cache) -> None:
        self.config: Final = config
        self.root: Final = Path(config.versions.path)
        self._option = [] if config_path is None else ["--config", str(config_path)]
        self._cache = cache

    def kept(self, what: Hashable, version: Hashable, make: Callable[[], Value]) -> Value:
        """Return a value, made anew only if what it is made from has another version; see `Cache.get`."""
        return self._cache.get(what, version, make)

    def command(self, *words: str) -> str:
        """Return a command of Headrace as somebody would type it, with the configuration of now."""
        return shlex.join(["headrace", *words, *self._option])
