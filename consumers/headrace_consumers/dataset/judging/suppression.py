"""Whom the table no longer takes: entries in a property of it, which hold for each commit that comes after them.

    headrace.suppressed   {"key": "<random>", "entries": {"subject-<32 hex digits>": "<since when, ISO 8601>", ...}}
    headrace.suppressed.others   [the same, of tables whose entries were made with another key, ...]

delta-rs refuses a commit from a handle that a change of the properties has passed. So an entry and a commit have an
order: what is committed after the entry was judged with it. An entry is a keyed hash (BLAKE2b) of a subject's pseudonym
or of a request's id: it can be compared with a record, and is not read back.
"""

import hashlib
import json
import secrets
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import polars as pl

__all__ = ["NOBODY", "Suppression"]

_NAME: Final = "headrace.suppressed"
_OTHERS: Final = f"{_NAME}.others"
_NOTHING: Final = '{"key":"","entries":{}}'
_BYTES: Final = 16
_COLUMNS: Final = {"subject": "subject_id", "request": "request_id"}
"""What an entry is about -> the column that is compared with it."""


@dataclass(frozen=True, slots=True)
class Suppression:
    """The entries of a table.

    Attributes:
        key: of the hash, 32 hex digits; a copy of the table keeps it. Empty while there is neither an entry nor a copy.
        entries: ``<kind>-<digits>`` -> since when, ISO 8601.
        others: key -> entries that were made with it, for hashes of different keys cannot be put together.
    """

    key: str = ""
    entries: Mapping[str, str] = field(default_factory=dict)
    others: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, properties: Mapping[str, str]) -> "Suppression":
        """Return what a table's properties say.

        Raises:
            ValueError: somebody else has written there.
        """
        try:
            key, entries = _understood(json.loads(properties.get(_NAME, _NOTHING)))
            others = dict(map(_understood, json.loads(properties.get(_OTHERS, "[]"))))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"{_NAME} is not what Headrace writes: {error}") from None
        return cls(key, entries, others)

    @property
    def is_empty(self) -> bool:
        """Whether nobody is refused."""
        return not (self.entries or self.others)

    def as_properties(self) -> dict[str, str]:
        """Return the properties that say so."""
        others = [{"key": key, "entries": entries} for key, entries in self.others.items()]
        return {
            _NAME: _text({"key": self.key, "entries": self.entries}),
            **({_OTHERS: _text(others)} if others else {}),
        }

    def keyed(self, key: str = "") -> "Suppression":
        """Return these entries with a key; if there is none, with this one, or one that is made now."""
        return self if self.key else self.together(Suppression(key or secrets.token_hex(16)))

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
        """Return the entries of both; a new one is made with this one's key, if it has one."""
        key = self.key or other.key
        both = {each: dict(entries) for each, entries in other.by_key().items()}
        for each, entries in self.by_key().items():
            both[each] = {**both.get(each, {}), **entries}
        own = both.pop(key, {})
        return Suppression(key, own, {each: entries for each, entries in both.items() if entries})

    def entry(self, kind: str, value: str) -> str:
        """Return the entry that a subject's pseudonym or a request's id has here."""
        return _entry(self.key, kind, value)

    def holds(self, records: pl.DataFrame) -> pl.Series | None:
        """Tell of each record whether it is of a suppressed subject or request; None: of none.

        Args:
            records: have `subject_id` and `request_id`.
        """
        found = pl.repeat(value=False, n=len(records), dtype=pl.Boolean, eager=True)
        for kind, column in _COLUMNS.items():
            for key, entries in self.by_key().items():
                if digests := _digests(kind, entries):
                    values = records[column]
                    known = _known(kind, key, digests, values.unique().drop_nulls().to_list())
                    found |= values.is_in(known).fill_null(value=False)
        return found if found.any() else None

    def concerns(self, subject: str | None, request: str) -> bool:
        """Tell of one record whether it is of a suppressed subject or request."""
        return any(
            _entry(key, "request", request) in entries
            or (subject is not None and _entry(key, "subject", subject) in entries)
            for key, entries in self.by_key().items()
            if entries
        )

    def by_key(self) -> Mapping[str, Mapping[str, str]]:
        """Return all entries: key -> those that were made with it."""
        return {**self.others, self.key: {**self.others.get(self.key, {}), **self.entries}}


def _entry(key: str, kind: str, value: str) -> str:
    message = _purpose(kind) + value.encode("utf-8", "surrogatepass")
    return f"{kind}-{hashlib.blake2b(message, digest_size=_BYTES, key=bytes.fromhex(key)).hexdigest()}"


def _digests(kind: str, entries: Iterable[str]) -> frozenset[bytes]:
    return frozenset(bytes.fromhex(entry.removeprefix(f"{kind}-")) for entry in entries if entry.startswith(f"{kind}-"))


def _known(kind: str, key: str, digests: Collection[bytes], values: Collection[str]) -> pl.Series:
    # A batch may hold as many people as records: 1 us for each, and for each key.
    key_bytes, purpose, hash_ = bytes.fromhex(key), _purpose(kind), hashlib.blake2b
    found = [
        value
        for value in values
        if hash_(purpose + value.encode("utf-8", "surrogatepass"), digest_size=_BYTES, key=key_bytes).digest()
        in digests
    ]
    return pl.Series(found, dtype=pl.String)


def _understood(told: Any) -> tuple[str, dict[str, str]]:
    key, entries = told["key"], {str(entry): str(since) for entry, since in told["entries"].items()}
    for text in (key, *(entry.partition("-")[2] for entry in entries)):
        bytes.fromhex(text)
    return key, entries


def _text(told: object) -> str:
    return json.dumps(told, separators=(",", ":"))


def _purpose(kind: str) -> bytes:
    return f"hr-suppressed\0{kind}\0".encode()


NOBODY: Final = Suppression()
