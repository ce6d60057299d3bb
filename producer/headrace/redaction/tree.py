"""Mappings whose keys were redacted: what became equal is told apart."""

from typing import Any

__all__ = ["told_apart"]


def told_apart(keys: dict[Any, Any]) -> dict[Any, Any]:
    """Return old key -> new key with equal new ones told apart by `#2`, `#3`, ...; unchanged keys keep their name.

    In the order of the old keys, whatever the mapping's own.
    """
    if len(set(keys.values())) == len(keys):
        return keys
    taken = {new for old, new in keys.items() if old == new}
    apart = {}
    for old in sorted(keys, key=lambda key: (type(key).__name__, str(key))):
        new, number = keys[old], 2
        if old != new:
            while new in taken:
                new, number = f"{keys[old]}#{number}", number + 1
            taken.add(new)
        apart[old] = new
    return apart
