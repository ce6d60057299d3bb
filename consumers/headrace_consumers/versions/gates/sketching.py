"""Sketches of inputs, such that alike inputs probably agree in a band of theirs.

    by field: short texts and other values --> must be the same, exactly
              long texts                   --> one of them: MinHash (rensa), eight bands of eight rows

Inputs are alike only if they are in every field. One piece more or less makes a short text too different, so short
texts and other values go into all bands as they are: questions over one context part there, and nothing is missed by
it. Of several long texts the one is sketched that differs most from example to example.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np

from headrace_consumers.versions.gates.likeness import LONGEST, is_unspaced, pieces

__all__ = ["BANDS", "PERMUTATIONS", "SEED", "Bands", "Sketcher", "shared"]

PERMUTATIONS: Final = 64
BANDS: Final = 8
"""With 8 rows a band: texts of a likeness of 0.9 agree in one with a chance of 0.99, of 0.5 with one of 0.03."""

SEED: Final = 42
_FEWEST_WORDS: Final = 12
_LETTERS_A_WORD: Final = 2
"""In a text without blanks."""

_SAMPLE: Final = 200
"""Inputs by which is told which of several long texts differs most."""

Bands: TypeAlias = "np.ndarray[tuple[int, int], np.dtype[np.uint64]]"

_FACTORS: Final = np.random.default_rng(SEED).integers(1, 2**63, PERMUTATIONS, dtype=np.uint64) | np.uint64(1)


@dataclass(frozen=True, slots=True)
class _Fields:
    """An input's fields: what must be the same, its long texts' pieces, and how many words there are."""

    same: str
    texts: dict[str, frozenset[str]]
    words: int


class Sketcher:
    """Makes sketches of inputs of one signature.

    Args:
        most: inputs that are not more alike than this need not agree.
    """

    def __init__(self, most: float) -> None:
        self._most = most
        self._telling: dict[tuple[str, ...], str] = {}

    def sketch(self, texts: Iterable[str]) -> tuple[list[int], Bands]:
        """Return which inputs are long enough to be compared, and their bands.

        Args:
            texts: the inputs, JSON objects.

        Returns:
            Places in `texts`, and as many rows of BANDS.
        """
        all_ = [(place, self._fields(json.loads(text))) for place, text in enumerate(texts)]
        found = [(place, fields) for place, fields in all_ if fields.words >= _FEWEST_WORDS]
        for names in {tuple(fields.texts) for _, fields in found}.difference(self._telling):
            some = [fields.texts for _, fields in found if tuple(fields.texts) == names]
            self._telling[names] = _most_telling(names, some[:_SAMPLE])
        told = [fields.texts.get(self._telling[tuple(fields.texts)], frozenset()) for _, fields in found]
        same = np.fromiter((_hash(fields.same) for _, fields in found), dtype=np.uint64, count=len(found))
        return [place for place, _ in found], _bands(told) ^ same[:, None]

    def _fields(self, inputs: dict[str, Any]) -> _Fields:
        same: list[Any] = []
        long: dict[str, frozenset[str]] = {}
        words = 0
        for name, value in sorted(inputs.items()):
            if not isinstance(value, str):
                text = json.dumps(value, sort_keys=True)
                same.append([name, "value", text])
                words += len(text[:LONGEST].split())
                continue
            unspaced, of_text = is_unspaced(value), pieces(value)
            words += len(value[:LONGEST]) // _LETTERS_A_WORD if unspaced else len(value[:LONGEST].split())
            if not of_text:
                same.append([name, "sign", value])
            elif len(of_text) / (len(of_text) + 1) <= self._most:
                same.append([name, unspaced, sorted(of_text)])
            else:
                same.append([name, unspaced])
                long[name] = of_text
        return _Fields(json.dumps(same), long, words)


def _most_telling(names: Sequence[str], some: Sequence[dict[str, frozenset[str]]]) -> str:
    """Return the name of the text whose bands differ most; "" of none."""
    if not names:
        return ""
    if len(names) == 1:
        return names[0]
    return max(names, key=lambda name: len(np.unique(_bands([texts[name] for texts in some]))))


def _bands(texts: Sequence[frozenset[str]]) -> Bands:
    import rensa

    rows = np.zeros((len(texts), PERMUTATIONS), dtype=np.uint64)
    some = [place for place, text in enumerate(texts) if text]
    if some:
        matrix = rensa.RMinHash.digest_matrix_from_token_sets([list(texts[at]) for at in some], PERMUTATIONS, SEED)
        rows[some] = matrix.to_rows()
    mixed = (rows + np.uint64(1)) * _FACTORS  # modulo 2**64: a universal hash of a band's rows
    bands: Bands = mixed.reshape(len(texts), BANDS, PERMUTATIONS // BANDS).sum(axis=2, dtype=np.uint64)
    return bands


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest())


def shared(bands: Bands) -> Iterator[int]:
    """Yield the rows that agree with another row in a band."""
    is_shared = np.zeros(len(bands), dtype=bool)
    for band in bands.T:
        _, places, counts = np.unique(band, return_inverse=True, return_counts=True)
        is_shared |= counts[places] > 1
    yield from np.flatnonzero(is_shared).tolist()
