"""What was found out is kept as long as what it was found in is the same: by the table's version, a file's time.

What took long is kept longer: a table of a busy topic changes every few seconds, and is not read whole each time
somebody looks. So looking takes at most a twentieth of the time, however large the table is.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

__all__ = ["Cache"]

_REST: Final = 20.0
_MOST: Final = 64

Value = TypeVar("Value")


@dataclass(slots=True)
class _Entry:
    lock: threading.Lock = field(default_factory=threading.Lock)
    version: Hashable = None
    value: Any = None
    made_at_s: float = 0.0
    took_s: float = 0.0
    is_made: bool = False


class Cache:
    """Keeps the values that were used last; thread-safe, and makes each value once however many ask at the same time.

    Args:
        clock: seconds, monotonic.
        most: so many values.
    """

    def __init__(self, clock: Callable[[], float], most: int = _MOST) -> None:
        self._clock = clock
        self._most = most
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, what: Hashable, version: Hashable, make: Callable[[], Value]) -> Value:
        """Return the value: the one that is kept, if it is of this version or making it took long and was lately.

        Args:
            what: is asked for.
            version: of what it is made from.
            make: makes it; what it raises passes through, and is not kept.
        """
        with self._lock:
            entry = self._entries.setdefault(what, _Entry())
            self._entries.move_to_end(what)
            while len(self._entries) > self._most:
                self._entries.popitem(last=False)
        with entry.lock:
            now_s = self._clock()
            is_of_now = entry.version == version or now_s - entry.made_at_s < _REST * entry.took_s
            if not (entry.is_made and is_of_now):
                entry.value = make()
                entry.version, entry.made_at_s, entry.is_made = version, self._clock(), True
                entry.took_s = entry.made_at_s - now_s
            value: Value = entry.value
            return value
