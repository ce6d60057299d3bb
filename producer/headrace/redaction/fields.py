"""Which fields of a signature leave the process at all: allow and deny lists.

A field that does not leave keeps its name, and has a marker for its value: the record's shape stays the signature's.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from headrace.config import Redaction
from headrace_schemas.names import to_valid_name

__all__ = ["WITHHELD", "FieldLists"]

WITHHELD: Final = "[WITHHELD]"
_ALL: Final = "*"


class FieldLists:
    """Withholds fields.

    Args:
        redaction: the section of the configuration. The lists of `*` count for every signature: denied is what either
            denies; allowed is what the signature's own list allows, else that of `*`.
    """

    def __init__(self, redaction: Redaction) -> None:
        everywhere = redaction.signatures.get(_ALL)
        self._everywhere = self._of(None, everywhere)
        self._by_signature = {
            to_valid_name(name): self._of(lists, everywhere)
            for name, lists in redaction.signatures.items()
            if name != _ALL
        }
        self._all_denied = frozenset(name for lists in redaction.signatures.values() for name in lists.deny)
        described = sorted(
            (name, sorted(lists.allow) if lists.allow is not None else None, sorted(lists.deny))
            for name, lists in redaction.signatures.items()
            if lists.allow is not None or lists.deny
        )
        self.description = repr(described) if described else ""

    def withheld(self, signature: str, fields: Mapping[Any, Any], counts: Counter[str]) -> dict[Any, Any]:
        """Return a call's inputs or outputs with the marker in place of what does not leave.

        Args:
            signature: its valid name.
            fields: the inputs or outputs.
            counts: `field` is increased by one for each field.
        """
        allowed, denied = self._by_signature.get(signature, self._everywhere)
        return _marked(fields, allowed, denied, counts)

    def withheld_anywhere(self, fields: Mapping[Any, Any], counts: Counter[str]) -> dict[Any, Any]:
        """Return fields of an unknown signature, as in a correction, without what any signature's list denies."""
        return _marked(fields, self._everywhere[0], self._all_denied, counts)

    @staticmethod
    def _of(lists: Any, everywhere: Any) -> tuple[frozenset[str] | None, frozenset[str]]:
        both = [one for one in (lists, everywhere) if one is not None]
        allow = next((one.allow for one in both if one.allow is not None), None)
        return None if allow is None else frozenset(allow), frozenset(name for one in both for name in one.deny)


def _marked(
    fields: Mapping[Any, Any], allowed: frozenset[str] | None, denied: frozenset[str], counts: Counter[str]
) -> dict[Any, Any]:
    marked = {}
    for name, value in fields.items():
        is_hidden = name in denied or (allowed is not None and name not in allowed)
        if is_hidden:
            counts["field"] += 1
        marked[name] = WITHHELD if is_hidden else value
    return marked
