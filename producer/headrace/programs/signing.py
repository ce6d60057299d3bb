"""Signatures of program versions: Ed25519 (RFC 8032), over the artefact's digest. A service holds public keys only.

What is signed is a purpose and the digest, so that a signature made for this is none for anything else. Needs the
`cryptography` library, which is imported when a key is first used. A file of signatures has one a line, so that a key
can be replaced while services still hold the one before.
"""

import base64
import binascii
from collections.abc import Sequence
from typing import Final

__all__ = ["MOST_SIGNATURES", "Signer", "Verifier", "public_key_of"]

MOST_SIGNATURES: Final = 8
"""Of one program; others in its file are not looked at."""

_PURPOSE: Final = b"headrace.program.v1\x00"


class Signer:
    """Signs digests.

    Args:
        seed: the 32 bytes of the secret key.
    """

    __slots__ = ("_seed",)

    def __init__(self, seed: bytes) -> None:
        self._seed = seed

    def sign(self, digest: str) -> bytes:
        """Return the signature, base64."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        key = Ed25519PrivateKey.from_private_bytes(self._seed)
        return base64.b64encode(key.sign(_PURPOSE + digest.encode("ascii")))


class Verifier:
    """Checks signatures.

    Args:
        public_keys: 32 bytes each; a signature by any of them is good.
    """

    def __init__(self, public_keys: Sequence[bytes]) -> None:
        self._keys = tuple(public_keys)

    def is_good(self, digest: str, signatures: bytes) -> bool:
        """Tell whether one of the keys has made one of the signatures of a digest."""
        return any(self._is_made_here(digest, each) for each in signatures.split()[:MOST_SIGNATURES])

    def _is_made_here(self, digest: str, signature: bytes) -> bool:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            given = base64.b64decode(signature, validate=True)
        except binascii.Error:
            return False
        for key in self._keys:
            try:
                Ed25519PublicKey.from_public_bytes(key).verify(given, _PURPOSE + digest.encode("ascii"))
            except InvalidSignature:
                continue
            return True
        return False


def public_key_of(seed: bytes) -> str:
    """Return the public key of a secret one, in base64: for `registry.verify_keys`."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return base64.b64encode(Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()).decode()
