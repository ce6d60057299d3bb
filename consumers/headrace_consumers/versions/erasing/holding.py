"""The texts in which a person's words are looked for: what people and programs wrote, and nothing that Headrace names.

a source's line, an example    values of inputs and outputs, with the names inside them; category; provenance
provenance                     texts, but no ids, hashes, times, models; of a call there are none
edits in the provenance        their reasons
a line of set_aside.jsonl      the reason that was given for excluding it
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

__all__ = ["words_of", "words_of_edits", "words_of_fields", "words_of_line", "words_of_origin", "words_of_reason"]

_NAMING: Final = frozenset({"commit", "model", "asked_difficulty"})
_NAMING_ENDS: Final = ("_ms", "_hash", "_id", "_version")
_WHY: Final = re.compile(r': ("(?:[^"\\]|\\.)*")\Z')
"""How `merging.edited` ends the reason."""


def words_of_line(line: dict[str, Any]) -> Iterator[str]:
    """Yield the texts of a line of a source, or of an example."""
    for side in ("inputs", "outputs"):
        yield from words_of_fields(line.get(side))
    yield from words_of(line.get("category"))
    yield from words_of_origin(line.get("metadata"))


def words_of_fields(fields: Any) -> Iterator[str]:
    """Yield the texts of inputs or outputs; the names of the fields are the signature's."""
    for each in fields.values() if isinstance(fields, dict) else [fields]:
        yield from words_of(each)


def words_of_origin(metadata: Any) -> Iterator[str]:
    """Yield the texts of what is known of the origin of an example that no call gave.

    Args:
        metadata: of a line of a source or of provenance.jsonl.
    """
    for name, value in metadata.items() if isinstance(metadata, dict) else ():
        if name != "edits" and name not in _NAMING and not name.endswith(_NAMING_ENDS):
            yield from _texts(value)


def words_of_edits(metadata: dict[str, Any]) -> Iterator[str]:
    """Yield the reasons of an example's edits, of the metadata of its line in provenance.jsonl."""
    edits = metadata.get("edits")
    for each in edits if isinstance(edits, list) else ():
        yield from _texts(each.get("why") if isinstance(each, dict) else None)


def words_of_reason(reason: str) -> Iterator[str]:
    """Yield the reason that somebody gave for excluding an example, out of a version's words for it."""
    if match := _WHY.search(reason):
        yield json.loads(match[1])


def words_of(value: Any) -> Iterator[str]:
    """Yield the texts of a JSON value, its numbers, and the names of its members."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield json.dumps(value)
    elif isinstance(value, dict):
        for name, each in value.items():
            yield name
            yield from words_of(each)
    elif isinstance(value, list):
        for each in value:
            yield from words_of(each)
    else:
        yield from _texts(value)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
