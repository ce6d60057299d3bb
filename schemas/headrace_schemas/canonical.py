"""Canonical JSON: one value, one sequence of bytes, in every language.

RFC 8785 (JSON Canonicalization Scheme), by the `rfc8785` library, or by `json` where that writes the same. What the RFC
refuses is mapped first, by one reversible rule: a *tag*, an object with exactly one member whose name begins with
``$hr:``.

    {"$hr:float": "NaN" | "Infinity" | "-Infinity"}
    {"$hr:int": "9007199254740993"}         an integer beyond +-(2^53 - 1), in decimal
    {"$hr:str": "ed a0 80"}                 a string with lone surrogates: its generalised UTF-8 in hex, no blanks
    {"$hr:map": [[key, value], ...]}        an object with a key that is no string or has a lone surrogate, or that
                                            would itself read as a tag; sorted by the canonical bytes of the pair.
                                            Keys are null, booleans, numbers, strings and arrays of these

As in the RFC, -0.0 is 0 and 5.0 is 5. Tuples are arrays (as keys, arrays are tuples). A subclass's own text, such as
that of an enumeration's member, plays no part: its value does.
"""

import codecs
import contextlib
import json
import math
import re
from collections.abc import Mapping
from typing import Any, TypeAlias

import rfc8785

from headrace_schemas.errors import CanonicalizationError

__all__ = ["JSON", "MAX_DEPTH", "dumps", "loads"]

JSON: TypeAlias = Any
"""None, bool, int, float, str, list or tuple of these, mapping of these to these."""

# rfc8785 sorts keys by this codec, which Python imports at first use. A fork while a background thread does so would
# leave the child without the codec for good.
codecs.lookup("utf-16be")

TAG = "$hr:"
MAX_SAFE_INTEGER = 2**53 - 1
MAX_DEPTH = 100
"""Deeper values are refused: a bomb of nesting must not end in a RecursionError."""
_LEAST_PLAIN, _MOST_PLAIN = 1e-4, 1e15
"""Between them Python and the RFC write a number that is no integer alike: without an exponent."""

_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), check_circular=False).encode
_DECIMAL = re.compile(r"-?[1-9][0-9]*")
_HEX = re.compile(r"(?:[0-9a-f]{2})+")


def dumps(value: JSON) -> bytes:
    """Return the canonical bytes (UTF-8) of a JSON value.

    Raises:
        CanonicalizationError: a type that is no JSON, or more than MAX_DEPTH levels.
    """
    try:
        if _is_common(value, 0):
            with contextlib.suppress(UnicodeEncodeError):  # lone surrogates
                return _encode(value).encode()
        return rfc8785.dumps(_to_plain(value, 0))
    except RecursionError:  # the caller's stack was nearly full
        raise CanonicalizationError("no canonical JSON: nested too deeply for the stack that is left") from None
    except rfc8785.CanonicalizationError as error:  # nothing is left for it to refuse; say so rather than leak it
        raise CanonicalizationError(f"no canonical JSON: {error}") from error


def loads(text: bytes | str) -> JSON:
    """Return the value of canonical JSON, tags undone; `dumps(loads(b)) == b` for all canonical b.

    Raises:
        CanonicalizationError: not JSON in UTF-8, an unknown or malformed tag, a non-finite number, or too deep.
    """
    try:
        plain = json.loads(
            text if isinstance(text, str) else text.decode(),  # json would take UTF-16 and surrogates, too
            parse_int=_parse_int,
            parse_float=_parse_float,
            parse_constant=_refuse_constant,
        )
        return _from_plain(plain, 0)
    except (ValueError, RecursionError) as error:
        raise CanonicalizationError(f"not canonical JSON: {type(error).__name__}") from error


def _is_common(value: JSON, depth: int) -> bool:
    """Tell whether Python's own encoder, twenty times as fast, writes what the RFC does, but for lone surrogates.

    So it is without subclasses, tags and numbers that either writes in a way of its own, with keys of ASCII.
    """
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return True
    if kind is int:
        return bool(-MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER)
    if kind is float:
        return bool(_LEAST_PLAIN <= abs(value) < _MOST_PLAIN and not value.is_integer())
    if depth >= MAX_DEPTH:
        return False
    if kind is dict:
        for key, item in value.items():
            if type(key) is not str or not key.isascii() or key.startswith(TAG) or not _is_common(item, depth + 1):
                return False
        return True
    if kind is list or kind is tuple:
        for item in value:  # noqa: SIM110  # `all` over a generator takes twice as long
            if not _is_common(item, depth + 1):
                return False
        return True
    return False


def _to_plain(value: JSON, depth: int) -> JSON:
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        return str.__str__(value) if _is_unicode(value) else {TAG + "str": _surrogates_to_hex(value)}
    if isinstance(value, int):
        return int(value) if abs(value) <= MAX_SAFE_INTEGER else {TAG + "int": _decimal(value)}
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {TAG + "float": _name_of_non_finite(value)}
    if depth >= MAX_DEPTH:
        raise CanonicalizationError(f"no canonical JSON: more than {MAX_DEPTH} levels")
    if isinstance(value, list | tuple):
        return [_to_plain(item, depth + 1) for item in value]
    if isinstance(value, Mapping):
        if all(isinstance(key, str) and _is_unicode(key) for key in value) and not _reads_as_tag(value):
            return {str.__str__(key): _to_plain(item, depth + 1) for key, item in value.items()}
        pairs = [[_to_plain(_as_key(key), depth + 1), _to_plain(item, depth + 1)] for key, item in value.items()]
        # By the whole pair: NaN is a key as often as it likes.
        return {TAG + "map": sorted(pairs, key=lambda pair: [*map(rfc8785.dumps, pair)])}
    raise CanonicalizationError(f"no canonical JSON: {type(value).__name__} is no JSON type")


def _from_plain(plain: JSON, depth: int) -> JSON:
    if isinstance(plain, dict) and _reads_as_tag(plain):
        ((tag, content),) = plain.items()
        return _from_tag(tag.removeprefix(TAG), content, depth)
    if isinstance(plain, list | dict) and depth >= MAX_DEPTH:
        raise ValueError(depth)
    if isinstance(plain, list):
        return [_from_plain(item, depth + 1) for item in plain]
    if isinstance(plain, dict):
        return {key: _from_plain(item, depth + 1) for key, item in plain.items()}
    return plain


def _from_tag(tag: str, content: JSON, depth: int) -> JSON:
    if tag == "map" and isinstance(content, list) and depth < MAX_DEPTH:
        undone = {}
        for pair in content:
            if not isinstance(pair, list) or len(pair) != 2:  # noqa: PLR2004  # a pair
                raise ValueError(tag)
            undone[_as_tuple(_from_plain(pair[0], depth + 1))] = _from_plain(pair[1], depth + 1)
        return undone
    if not isinstance(content, str):
        raise ValueError(tag)  # noqa: TRY004  # loads turns it into one CanonicalizationError
    if tag == "int" and _DECIMAL.fullmatch(content) and abs(int(content)) > MAX_SAFE_INTEGER:
        return int(content)
    if tag == "float" and content in {"NaN", "Infinity", "-Infinity"}:
        return float(content)
    if tag == "str" and _HEX.fullmatch(content):
        return bytes.fromhex(content).decode("utf-8", "surrogatepass")
    raise ValueError(tag)


def _parse_int(digits: str) -> int | float:
    """Beyond 2^53 - 1 the RFC writes only floats; read them as such, or a second pass would tag them."""
    number = int(digits)
    return number if abs(number) <= MAX_SAFE_INTEGER else _parse_float(digits)


def _parse_float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(digits)
    return number


def _refuse_constant(name: str) -> float:
    raise ValueError(name)


def _as_key(key: JSON) -> JSON:
    """Return a key that `loads` can give back."""
    if isinstance(key, tuple):
        return tuple(map(_as_key, key))
    if key is None or isinstance(key, str | int | float):
        return key
    raise CanonicalizationError(f"no canonical JSON: {type(key).__name__} is no type of a key")


def _as_tuple(key: JSON) -> JSON:
    if isinstance(key, dict):
        raise ValueError("object as a key")  # noqa: TRY004  # loads turns it into one CanonicalizationError
    return tuple(map(_as_tuple, key)) if isinstance(key, list) else key


def _decimal(value: int) -> str:
    try:
        return str(int(value))
    except ValueError:  # Python writes no more than sys.get_int_max_str_digits()
        raise CanonicalizationError("no canonical JSON: an integer of thousands of digits") from None


def _is_unicode(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _surrogates_to_hex(text: str) -> str:
    return text.encode("utf-8", "surrogatepass").hex()


def _name_of_non_finite(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _reads_as_tag(value: Mapping[Any, Any]) -> bool:
    if len(value) != 1:
        return False
    (key,) = value
    return isinstance(key, str) and key.startswith(TAG)
