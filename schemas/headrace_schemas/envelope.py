"""Encrypted fields: AES-256-GCM in a marked, versioned envelope, which is text, so that the schema stays flat.

    enc:v1:<key id>:<base64url of 12 bytes nonce, ciphertext, 16 bytes tag>     a text field: error, comment
    {"$hr:enc":"enc:v1:..."}                                                    a field that is a JSON object

The second is canonical JSON that no value can be mistaken for: canonical JSON keeps names that begin with `$hr:` for
itself. The record's id, the field's name and the key id are authenticated, too: an envelope that was moved to another
record or field does not open. Nonces are random, so a key is good for 2^32 fields.

Needs the `cryptography` library, which is imported when something is sealed or opened.
"""

import base64
import os
import re
from collections.abc import Callable, Mapping
from typing import Final

from headrace_schemas.errors import EnvelopeError

__all__ = ["KEY_BYTES", "is_sealed", "is_sealed_object", "seal", "seal_object", "unseal", "unseal_object"]

KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_PREFIX: Final = "enc:v1:"
_ENVELOPE: Final = re.compile(r"enc:v1:([A-Za-z0-9_.-]{1,128}):([A-Za-z0-9_=-]+)")
_OBJECT: Final = re.compile(rf'\{{"\$hr:enc":"({_ENVELOPE.pattern})"\}}')


def seal(
    plain: str,
    *,
    key: bytes,
    key_id: str,
    record_id: str,
    field: str,
    random_bytes: Callable[[int], bytes] = os.urandom,
) -> str:
    """Return a text's envelope.

    Args:
        plain: the text.
        key: 32 bytes.
        key_id: names the key, [A-Za-z0-9_.-]{1,128}.
        record_id: the record that the field belongs to, e.g. its event_id.
        field: the field's name.
        random_bytes: gives so many random bytes.
    """
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = random_bytes(_NONCE_BYTES)
    sealed = AESGCM(key).encrypt(nonce, plain.encode(), _bound_to(record_id, field, key_id))
    return f"{_PREFIX}{key_id}:{base64.urlsafe_b64encode(nonce + sealed).decode()}"


def seal_object(
    plain: str,
    *,
    key: bytes,
    key_id: str,
    record_id: str,
    field: str,
    random_bytes: Callable[[int], bytes] = os.urandom,
) -> str:
    """Return the envelope of a JSON object's text, as a JSON object; see `seal`."""
    envelope = seal(plain, key=key, key_id=key_id, record_id=record_id, field=field, random_bytes=random_bytes)
    return f'{{"$hr:enc":"{envelope}"}}'


def unseal(envelope: str, keys: Mapping[str, bytes], *, record_id: str, field: str) -> str:
    """Return the text in an envelope.

    Args:
        envelope: see `seal`.
        keys: key id -> key.
        record_id: as it was sealed.
        field: as it was sealed.

    Raises:
        EnvelopeError: no envelope, a key that is not there, or an envelope that was changed or moved.
    """
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    match = _ENVELOPE.fullmatch(envelope)
    if match is None:
        raise EnvelopeError(f"{field} is no envelope of version 1")
    key = keys.get(match[1])
    if key is None:
        raise EnvelopeError(f"{field} is encrypted with key {match[1]}, which encryption.keys lacks")
    try:
        sealed = base64.b64decode(match[2], altchars=b"-_", validate=True)
        plain = AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _bound_to(record_id, field, match[1]))
        return plain.decode()
    except (InvalidTag, ValueError):
        raise EnvelopeError(
            f"{field} does not open with key {match[1]}: another key of that name, or it was changed or moved"
        ) from None


def unseal_object(text: str, keys: Mapping[str, bytes], *, record_id: str, field: str) -> str:
    """Return the JSON object's text in an envelope; see `unseal`."""
    match = _OBJECT.fullmatch(text)
    if match is None:
        raise EnvelopeError(f"{field} is no envelope of version 1")
    return unseal(match[1], keys, record_id=record_id, field=field)


def is_sealed(text: str) -> bool:
    """Tell whether a text looks like an envelope."""
    return _ENVELOPE.fullmatch(text) is not None


def is_sealed_object(text: str) -> bool:
    """Tell whether canonical JSON is an envelope. Canonical JSON of a value never is."""
    return _OBJECT.fullmatch(text) is not None


def _bound_to(record_id: str, field: str, key_id: str) -> bytes:
    return b"\x00".join(part.encode("utf-8", "surrogatepass") for part in ("hr-enc-v1", record_id, field, key_id))
