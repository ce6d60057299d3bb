"""A key's fingerprint: the number that its first 16 hex digits write, many keys at once.

A key is a SHA-256, so with n keys in a set a new one is mistaken for a copy with probability n / 2^64.
"""

from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = [
    "KEY_LENGTH",
    "Fingerprints",
    "fingerprints_of",
    "fingerprints_of_characters",
    "fingerprints_of_digits",
    "to_digits",
]

Fingerprints: TypeAlias = npt.NDArray[np.uint64]
"""Shape (n,); never 0, which stands for a key that has none."""

Digits: TypeAlias = npt.NDArray[np.uint8]
"""The characters of keys, shape (n, KEY_LENGTH or more)."""

KEY_LENGTH: Final = 64
_USED: Final = 16


def fingerprints_of(keys: Sequence[bytes | None]) -> Fingerprints:
    """Return the fingerprints of message keys, shape (n,); 0 of one that is not 64 lower-case hex digits.

    Args:
        keys: n message keys, of any length.
    """
    found = np.zeros(len(keys), np.uint64)
    chosen = [place for place, key in enumerate(keys) if key is not None and len(key) == KEY_LENGTH]
    joined = b"".join(keys[place] or b"" for place in chosen)
    found[chosen] = fingerprints_of_characters(np.frombuffer(joined, np.uint8).reshape(-1, KEY_LENGTH))
    return found


def fingerprints_of_characters(characters: Digits) -> Fingerprints:
    """Return the fingerprints of texts of `KEY_LENGTH` bytes, shape (n, KEY_LENGTH); 0 of one that is no key."""
    is_hex = (characters - np.uint8(ord("0")) < 10) | (characters - np.uint8(ord("a")) < 6)  # noqa: PLR2004
    fingerprints = fingerprints_of_digits(characters)
    if np.count_nonzero(is_hex) != is_hex.size:
        fingerprints[~is_hex.all(axis=1)] = 0
    return fingerprints


def fingerprints_of_digits(digits: Digits) -> Fingerprints:
    """Return the fingerprints of keys that are known to be hex digits; eight digits a step, as one number."""
    words = np.ascontiguousarray(digits[:, :_USED]).view("<u8")
    words = (words & _word("0F")) + np.uint64(9) * (words >> np.uint64(6) & _word("01"))  # "a" is 0x61
    words = words.byteswap()  # now the first digit is the most significant, one in each byte
    for shift, mask in ((4, "00FF"), (8, "0000FFFF"), (16, "00000000FFFFFFFF")):
        words = (words | words >> np.uint64(shift)) & _word(mask)
    fingerprints: Fingerprints = np.maximum(words[:, 0] << np.uint64(32) | words[:, 1], np.uint64(1))
    return fingerprints  # never 0, which is an empty place in the table


def to_digits(keys: pa.Array) -> Digits:
    """Return the characters of an Arrow array of keys without a null, without copying them.

    Raises:
        ValueError: one is not `KEY_LENGTH` long.
    """
    if len(keys) and pc.min_max(pc.binary_length(keys)).as_py() != {"min": KEY_LENGTH, "max": KEY_LENGTH}:
        raise ValueError(f"a key is not {KEY_LENGTH} characters long")
    if not len(keys):
        return np.empty((0, KEY_LENGTH), np.uint8)
    text = keys.cast(pa.large_binary())
    _, offsets, data = text.buffers()
    first = int(np.frombuffer(offsets, np.int64)[text.offset])
    return np.frombuffer(data, np.uint8)[first : first + len(text) * KEY_LENGTH].reshape(-1, KEY_LENGTH)


def _word(pattern: str) -> np.uint64:
    return np.uint64(int((pattern * 16)[:16], 16))
