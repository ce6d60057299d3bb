"""A set of fingerprints in memory: open addressing in buckets of one cache line, a whole batch at once by numpy.

A bucket is 8 places of 8 bytes, filled from the left. A fingerprint goes to its home bucket or, if that is full, to the
next that is not; so a look-up ends at the first bucket that is not full. Homes rise with the fingerprint (times a
number of this process's own), so the table is nearly sorted: it grows where it lies, by sorting and spreading, and
needs no second copy of itself.
"""

import contextlib
import mmap
import secrets
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
import numpy.typing as npt

from headrace_consumers.dataset.errors import StateError
from headrace_consumers.dataset.seen.fingerprints import Fingerprints

__all__ = ["FingerprintTable"]

_U64: Final = np.uint64
_WIDTH: Final = 8
_MAX_LOAD: Final = 0.78
"""Beyond it full buckets follow full buckets, and a look-up walks. With `_GROWN_LOAD`, 10.3 to 12.5 bytes a key."""

_GROWN_LOAD: Final = 0.64
_SMALL: Final = 500_000
_SMALL_LOAD: Final = 0.35
"""A small table has room to double, at up to 11 MB, so that it rarely grows."""

_SPARE: Final = 4_096
"""Keys that even an empty table has room for."""

_OVERFLOW: Final = 64
"""Buckets behind the last home; the very last is never filled, so a look-up ends before the end."""

_CHUNK: Final = 1 << 20
_ONES: Final = _U64(0x0101010101010101)
_BYTES_TO_TOP: Final = _U64(56)
_HALF: Final = _U64(32)


class FingerprintTable:
    """A set of fingerprints.

    Args:
        batches: what it holds at first.
        size: how many these are at most; more make it grow on the way.
    """

    def __init__(self, batches: Iterable[Fingerprints] = (), size: int = 0) -> None:
        # Secret and odd: nobody can make keys that all have one home, and the product can be undone.
        self._factor = _U64(secrets.randbits(64) | 1)
        self._inverse = _U64(pow(int(self._factor), -1, 2**64))
        self._count = 0
        self._homes = _homes_for(size)
        self._memory = _allocate((self._homes + _OVERFLOW) * _WIDTH)
        self._places = np.frombuffer(self._memory, _U64)
        for batch in self._fill(batches, size):
            self.add(batch)

    def __len__(self) -> int:
        return self._count

    @property
    def size_bytes(self) -> int:
        """Memory that the table takes."""
        return len(self._places) * _U64().itemsize

    def contains(self, fingerprints: Fingerprints) -> npt.NDArray[np.bool_]:
        """Tell for each fingerprint whether it is in the set."""
        mixed = fingerprints * self._factor
        at = self._home(mixed)
        buckets = self._places.reshape(-1, _WIDTH)
        there = buckets.take(at, axis=0)
        found = _any(there == mixed[:, None])
        rows = (~found & (there[:, -1] != 0)).nonzero()[0]  # on to the next bucket
        mixed, at = mixed[rows], at[rows] + 1
        while len(rows):
            there = buckets.take(at, axis=0)
            hit = _any(there == mixed[:, None])
            found[rows[hit]] = True
            on = (~hit & (there[:, -1] != 0)).nonzero()[0]
            rows, mixed, at = rows[on], mixed[on], at[on] + 1
        return found

    def add(self, fingerprints: Fingerprints) -> Fingerprints:
        """Add fingerprints, which may repeat; return those that were not in the set, each once."""
        mixed = np.sort(fingerprints * self._factor)
        if len(mixed) > 1:
            mixed = mixed[np.concatenate(([True], mixed[1:] != mixed[:-1]))]
        if self._count + len(mixed) > _MAX_LOAD * self._homes * _WIDTH:
            self._rebuild(self._count + len(mixed))
        added = []
        at = self._home(mixed)
        while len(mixed):
            if at[-1] >= len(self._places) // _WIDTH - 1:  # rising, so the last is the largest
                self._rebuild(self._count, overflow=2 * (len(self._places) // _WIDTH - self._homes))
                at = self._home(mixed)
            written, mixed, at = self._add_to(mixed, at)
            self._count += len(written)
            added.append(written)
        return np.concatenate(added) * self._inverse if added else mixed

    def remove(self, batches: Iterable[Fingerprints]) -> int:
        """Take fingerprints out of the set; return how many were in it. Takes a byte a place meanwhile."""
        is_gone = np.zeros(len(self._places), np.bool_)
        for batch in batches:
            for first in range(0, len(batch), _CHUNK):
                is_gone[self._places_of(batch[first : first + _CHUNK])] = True
        gone = int(np.count_nonzero(is_gone))
        if gone:
            self._places[is_gone] = 0  # nothing can be found until the table is rebuilt
            del is_gone
            self._rebuild(self._count - gone)
        return gone

    def batches(self) -> Iterator[Fingerprints]:
        """Yield what is in the set, in no order."""
        for chunk in self._chunks():
            yield chunk[chunk != 0] * self._inverse

    def close(self) -> None:
        """Give the memory back at once; the table cannot be used any more."""
        self._places = np.empty(0, _U64)
        self._memory.close()

    def _home(self, mixed: Fingerprints) -> npt.NDArray[np.int64]:
        return ((mixed >> _HALF) * _U64(self._homes) >> _HALF).view(np.int64)

    def _chunks(self) -> Iterator[Fingerprints]:
        """Yield views of the places."""
        for first in range(0, len(self._places), _CHUNK):
            yield self._places[first : first + _CHUNK]

    def _add_to(
        self, mixed: Fingerprints, at: npt.NDArray[np.int64]
    ) -> tuple[Fingerprints, Fingerprints, npt.NDArray[np.int64]]:
        """Write what finds a place in the buckets `at` (rising); return it, and the rest with its next buckets."""
        there = self._places.reshape(-1, _WIDTH).take(at, axis=0)
        absent = ~_any(there == mixed[:, None])
        mixed, at = mixed[absent], at[absent]
        used = ((there != 0).view(_U64)[:, 0] * _ONES >> _BYTES_TO_TOP).view(np.int64)[absent]
        number = np.arange(len(at))
        begins = np.concatenate(([True], at[1:] != at[:-1]))[: len(at)]
        place = used + number - np.maximum.accumulate(np.where(begins, number, 0))
        fits = place < _WIDTH
        written = mixed[fits]
        self._places[at[fits] * _WIDTH + place[fits]] = written
        return written, mixed[~fits], at[~fits] + 1

    def _fill(self, batches: Iterable[Fingerprints], size: int) -> Iterator[Fingerprints]:
        """Take as many as `size` says at once, a fifth of the time that adding takes; yield the rest."""
        filled, rest = 0, iter(batches)
        for batch in rest:
            if filled + len(batch) > size:
                self._spread_sorted(filled)
                yield batch
                yield from rest
                return
            np.multiply(batch, self._factor, out=self._places[filled : filled + len(batch)])
            filled += len(batch)
        self._spread_sorted(filled)

    def _spread_sorted(self, count: int) -> None:
        """Sort the first `count` places, which are in no order and may repeat, and spread them."""
        _sort(self._places[:count])
        self._count = self._without_copies(count)
        self._spread()

    def _without_copies(self, count: int) -> int:
        """Close up the first `count` places, sorted, so that each value is there once; return how many are left."""
        kept, last = 0, _U64(0)
        for first in range(0, count, _CHUNK):
            chunk = self._places[first : min(first + _CHUNK, count)].copy()
            chunk = chunk[np.concatenate(([chunk[0] != last], chunk[1:] != chunk[:-1]))]
            last = chunk[-1] if len(chunk) else last
            self._places[kept : kept + len(chunk)] = chunk
            kept += len(chunk)
        self._places[kept:count] = 0
        return kept

    def _places_of(self, fingerprints: Fingerprints) -> npt.NDArray[np.int64]:
        """Return the places of those that are in the set."""
        mixed = fingerprints * self._factor
        at = self._home(mixed)
        buckets = self._places.reshape(-1, _WIDTH)
        found = []
        while len(mixed):
            there = buckets.take(at, axis=0)
            rows, columns = (there == mixed[:, None]).nonzero()
            found.append(at[rows] * _WIDTH + columns)
            is_on = there[:, -1] != 0
            is_on[rows] = False
            mixed, at = mixed[is_on], at[is_on] + 1
        return np.concatenate(found) if found else np.empty(0, np.int64)

    def _rebuild(self, size: int, overflow: int = _OVERFLOW) -> None:
        """Make the table right for so many keys, where it lies; places that were emptied are closed up."""
        self._count = self._close_up()
        self._places[: self._count].sort(kind="stable")  # nearly sorted: a tenth of the other kind's time
        self._homes = max(_homes_for(size), self._homes)
        self._resize((self._homes + overflow) * _WIDTH)
        self._spread()

    def _close_up(self) -> int:
        """Move what is in the table to its beginning, in its order; return how many that are."""
        kept = 0
        for chunk in self._chunks():
            taken = chunk[chunk != 0]
            chunk[:] = 0
            self._places[kept : kept + len(taken)] = taken
            kept += len(taken)
        return kept

    def _resize(self, places: int) -> None:
        self._places = np.empty(0, _U64)  # memory that is looked at cannot be moved
        with _explained(places):
            self._memory.resize(places * _U64().itemsize)
        self._places = np.frombuffer(self._memory, _U64)

    def _spread(self) -> None:
        """Move the first `count` places, sorted, to where they belong, the last first.

        The i-th goes to its home's first place, or behind the one before it: place_i = max(first_i, place_{i-1} + 1),
        which is i plus the running maximum of first_i - i.
        """
        starts = range(0, self._count, _CHUNK)
        behind = [0]
        for first in starts:
            behind.append(int(self._targets(first, behind[-1])[-1]) + 1)
        if behind[-1] > len(self._places) - _WIDTH:  # the last bucket stays open
            self._resize((behind[-1] // _WIDTH + _OVERFLOW) * _WIDTH)
        for first, before in zip(reversed(starts), reversed(behind[:-1]), strict=True):
            targets = self._targets(first, before)
            moved = self._places[first : first + len(targets)].copy()
            self._places[first : first + len(targets)] = 0
            self._places[targets] = moved

    def _targets(self, first: int, at_least: int) -> npt.NDArray[np.int64]:
        """Return where the chunk of sorted places from `first` on belongs, none before `at_least`."""
        number = np.arange(min(_CHUNK, self._count - first))
        targets = self._home(self._places[first : first + len(number)]) * _WIDTH - number
        targets[0] = max(targets[0], at_least)
        np.maximum.accumulate(targets, out=targets)
        targets += number
        return targets


def _homes_for(size: int) -> int:
    load = _SMALL_LOAD if size < _SMALL else _GROWN_LOAD
    return int((size + _SPARE) / load) // _WIDTH + 1


def _sort(values: Fingerprints) -> None:
    """Sort numbers that are in no order, where they are; many by two threads."""
    middle = len(values) // 2
    if middle < _CHUNK:
        values.sort()
        return
    values.partition(middle)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(np.ndarray.sort, (values[:middle], values[middle:])))


def _any(matches: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Tell which rows of 8 have a match; eight bytes looked at as one number."""
    found: npt.NDArray[np.bool_] = matches.view(_U64)[:, 0] != 0
    return found


def _allocate(places: int) -> mmap.mmap:
    with _explained(places):
        memory = mmap.mmap(-1, places * _U64().itemsize, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        memory.madvise(mmap.MADV_HUGEPAGE)
    return memory


@contextlib.contextmanager
def _explained(places: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        size_mb = places * _U64().itemsize / 1e6
        raise StateError(
            f"no memory for the seen-set of a partition, {size_mb:.0f} MB ({error.strerror}); give the host more, or "
            "add members; nothing is lost"
        ) from error
