"""Bands of MinHash sketches (rensa): texts that are alike probably agree in one, and those that agree are found.

hashes of pieces, text by text --> the 64 least of each --> eight numbers, one of eight of these --> who shares one
"""

from array import array
from collections.abc import Iterator
from itertools import chain
from typing import Final, TypeAlias

import numpy as np

from headrace_consumers.versions.sketches.shingling import Integers, Words

__all__ = ["BANDS", "PERMUTATIONS", "SEED", "Bands", "banded", "shared"]

PERMUTATIONS: Final = 64
BANDS: Final = 8
"""With 8 rows a band: texts of a likeness of 0.9 agree in one with a chance of 0.99, of 0.5 with one of 0.03."""

SEED: Final = 42

Bands: TypeAlias = "np.ndarray[tuple[int, int], np.dtype[np.uint64]]"

_LAST_BITS: Final = np.uint64(0xFFFF)

_ROWS_AT_ONCE: Final = 128
"""So many of rensa's rows, which come as numbers of Python: more go through the memory."""

_FACTORS: Final = np.random.default_rng(SEED).integers(1, 2**63, PERMUTATIONS, dtype=np.uint64) | np.uint64(1)


def banded(tokens: Words, bounds: Integers) -> Bands:
    """Return the bands of texts.

    Args:
        tokens: hashes of their pieces, text by text.
        bounds: where each text's begin, and the last one's end.
    """
    import rensa

    numbers, starts = array("I"), bounds.astype(np.uint64)
    for first in range(0, len(bounds) - 1, _ROWS_AT_ONCE):
        some = starts[first : first + _ROWS_AT_ONCE + 1]
        matrix = rensa.RMinHash.digest_matrix_from_flat_token_hashes(
            tokens[some[0] : some[-1]], some - some[0], PERMUTATIONS, SEED
        )
        numbers.extend(chain.from_iterable(matrix.to_rows()))
    rows = np.frombuffer(numbers, dtype=np.uint32)
    mixed_rows = (rows.reshape(-1, PERMUTATIONS) + np.uint64(1)) * _FACTORS  # modulo 2**64: a universal hash of a band
    bands: Bands = mixed_rows.reshape(-1, BANDS, PERMUTATIONS // BANDS).sum(axis=2, dtype=np.uint64)
    return bands


def shared(bands: Bands) -> Iterator[int]:
    """Yield the rows that agree with another row in a band."""
    is_shared = np.zeros(len(bands), dtype=bool)
    for band in bands.T:
        ordered = np.sort(band)
        several = ordered[1:][ordered[1:] == ordered[:-1]]
        if len(several):
            may_be = np.zeros(1 << 16, dtype=bool)  # by their last bits, so that most are not looked for
            may_be[several & _LAST_BITS] = True
            places = np.flatnonzero(may_be[band & _LAST_BITS])
            found = several[np.minimum(np.searchsorted(several, band[places]), len(several) - 1)]
            is_shared[places[found == band[places]]] = True
    yield from np.flatnonzero(is_shared).tolist()
