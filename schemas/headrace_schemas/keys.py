"""The hashes that producers, consumers and other languages must agree on. Fixed by vectors.json.

A request's hashes are the first 8 bytes, big-endian, of SHA-256 over a purpose, 0x00 and the ids, in UTF-8. The
purposes keep them apart: with one hash for both, the candidate's arm would be exactly the sampled calls.
"""

import hashlib
import hmac
from collections.abc import Iterable
from hashlib import sha256
from typing import Final

from headrace_schemas import canonical

__all__ = [
    "DIGEST_WORDS",
    "arm_hash",
    "dedup_key",
    "event_key",
    "fields_hash",
    "is_below_rate",
    "partition_of",
    "request_id_hash",
    "request_id_hashes",
    "sampling_digest",
    "sampling_hash",
    "sampling_threshold",
    "secret_id",
    "signature_hash",
    "split_digests",
    "split_hash",
]

DIGEST_WORDS: Final = 4
"""So many 64-bit words has a digest; the first of them is the hash."""

_HASH_RANGE: Final = 2.0**64
_ABOVE_ALL: Final = b"\xff" * 33


def sampling_hash(request_id: str) -> int:
    """Return the 64-bit hash that decides whether a request is captured."""
    return int.from_bytes(sampling_digest(request_id)[:8], "big")


def sampling_digest(request_id: str) -> bytes:
    """Return the digest that `sampling_hash` is the beginning of; every call of an instrumented module asks for it."""
    return sha256(b"hr-sample\x00" + request_id.encode("utf-8", "surrogatepass")).digest()


def sampling_threshold(rate: float) -> bytes:
    """Return the bytes that digests are below exactly where `is_below_rate` says so of their hash."""
    threshold = int(rate * _HASH_RANGE)
    return threshold.to_bytes(8, "big") if threshold < _HASH_RANGE else _ABOVE_ALL


def arm_hash(rollout_id: str, request_id: str) -> int:
    """Return the 64-bit hash that decides a request's arm in a rollout."""
    return _first_64_bits(b"hr-arm", rollout_id, request_id)


def split_hash(key: str) -> int:
    """Return the 64-bit hash that decides the split of an example, by its deduplication key.

    It depends on nothing else: an example stands on the same side in each version that is cut with the same shares.
    """
    return int.from_bytes(sha256(b"hr-split\x00" + key.encode("utf-8", "surrogatepass")).digest()[:8], "big")


def split_digests(keys: Iterable[str]) -> bytes:
    """Return the digests that `split_hash` is the beginning of, 32 bytes each: of millions at once."""
    return b"".join([sha256(b"hr-split\x00" + key.encode()).digest() for key in keys])


def is_below_rate(hash64: int, rate: float) -> bool:
    """Tell whether a 64-bit hash falls below `rate`, a share from 0 (never) to 1 (always).

    The threshold is floor(rate * 2^64) with `rate` as an IEEE double: a product with a power of two is exact, so
    every language gets the same integer. It is monotone: a request below a rate is below every higher one.
    """
    return hash64 < int(rate * _HASH_RANGE)


def request_id_hash(request_id: str) -> bytes:
    """Return the 32 bytes that stand for a request id in message headers and in feedback keys."""
    return hashlib.sha256(b"hr-request\x00" + _utf8(request_id)).digest()


def request_id_hashes(request_ids: Iterable[str]) -> list[str]:
    """Return `request_id_hash` of each in hex digits: of millions at once."""
    return [sha256(b"hr-request\x00" + each.encode("utf-8", "surrogatepass")).hexdigest() for each in request_ids]


def dedup_key(signature: str, fields_hash: str, inputs: bytes, *, secret: bytes | None = None) -> str:
    """Return the deduplication key as 64 hex digits.

    SHA-256(signature || 0x00 || fields_hash || 0x00 || inputs), or HMAC-SHA-256 of the same where fields are
    encrypted, since a plain hash of a short input can be guessed.

    Args:
        signature: the signature's name.
        fields_hash: see `fields_hash`.
        inputs: canonical JSON of the deduplicated inputs, redacted and not truncated.
        secret: the HMAC key.
    """
    message = b"\x00".join((_utf8(signature), _utf8(fields_hash), inputs))
    if secret is None:
        return hashlib.sha256(message).hexdigest()
    return hmac.new(secret, message, hashlib.sha256).hexdigest()


def event_key(event_id: str) -> str:
    """Return the deduplication key of a call that no other call is the same as: 64 hex digits.

    SHA-256("hr-event" || 0x00 || event_id): sent twice, it is still one.
    """
    return hashlib.sha256(b"hr-event\x00" + _utf8(event_id)).hexdigest()


def secret_id(secret: bytes) -> str:
    """Return 8 hex digits that tell secrets of `dedup_key` apart and say nothing about them."""
    return hmac.new(secret, b"hr-secret-id", hashlib.sha256).hexdigest()[:8]


def fields_hash(fields: list[tuple[str, str, str]]) -> str:
    """Return the identity of a signature's fields: the first 16 hex digits of a SHA-256.

    Over the canonical JSON of the sorted list of [role, name, type]; role is "input" or "output". Instructions,
    descriptions and the order of the fields do not matter.
    """
    listed = canonical.dumps(sorted([list(field) for field in fields]))
    return hashlib.sha256(listed).hexdigest()[:16]


def signature_hash(fields: list[tuple[str, str, str]]) -> str:
    """Return what a predictor's saved state must find again to fit: the first 16 hex digits of a SHA-256.

    Over the canonical JSON of the list of [role, name, type] in the signature's order, with the fields that DSPy itself
    added: DSPy saves the words about fields by their place, and demos are shown by field.
    """
    return hashlib.sha256(canonical.dumps([list(field) for field in fields])).hexdigest()[:16]


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition of a message key, as Kafka's default (murmur2) partitioner does in every client."""
    return (_murmur2(key) & 0x7FFFFFFF) % partitions


def _first_64_bits(purpose: bytes, *parts: str) -> int:
    digest = hashlib.sha256(b"\x00".join((purpose, *map(_utf8, parts)))).digest()
    return int.from_bytes(digest[:8], "big")


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _murmur2(data: bytes) -> int:
    """MurmurHash2 with Kafka's seed (org.apache.kafka.common.utils.Utils.murmur2), unsigned."""
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    h = 0x9747B28C ^ len(data)
    whole = len(data) & ~3
    for at in range(0, whole, 4):
        k = int.from_bytes(data[at : at + 4], "little") * m & mask
        k = (k ^ k >> 24) * m & mask
        h = (h * m & mask) ^ k
    if tail := data[whole:]:
        h = (h ^ int.from_bytes(tail, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15
