"""The size cap: a JSON object that is too large is cut where it is longest, and stays JSON.

First the longest texts are cut to one common length, the largest with which all fits. Only where texts are not what
makes it large, the lists and objects inside are shortened.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from headrace.captured import CUT_MARK
from headrace_schemas import canonical

__all__ = ["capped", "with_capped_fields"]

_SHORTEST_TEXT: Final = 16
_MARGIN: Final = 0.95


def capped(value: Mapping[Any, Any], max_bytes: int, encoded: bytes | None = None) -> tuple[str, bool]:
    """Return the canonical JSON of an object in at most `max_bytes` bytes of UTF-8, and whether something was cut.

    Args:
        value: the object.
        max_bytes: see above.
        encoded: its canonical JSON, where that is known already.

    Raises:
        CanonicalizationError: see `canonical.dumps`.
    """
    if encoded is None:
        encoded = canonical.dumps(value)
    if len(encoded) <= max_bytes:
        return encoded.decode(), False
    longest = _common_length([_size(text) for text in _texts(value)], excess=len(encoded) - max_bytes) or max_bytes
    while longest >= _SHORTEST_TEXT:
        encoded = canonical.dumps(_cut(value, longest))
        if len(encoded) <= max_bytes:
            return encoded.decode(), True
        longest = int(longest * _MARGIN * max_bytes / len(encoded))  # sizes are estimates
    items = max(_lengths(value), default=0)
    while items:
        items //= 2
        encoded = canonical.dumps({key: _shortened(item, items) for key, item in value.items()})
        if len(encoded) <= max_bytes:
            return encoded.decode(), True
    return "{}", True


def with_capped_fields(fields: Mapping[Any, Any], max_bytes: Mapping[str, int]) -> tuple[dict[Any, Any], bool]:
    """Return an object with each field that has a cap in at most so many bytes, and whether something was cut."""
    cut, is_cut = dict(fields), False
    for name, limit in max_bytes.items():
        if name in fields:
            text, is_field_cut = capped({"": fields[name]}, limit)
            if is_field_cut:
                cut[name] = canonical.loads(text).get("", CUT_MARK)
                is_cut = True
    return cut, is_cut


def _common_length(sizes: list[int], excess: int) -> int:
    """Return the largest length L for which cutting every size to L saves `excess` in total; 0 if none does."""
    room = sum(sizes) - excess
    sizes.sort()
    for index, size in enumerate(sizes):
        left = len(sizes) - index
        if size * left > room:
            return max(0, room // left)
        room -= size
    return 0


def _cut(value: Any, longest: int) -> Any:
    if isinstance(value, str):
        size = _size(value)
        if size <= longest:
            return value
        return value[: max(0, longest - len(CUT_MARK)) * len(value) // size] + CUT_MARK
    if isinstance(value, list | tuple):
        return [_cut(item, longest) for item in value]
    if isinstance(value, Mapping):
        return {key: _cut(item, longest) for key, item in value.items()}
    return value


def _shortened(value: Any, items: int) -> Any:
    if isinstance(value, str):
        return value if _size(value) <= _SHORTEST_TEXT else value[: _SHORTEST_TEXT // 4] + CUT_MARK
    if isinstance(value, list | tuple):
        return [_shortened(item, items) for item in value[:items]]
    if isinstance(value, Mapping):
        return {key: _shortened(value[key], items) for key in list(value)[:items]}
    return value


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)


def _lengths(value: Any) -> Iterator[int]:
    if isinstance(value, list | tuple | Mapping):
        yield len(value)
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _lengths(item)


def _size(text: str) -> int:
    """Return a text's bytes in JSON, escapes included."""
    return len(json.dumps(text, ensure_ascii=False).encode("utf-8", "surrogatepass")) - len('""')
