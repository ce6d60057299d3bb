"""Whom the table no longer takes: entries in a property of it, which hold for each commit that comes after them.

    headrace.suppressed   {"key": "<random>", "entries": {"subject-<32 hex digits>": "<since when, ISO 8601>", ...}}

delta-rs refuses a commit from a handle that a change of the properties has passed. So an entry and a commit have an
order: what is committed after the entry was judged with it. An entry is a keyed hash (BLAKE2b) of a subject's pseudonym
or of a request's id: it can be compared with a record, and is not read back.
"""

import hashlib
import json
import secrets
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import polars as pl

__all__ = ["NOBODY", "Suppression"]

_NAME: Final = "headrace.suppressed"
_BYTES: Final = 16
_COLUMNS: Final = {"subject": "subject_id", "request": "request_id"}
"""What an entry is about -> the column that is compared with it."""


@dataclass(frozen=True, slots=True)
class Suppression:
    """The entries of a table.

    Attributes:
        key: of the hash, 32 hex digits; a copy of the table keeps it. Empty while there is neither an entry nor a copy.
        entries: ``<kind>-<digits>`` -> since when, ISO 8601.
    """

    key: str = ""
    entries: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, properties: Mapping[str, str]) -> "Suppression":
        """Return what a table's properties say.

        Raises:
            ValueError: somebody else has written there.
        """
        text = properties.get(_NAME)
        if text is None:
            return NOBODY
        try:
            told = json.loads(text)
            key, entries = told["key"], {str(entry): str(since) for entry, since in told["entries"].items()}
            for text in (key, *(entry.partition("-")[2] for entry in entries)):
                bytes.fromhex(text)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"{_NAME} is not what Headrace writes: {error}") from None
        return cls(key, entries)

    def as_properties(self) -> dict[str, str]:
        """Return the property that says so."""
        return {_NAME: json.dumps({"key": self.key, "entries": self.entries}, separators=(",", ":"))}

    def keyed(self) -> "Suppression":
        """Return these entries with a key, made now if there is none."""
        return self if self.key else replace(self, key=secrets.token_hex(16))

    def with_(self, subjects: Iterable[str], requests: Iterable[str], since: str) -> "Suppression":
        """Return these entries with further ones; one that is there already keeps its date.

        Args:
            subjects: pseudonyms, as records hold them.
            requests: request ids.
            since: now, ISO 8601.
        """
        keyed = self.keyed()
        wanted = [*(keyed.entry("subject", s) for s in subjects), *(keyed.entry("request", r) for r in requests)]
        new = {entry: since for entry in wanted if entry not in self.entries}
        return replace(keyed, entries={**self.entries, **new}) if new else self

    def together(self, other: "Suppression") -> "Suppression":
        """Return the entries of both; the other's are of a copy of the table, and so were made with its key.

        Raises:
            ValueError: each has a key of its own.
        """
        if self.key and other.key and self.key != other.key:
            raise ValueError("entries that were made with different keys")
        return Suppression(self.key or other.key, {**other.entries, **self.entries})

    def entry(self, kind: str, value: str) -> str:
        """Return the entry that a subject's pseudonym or a request's id has here."""
        return f"{kind}-{self._digest(kind, value).hex()}"

    def holds(self, records: pl.DataFrame) -> pl.Series | None:
        """Tell of each record whether it is of a suppressed subject or request; None: of none.

        Args:
            records: have `subject_id` and `request_id`.
        """
        found = pl.repeat(value=False, n=len(records), dtype=pl.Boolean, eager=True)
        for kind, column in _COLUMNS.items():
            if any(entry.startswith(kind) for entry in self.entries):
                values = records[column]
                found |= values.is_in(self._known(kind, values.unique().drop_nulls().to_list())).fill_null(value=False)
        return found if found.any() else None

    def concerns(self, subject: str | None, request: str) -> bool:
        """Tell of one record whether it is of a suppressed subject or request."""
        return bool(self.entries) and (
            self.entry("request", request) in self.entries
            or (subject is not None and self.entry("subject", subject) in self.entries)
        )

    def _known(self, kind: str, values: Collection[str]) -> pl.Series:
        # A batch may hold as many people as records: 1 us for each.
        key, purpose, hash_ = bytes.fromhex(self.key), _purpose(kind), hashlib.blake2b
        digests = {
            bytes.fromhex(entry.removeprefix(f"{kind}-")) for entry in self.entries if entry.startswith(f"{kind}-")
        }
        found = [
            value
            for value in values
            if hash_(purpose + value.encode("utf-8", "surrogatepass"), digest_size=_BYTES, key=key).digest() in digests
        ]
        return pl.Series(found, dtype=pl.String)

    def _digest(self, kind: str, value: str) -> bytes:
        message = _purpose(kind) + value.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(message, digest_size=_BYTES, key=bytes.fromhex(self.key)).digest()


def _purpose(kind: str) -> bytes:
    return f"hr-suppressed\0{kind}\0".encode()


NOBODY: Final = Suppression()
