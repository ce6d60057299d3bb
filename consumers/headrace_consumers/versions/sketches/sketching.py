"""Sketches of inputs, such that alike inputs probably agree in a band of theirs.

    by field: short texts and other values --> must be the same, exactly
              long texts                   --> one of them: MinHash (rensa), eight bands of eight rows

Inputs are alike only if they are in every field. One piece more or less makes a short text too different, so short
texts and other values go into all bands as they are: questions over one context part there, and nothing is missed by
it. Of several long texts the one is sketched that differs most from example to example.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final

import numpy as np

from headrace_consumers.versions.sketches.banding import BANDS, Bands, banded
from headrace_consumers.versions.sketches.likeness import LONGEST
from headrace_consumers.versions.sketches.shingling import Integers, Pieces, Words, mixed, pieces_of

__all__ = ["Read", "Sketcher", "Telling"]

_FEWEST_WORDS: Final = 12
_ABSENT: Final = object()
_NONE, _TEXT, _OTHER = range(3)

_LONG, _VALUE = np.uint64(1), np.uint64(2)
"""Stand for what is not told by a text's pieces."""

_IN_CACHE: Final = 500
"""So many inputs at once: with some thousands all that NumPy makes of them goes through the memory."""

_SAMPLE: Final = 200
"""Inputs with the same long fields by which is told which of these differs most."""


@dataclass(frozen=True, slots=True)
class Telling:
    """Which field's texts tell inputs apart, where several are long.

    Attributes:
        by_names: the fields of which an input has long texts -> the one.
        ranks: field -> how much its texts differ; the highest is taken of fields that are not in `by_names`.
    """

    by_names: Mapping[tuple[str, ...], str] = field(default_factory=dict)
    ranks: Mapping[str, float] = field(default_factory=dict)

    def of(self, names: tuple[str, ...]) -> str:
        """Return the field by which inputs with these long ones are sketched."""
        return self.by_names.get(names) or max(names, key=lambda name: self.ranks.get(name, 0.0))


class Sketcher:
    """Makes sketches of inputs of one signature.

    Args:
        most: inputs that are not more alike than this need not agree.
        telling: `learnt` makes it.

    Attributes:
        most: see there.
        telling: see there.
    """

    def __init__(self, most: float, telling: Telling | None = None) -> None:
        self.most = most
        self.telling = telling or Telling()

    @classmethod
    def learnt(cls, most: float, sample: Iterable[Iterable[str]]) -> "Sketcher":
        """Return one that knows which of several long texts differs most, by a sample of the inputs, part by part."""
        unlearnt = cls(most)
        seen: dict[tuple[str, ...], dict[str, Bands]] = {}
        for texts in sample:
            read = unlearnt.read(texts)
            for names, places in _long_texts(read.long, len(read.words)):
                known = seen.setdefault(names, {name: np.empty((0, BANDS), np.uint64) for name in names})
                some = places[: _SAMPLE - len(known[names[0]])]
                for name in names:
                    known[name] = np.concatenate([known[name], read.long[name].bands(some)])
        differ = {names: {name: _share_that_differs(of) for name, of in its.items()} for names, its in seen.items()}
        ranks: dict[str, list[float]] = {}
        for its in differ.values():
            for name, share in its.items():
                ranks.setdefault(name, []).append(share)
        telling = Telling(
            {names: max(names, key=its.__getitem__) for names, its in differ.items() if len(seen[names][names[0]]) > 1},
            {name: sum(shares) / len(shares) for name, shares in ranks.items()},
        )
        return cls(most, telling)

    def read(self, texts: Iterable[str]) -> "Read":
        """Return what a sketch is made of.

        Args:
            texts: the inputs, JSON objects.
        """
        inputs: list[dict[str, Any]] = json.loads(f"[{','.join(texts)}]")  # at once takes a fifth of one by one
        read = Read(np.zeros(len(inputs), dtype=np.uint64), np.zeros(len(inputs), dtype=np.int64), {})
        for name in sorted(set(chain.from_iterable(inputs))):
            known = np.uint64(_hash(name))
            values = [each.get(name, _ABSENT) for each in inputs]
            kinds = np.fromiter(map(_kind, values), dtype=np.uint8, count=len(values))
            places, of_kind = _of_kind(_TEXT, kinds, values)
            if of_kind:
                read.long[name] = self._texts(places, of_kind, known, read)
            places, of_kind = _of_kind(_OTHER, kinds, values)
            if of_kind:
                _note_values(places, of_kind, known, read)
        return read

    def sketch(self, texts: Sequence[str]) -> tuple[list[int], Bands]:
        """Return which inputs are long enough to be compared, by their places, and as many rows of BANDS.

        Args:
            texts: the inputs, JSON objects.
        """
        places: list[int] = []
        bands: list[Bands] = [np.empty((0, BANDS), dtype=np.uint64)]
        for first in range(0, len(texts), _IN_CACHE):
            read = self.read(texts[first : first + _IN_CACHE])
            some = np.flatnonzero(read.words >= _FEWEST_WORDS)
            places += (some + first).tolist()
            bands.append(self._bands(read.long, len(read.words))[some] ^ read.same[some, None])
        return places, np.concatenate(bands)

    def _texts(self, places: Integers, texts: Sequence[str], name: np.uint64, read: "Read") -> "_Long":
        """Note what must be the same of a field's texts, and return the pieces of the long ones."""
        pieces = pieces_of(texts)
        is_long = pieces.counts / (pieces.counts + 1) > self.most
        value = np.where(is_long, _LONG, pieces.together())
        for none in np.flatnonzero(pieces.counts == 0).tolist():
            value[none] = _hash(texts[none])
        read.same[places] += mixed(mixed(value + pieces.is_unspaced) + name)
        read.words[places] += pieces.words
        return _Long(places, pieces, is_long)

    def _bands(self, long: Mapping[str, "_Long"], count: int) -> Bands:
        """Return bands of that long text of each input which tells most."""
        bands = np.zeros((count, BANDS), dtype=np.uint64)
        for names, places in _long_texts(long, count):
            bands[places] = long[self.telling.of(names)].bands(places)
        return bands


@dataclass(frozen=True, slots=True)
class _Long:
    """A field's texts: where they are, their pieces, and which are long."""

    places: Integers
    pieces: Pieces
    is_long: "np.ndarray[tuple[int], np.dtype[np.bool_]]"

    def bands(self, places: Integers) -> Bands:
        """Return the bands of the texts at rising places."""
        return banded(*self.pieces.of(np.searchsorted(self.places, places)))


@dataclass(frozen=True, slots=True)
class Read:
    """What sketches of some inputs are made of.

    Attributes:
        same: of each a hash of what must be the same.
        words: how many words each has.
        long: name -> the pieces of the long texts of a field.
    """

    same: Words
    words: Integers
    long: dict[str, _Long]


def _share_that_differs(bands: Bands) -> float:
    return len(np.unique(bands)) / max(1, bands.size)


def _long_texts(long: Mapping[str, _Long], count: int) -> Iterator[tuple[tuple[str, ...], Integers]]:
    """Yield the fields of which some inputs have long texts, and the places of these inputs."""
    are_long = np.zeros((count, len(long)), dtype=np.bool_)
    for number, of_name in enumerate(long.values()):
        are_long[of_name.places, number] = of_name.is_long
    kinds, kind_of = _kinds_of_rows(are_long)
    for number, kind in enumerate(kinds.tolist()):
        names = tuple(name for name, is_long in zip(long, kind, strict=True) if is_long)
        if names:
            yield names, np.flatnonzero(kind_of == number)


def _kinds_of_rows(rows: "np.ndarray[tuple[int, int], np.dtype[np.bool_]]") -> tuple[Any, Integers]:
    """Return the different rows, and which each is."""
    if not rows.size or (rows == rows[0]).all():  # most often
        return rows[:1], np.zeros(len(rows), dtype=np.int64)
    kinds, kind_of = np.unique(rows, axis=0, return_inverse=True)
    return kinds, kind_of.reshape(-1)


def _kind(value: object) -> int:
    return _TEXT if isinstance(value, str) else _NONE if value is _ABSENT else _OTHER


def _of_kind(kind: int, kinds: "np.ndarray[tuple[int], np.dtype[np.uint8]]", values: list[Any]) -> tuple[Integers, Any]:
    """Return where values of a kind are, and these."""
    places = np.flatnonzero(kinds == kind)
    return places, values if len(places) == len(values) else [values[place] for place in places.tolist()]


def _note_values(places: Integers, values: Sequence[Any], name: np.uint64, read: Read) -> None:
    """Note what must be the same of a field's values that are no texts."""
    written = [json.dumps(value, sort_keys=True) for value in values]
    hashes = np.fromiter(map(_hash, written), dtype=np.uint64, count=len(written))
    counts = (len(text[:LONGEST].split()) for text in written)
    read.same[places] += mixed(mixed(hashes + _VALUE) + name)
    read.words[places] += np.fromiter(counts, dtype=np.int64, count=len(written))


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest())
