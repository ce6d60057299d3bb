"""Keyed pseudonyms: equal values stay equal, and without the key nobody finds the value, not even by trying all.

    [EMAIL:pgkdlfabcimnoeih]        the first 64 bits of HMAC-SHA-256(key, purpose || 0x00 || value in its plain form),
                                    in the letters a to p: digits would look like a phone number to the next rule
    hmac-sha256:<32 hex digits>     a subject id; without a key sha256:<32 hex digits>, which hides nothing that can be
                                    guessed

Spelling plays no part: `Jane@Example.com` is `jane@example.com`, `+1 (415) 555-2671` is `+14155552671`.
"""

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Final

__all__ = ["PSEUDONYMOUS", "Pseudonyms", "subject_pseudonym"]

PSEUDONYMOUS: Final = frozenset({"email", "iban", "card", "ip", "phone"})
"""The kinds that become pseudonyms where there is a key. A secret never does: nobody needs to tell secrets apart."""

_BYTES: Final = 8
_SUBJECT_DIGITS: Final = 32
_LETTERS: Final = str.maketrans("0123456789abcdef", "abcdefghijklmnop")
_NO_DIGIT: Final = re.compile(r"\D")


class Pseudonyms:
    """Makes pseudonyms of what redaction found.

    Args:
        key: the HMAC key.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, kind: str, found: str) -> str:
        """Return 16 letters that stand for a value of a kind."""
        plain = _PLAIN[kind](found)
        return _hmac(self._key, kind, plain).hex()[: 2 * _BYTES].translate(_LETTERS)


def subject_pseudonym(subject_id: str, key: bytes | None = None) -> str:
    """Return what stands for a subject in records, and what erasure looks for.

    Args:
        subject_id: the service's own id of a person.
        key: the HMAC key; None: a plain hash, which whoever knows the possible ids can undo by trying them.
    """
    if key is not None:
        return f"hmac-sha256:{_hmac(key, 'subject', subject_id).hex()[:_SUBJECT_DIGITS]}"
    return f"sha256:{hashlib.sha256(_utf8(subject_id)).hexdigest()[:_SUBJECT_DIGITS]}"


def _hmac(key: bytes, purpose: str, value: str) -> bytes:
    return hmac.digest(key, b"hr-pseudonym\x00" + purpose.encode() + b"\x00" + _utf8(value), "sha256")


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "replace")  # as the producer writes ids


def _plain_email(found: str) -> str:
    return found.replace("%40", "@").casefold()


def _plain_digits(found: str) -> str:
    return _NO_DIGIT.sub("", found)


def _plain_phone(found: str) -> str:
    return _plain_digits(found).removeprefix("00")


def _plain_ip(found: str) -> str:
    return str(ipaddress.ip_address(found))


_PLAIN: Final[Mapping[str, Callable[[str], str]]] = {
    "email": _plain_email,
    "iban": str.upper,
    "card": _plain_digits,
    "ip": _plain_ip,
    "phone": _plain_phone,
}
