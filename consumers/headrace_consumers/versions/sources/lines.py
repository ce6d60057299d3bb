"""An example of a source as one line of canonical JSON, and what makes two of them the same."""

import hashlib
from typing import Final, get_type_hints

from headrace_schemas import CanonicalizationError, canonical
from headrace_schemas.dataset_files import DIFFICULTIES, SourceLine

__all__ = ["identity", "parsed", "written"]

_MEMBERS: Final = frozenset(get_type_hints(SourceLine))
_IDENTITY_BYTES: Final = 16


def written(line: SourceLine) -> bytes:
    """Return the line, with its end.

    Raises:
        CanonicalizationError: a value that is no JSON.
    """
    return canonical.dumps(line) + b"\n"


def parsed(line: bytes) -> SourceLine:
    """Return a line's example.

    Raises:
        ValueError: what is wrong with it, in a few words that quote nothing of it.
    """
    try:
        value = canonical.loads(line.rstrip(b"\r\n"))
    except CanonicalizationError:
        raise ValueError("no JSON") from None
    wrong = _wrong_with(value)
    if wrong is not None:
        raise ValueError(wrong)
    return value  # type: ignore[no-any-return]  # it has all members


def identity(line: SourceLine) -> bytes:
    """Return 16 bytes that two examples share if their inputs and outputs are the same.

    Raises:
        CanonicalizationError: a value that is no JSON.
    """
    content = canonical.dumps([line["inputs"], line["outputs"]])
    return hashlib.sha256(content).digest()[:_IDENTITY_BYTES]


def _wrong_with(value: object) -> str | None:
    if not isinstance(value, dict) or value.keys() != _MEMBERS:
        return f"no object with the members {', '.join(sorted(_MEMBERS))}"
    for name in ("inputs", "outputs", "metadata"):
        if not isinstance(value[name], dict):
            return f"{name} is no object"
    if not isinstance(value["category"], str | None):
        return "category is neither text nor null"
    if value["difficulty"] not in (*DIFFICULTIES, None):
        return f"difficulty is none of {', '.join(DIFFICULTIES)} or null"
    if type(value["timestamp_ms"]) is not int:
        return "timestamp_ms is no whole number"
    return None
