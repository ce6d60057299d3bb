"""Instrumented modules by name and version, held weakly: being instrumented keeps nothing alive."""

import difflib
import os
import threading
import weakref
from typing import Any, Final

from headrace.errors import UsageError

__all__ = ["add", "find", "living"]

_modules: Final[dict[tuple[str, str], weakref.ref[Any]]] = {}
"""In the order of instrumentation; the newest is last."""


class _Guard:
    """A lock that a signal handler may enter again, and a forked child anew: some thread may hold it at the fork."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        self.lock = threading.RLock()


_guard: Final = _Guard()
os.register_at_fork(after_in_child=_guard.renew)


def add(name: str, version: str, module: Any) -> None:
    """Enter a module under its name and version, in place of an older one; under another name it is no longer found."""
    with _guard.lock:
        for key, reference in list(_modules.items()):
            if key == (name, version) or reference() in (None, module):
                del _modules[key]
        _modules[name, version] = weakref.ref(module)


def find(name: str, version: str | None = None) -> Any:
    """Return a module by name and version; without a version, the newest of that name.

    Raises:
        UsageError: there is none; the message names the nearest.
    """
    known = _living()
    for key in reversed(known):
        if key[0] == name and version in (None, key[1]):
            return known[key]
    raise UsageError(_unknown(name, version, list(known)))


def living() -> list[Any]:
    """Return the instrumented modules, the newest first."""
    return list(_living().values())[::-1]


def _living() -> dict[tuple[str, str], Any]:
    with _guard.lock:
        return {key: module for key, reference in _modules.items() if (module := reference()) is not None}


def _unknown(name: str, version: str | None, known: list[tuple[str, str]]) -> str:
    wanted = f"{name!r}" if version is None else f"{name!r} version {version!r}"
    if not known:
        return f"no module {wanted}: none is instrumented; call headrace.instrument(module, name={name!r}) first"
    of_that_name = [key for key in known if key[0] == name]
    near = difflib.get_close_matches(name, [key[0] for key in known], n=1, cutoff=0.0)
    nearest = of_that_name[-1] if of_that_name else next(key for key in known if key[0] in near)
    return f"no instrumented module {wanted}; did you mean {nearest[0]!r} version {nearest[1]!r}?"
