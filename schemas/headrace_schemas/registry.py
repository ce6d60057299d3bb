"""The Avro schemas that this release knows: those in the wheel, and newer ones given as files.

A reader finds the writer's schema by its fingerprint (CRC-64-AVRO of the Parsing Canonical Form) and resolves it
against its own. So a consumer can be told of a newer schema before it is upgraded: `schemas.path`.
"""

import json
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Final, TypeAlias, cast

import fastavro
from fastavro.schema import SchemaParseException, UnknownType, fingerprint, to_parsing_canonical_form

from headrace_schemas.errors import SchemaError

__all__ = ["CURRENT", "AvroSchema", "Registry", "fingerprint_of"]

AvroSchema: TypeAlias = dict[str, Any]

CURRENT: Final[Mapping[str, str]] = {
    "headrace.v1.Interaction": "interaction.v1.avsc",
    "headrace.v1.DeadLetter": "deadletter.v1.avsc",
    "headrace.v1.Statistics": "statistics.v1.avsc",
    "headrace.v1.Feedback": "feedback.v1.avsc",
    "headrace.v1.Control": "control.v1.avsc",
}
"""Record name -> the file that this release writes with, in the package's folder `avro`."""


class Registry:
    """Schemas by fingerprint.

    Args:
        files: newer (or older) schemas, each an .avsc file or a folder of them.

    Raises:
        SchemaError: a file that is missing, unreadable or no record schema.
    """

    def __init__(self, files: Iterable[Path] = ()) -> None:
        self._by_fingerprint: dict[bytes, AvroSchema] = {}
        self._current: dict[str, AvroSchema] = {}
        shipped = resources.files("headrace_schemas") / "avro"
        for entry in sorted(shipped.iterdir(), key=lambda entry: entry.name):
            if entry.name.endswith(".avsc"):
                schema = self._add(entry.read_text(encoding="utf-8"), entry.name)
                if CURRENT.get(schema["name"]) == entry.name:
                    self._current[schema["name"]] = schema
        for path in _expand(files):
            try:
                self._add(path.read_text(encoding="utf-8"), str(path))
            except (OSError, UnicodeDecodeError) as error:
                raise SchemaError(f"{path}: cannot read the schema ({error}); check schemas.path") from error

    def current(self, name: str) -> AvroSchema:
        """Return the schema that this release writes records of this full name with."""
        return self._current[name]

    def by_fingerprint(self, fingerprint: bytes) -> AvroSchema | None:
        """Return the schema of an 8-byte fingerprint, or None."""
        return self._by_fingerprint.get(fingerprint)

    def _add(self, text: str, source: str) -> AvroSchema:
        try:
            raw = json.loads(text)
            if not isinstance(raw, dict) or raw.get("type") != "record" or not isinstance(raw.get("fields"), list):
                raise SchemaError(f"{source}: not an Avro record schema; schemas.path takes .avsc files of records")
            schema = cast("AvroSchema", fastavro.parse_schema(raw))
            self._by_fingerprint[fingerprint_of(raw)] = schema
        except (ValueError, LookupError, TypeError, RecursionError, SchemaParseException, UnknownType) as error:
            raise SchemaError(f"{source}: not an Avro schema ({error}); check schemas.path") from error
        return schema


def fingerprint_of(schema: AvroSchema) -> bytes:
    """Return the 8 bytes, little-endian, that stand for a schema in single-object encoding."""
    return bytes.fromhex(fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO"))


def _expand(files: Iterable[Path]) -> list[Path]:
    expanded: list[Path] = []
    for path in files:
        found = sorted(path.glob("*.avsc")) if path.is_dir() else [path]
        if not found:
            raise SchemaError(f"{path}: no .avsc file in this folder; check schemas.path")
        expanded.extend(found)
    return expanded
