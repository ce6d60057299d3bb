"""How much memory a captured call holds, estimated on the caller's thread.

A text's own size is known at once, so a few large texts cost nothing to measure. Of long lists and objects a sample,
spread evenly, stands for all; so the work is bounded whatever the call holds.
"""

import sys
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from headrace.captured import Captured, CapturedCall

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["footprint"]

_FIXED_BYTES: Final = 2_000
"""The call itself, its ids and names, its place in queue and ledger."""

_LOOKS: Final = 256
"""So many values are looked at on each level of nesting, at most."""

_SAMPLE: Final = 32
_DEEPEST: Final = 16
"""Below this a value counts as a small one."""

_SMALL_BYTES: Final = 64


def footprint(captured: Captured) -> int:
    """Return about how many bytes a captured call or feedback holds."""
    if isinstance(captured, CapturedCall):
        parts: tuple[Any, ...] = (captured.input, captured.output, captured.attributes, captured.error)
    else:
        parts = (captured.comment, captured.correction)
    return _FIXED_BYTES + sum(_size(part, _LOOKS, _DEEPEST) for part in parts)


def _size(value: Any, looks: int, depth: int) -> int:
    if isinstance(value, str):
        return sys.getsizeof(value)
    if isinstance(value, dict):
        items: Collection[Any] = value.values()
        keys = len(value) * _SMALL_BYTES
    elif isinstance(value, list | tuple):
        items, keys = value, 0
    else:
        return _SMALL_BYTES
    if not depth or not items:
        return _SMALL_BYTES + keys
    if len(items) <= min(_SAMPLE, looks):
        each, total = max(1, looks // len(items)), sys.getsizeof(value) + keys
        for item in items:
            total += sys.getsizeof(item) if type(item) is str else _size(item, each, depth - 1)
        return total
    step = -(-len(items) // min(_SAMPLE, looks))
    sampled = list(islice(items, 0, None, step))
    each = max(1, looks // len(sampled))
    total = sum(_size(item, each, depth - 1) for item in sampled)
    return sys.getsizeof(value) + keys + total * len(items) // len(sampled)
