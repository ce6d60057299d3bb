"""Names of signatures, modules and versions: they become paths, labels and keys, so they are plain."""

import hashlib
import re
from typing import Final

__all__ = ["MAX_NAME_LENGTH", "is_valid_name", "to_valid_name"]

MAX_NAME_LENGTH: Final = 128
_VALID: Final = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_INVALID_CHARACTER: Final = re.compile(r"[^A-Za-z0-9_.-]")


def is_valid_name(name: str) -> bool:
    """Tell whether a name matches ``[A-Za-z0-9_.-]{1,128}`` and is neither ``.`` nor ``..``."""
    return _VALID.fullmatch(name) is not None and name not in {".", ".."}


def to_valid_name(name: str) -> str:
    """Return a valid name: `name` itself, or its nearest form with a hash, so that no two names become one.

    Characters outside the alphabet become ``_``, and ``-`` with 8 hex digits of the original's SHA-256 follows.
    """
    if is_valid_name(name):
        return name
    suffix = "-" + hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    stem = _INVALID_CHARACTER.sub("_", name)[: MAX_NAME_LENGTH - len(suffix)]
    return stem + suffix
