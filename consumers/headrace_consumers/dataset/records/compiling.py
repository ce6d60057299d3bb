"""Functions of numbers and arrays, compiled by numba, so that a byte costs a nanosecond and not a hundred.

Compiling takes seconds, so its result is kept on disk, where numba can: in NUMBA_CACHE_DIR, else beside the source,
else in the user's cache folder. Where it cannot, or what was kept is damaged, the functions are compiled at each start,
and nothing else is different.
"""

import logging
from collections.abc import Callable
from typing import Any, Final, TypeVar

try:
    from numba import njit
except ImportError:  # a Python that numba does not know yet
    njit = None  # type: ignore[assignment]

__all__ = ["IS_COMPILED", "Entry", "inner"]

IS_COMPILED: Final = njit is not None
"""Whether there is numba. Without it these functions do the same, a thousand times slower."""

logging.getLogger("numba").setLevel(logging.WARNING)  # at debug it tells each instruction that it compiles

_Function = TypeVar("_Function", bound=Callable[..., Any])

_OPTIONS: Final[dict[str, Any]] = {
    "nogil": True,
    "_nrt": False,  # no array is made, so none is counted: counting them took more time than all else
}


def inner(function: _Function) -> _Function:
    """Return a function as compiled ones of its file call it; it makes no arrays.

    Numba's cache looks for changes only in an entry's own file: what an entry calls must stand there.
    """
    return function if njit is None else njit(**_OPTIONS)(function)  # type: ignore[no-any-return]


class Entry:
    """A function as Python calls it, compiled when it is first called.

    Args:
        function: makes no arrays, and may be called twice with the same arguments.
        compiler: called with `cache` and the function; by default numba's.
    """

    def __init__(self, function: Callable[..., Any], compiler: Callable[..., Any] | None = None) -> None:
        self._function = function
        self._compiler = compiler or _compile
        self._is_proven = False
        try:
            self._compiled = self._compiler(function, cache=True)
        except RuntimeError:  # there is no place for a cache
            self._compiled = self._compiler(function, cache=False)

    def __call__(self, *arguments: Any) -> Any:
        """Call the function."""
        if self._is_proven:
            return self._compiled(*arguments)
        try:
            result = self._compiled(*arguments)
        except Exception:  # a full disk, a file that was cut off: whatever it is, the cache is not needed
            self._compiled = self._compiler(self._function, cache=False)
            result = self._compiled(*arguments)
        self._is_proven = True
        return result


def _compile(function: Callable[..., Any], *, cache: bool) -> Any:
    return function if njit is None else njit(cache=cache, **_OPTIONS)(function)
