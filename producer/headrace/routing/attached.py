"""The routed modules of this process, held weakly: being routed keeps nothing alive."""

import os
import threading
import weakref
from typing import Any, Final

__all__ = ["add", "attached"]

_modules: Final[dict[int, weakref.ref[Any]]] = {}


class _Guard:
    """A lock that a forked child has anew: some thread may hold it at the fork."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        self.lock = threading.RLock()


_guard: Final = _Guard()
os.register_at_fork(after_in_child=_guard.renew)


def add(module: Any) -> None:
    """Enter a module."""
    with _guard.lock:
        for key, reference in list(_modules.items()):
            if reference() is None:
                del _modules[key]
        _modules[id(module)] = weakref.ref(module)


def attached() -> list[Any]:
    """Return those that live, in the order in which they were entered."""
    with _guard.lock:
        return [module for reference in list(_modules.values()) if (module := reference()) is not None]
