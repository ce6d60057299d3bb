"""What a topic owes to the table and to the dead letters, computed from its raw messages with fastavro and json alone.

It shares no code with the consumer: a plain loop in offset order over each partition, with a dictionary.
"""

import io
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Final

import fastavro
import polars as pl
from fastavro.schema import fingerprint, to_parsing_canonical_form

from tests.support.murmur2 import partition_by_murmur2

__all__ = ["Owed", "differences", "differences_of_sightings", "owed_by", "table_of"]

_AVRO: Final = resources.files("headrace_schemas") / "avro"
_SCHEMAS: Final = [json.loads((_AVRO / name).read_text()) for name in ("interaction.v1.avsc", "interaction.v1.0.avsc")]
_LETTER: Final = json.loads((_AVRO / "deadletter.v1.avsc").read_text())
_BY_FINGERPRINT: Final = {
    bytes.fromhex(fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO")): schema for schema in _SCHEMAS
}
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_HEX: Final = re.compile(rb"[0-9a-f]{64}")
_KEY_LENGTH: Final = 64
_DAY_MS: Final = 86_400_000
_YEAR_2020_MS: Final = 1_577_836_800_000
_MEASURES: Final = (
    "latency_ms", "cost_usd", "tokens", "tokens_input", "tokens_output", "lm_calls", "cache_hits", "redactions",
)  # fmt: skip


@dataclass
class Owed:
    """What must come of a topic.

    Attributes:
        rows: dedup key -> the row's columns.
        letters: (partition, offset) -> key and value of the message.
        ends: partition -> the offset after its last message.
        copies: (partition, offset) of each copy of an earlier row -> its key.
        messages: how many there are.
        misplaced: of the letters, those in another partition than their key's.
    """

    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    letters: dict[tuple[int, int], tuple[bytes | None, bytes | None]] = field(default_factory=dict)
    ends: dict[int, int] = field(default_factory=dict)
    copies: dict[tuple[int, int], str] = field(default_factory=dict)
    messages: int = 0
    misplaced: int = 0


def owed_by(messages: Iterable[Any], partitions: int) -> Owed:
    """Return what is owed for the messages of a topic, given in offset order, with the default filter."""
    owed = Owed()
    for message in messages:
        owed.messages += 1
        partition, offset, key = message.partition(), message.offset(), message.key()
        owed.ends[partition] = offset + 1
        if key is not None and len(key) == _KEY_LENGTH and partition_by_murmur2(key, partitions) != partition:
            owed.letters[partition, offset] = (key, message.value())
            owed.misplaced += 1
            continue
        if key is not None and (text := key.decode("latin-1")) in owed.rows:
            owed.copies[partition, offset] = text
            continue
        record = _read(message)
        if record is None:
            owed.letters[partition, offset] = (key, message.value())
        elif _passes(record):
            place = {"partition": partition, "offset": offset, "ingested_ms": message.timestamp()[1]}
            owed.rows[record["dedup_key"]] = {**record, **place}
    return owed


def differences(owed: Owed, table: pl.DataFrame, letters: Iterable[Any]) -> list[str]:
    """Return in what the table and the dead letters differ from what is owed; nothing where they are right."""
    found = []
    times = Counter(table["dedup_key"].to_list())
    if twice := sorted(key for key, count in times.items() if count > 1):
        found.append(f"{len(twice)} keys twice, e.g. {[_place(owed, key) for key in twice[:3]]}")
    if missing := sorted(owed.rows.keys() - times.keys()):
        found.append(f"{len(missing)} rows missing, e.g. {[_place(owed, key) for key in missing[:3]]}")
    if surplus := sorted(times.keys() - owed.rows.keys()):
        found.append(f"{len(surplus)} rows that nothing owes, e.g. {surplus[:3]}")
    columns = [column for column in table.columns if column in next(iter(owed.rows.values()), {})]
    ingested = table["ingested_at"].dt.epoch("ms").to_list()
    for row, ingested_ms in zip(table.select(columns).iter_rows(named=True), ingested, strict=True):
        wanted = owed.rows.get(row["dedup_key"])
        if wanted is not None and any(
            wanted[name] != value for name, value in [*row.items(), ("ingested_ms", ingested_ms)]
        ):
            names = [name for name, value in row.items() if wanted[name] != value] or ["ingested_at"]
            found.append(f"the row of {_place(owed, row['dedup_key'])} differs in {names}")
            break
    return found + _differences_of_letters(owed, letters)


def differences_of_sightings(owed: Owed, sightings: pl.DataFrame) -> list[str]:
    """Return in what the sightings differ from the copies that are owed, each once."""
    found = []
    rows = sightings.select("partition", "offset", "dedup_key").rows()
    places = {(partition, offset): key for partition, offset, key in rows}
    if twice := len(rows) - len(places):
        found.append(f"{twice} sightings twice")
    if missing := sorted(owed.copies.keys() - places.keys()):
        found.append(f"{len(missing)} sightings missing, e.g. {missing[:3]}")
    if surplus := sorted(places.items() - owed.copies.items()):
        found.append(f"{len(surplus)} sightings that nothing owes, e.g. {surplus[:3]}")
    return found


def _differences_of_letters(owed: Owed, letters: Iterable[Any]) -> list[str]:
    found: list[str] = []
    seen: dict[tuple[int, int], tuple[bytes | None, bytes | None]] = {}
    for message in letters:
        letter: Any = fastavro.schemaless_reader(io.BytesIO(message.value()[10:]), _LETTER, None)
        source = (letter["partition"], letter["offset"])
        if message.key().decode() != f"{letter['topic']}/{source[0]}/{source[1]}":
            found.append(f"the letter of {source} has another key")
        seen[source] = (letter["key"], letter["value"])
    if missing := sorted(owed.letters.keys() - seen.keys()):
        found.append(f"{len(missing)} dead letters missing, e.g. {missing[:3]}")
    if surplus := sorted(seen.keys() - owed.letters.keys()):
        found.append(f"{len(surplus)} dead letters that nothing owes, e.g. {surplus[:3]}")
    if changed := [source for source in seen.keys() & owed.letters.keys() if seen[source] != owed.letters[source]]:
        found.append(f"{len(changed)} dead letters without their original bytes, e.g. {changed[:3]}")
    return found


def _place(owed: Owed, key: str) -> tuple[str, int, int]:
    row: Mapping[str, Any] = owed.rows.get(key, {"partition": -1, "offset": -1})
    return key[:8], row["partition"], row["offset"]


def table_of(path: Path) -> pl.DataFrame:
    """Return the whole table."""
    return pl.scan_delta(str(path)).collect()


def _read(message: Any) -> dict[str, Any] | None:
    value = message.value()
    if value is None or value[:2] != b"\xc3\x01" or value[2:10] not in _BY_FINGERPRINT:
        return None
    buffer = io.BytesIO(value[10:])
    try:
        record: Any = fastavro.schemaless_reader(buffer, _BY_FINGERPRINT[value[2:10]], _SCHEMAS[0])
        objects = [json.loads(record[name]) for name in ("input", "output", "attributes")]
    except (EOFError, ValueError, IndexError, UnicodeError):
        return None
    measures = [record[name] for name in _MEASURES if record[name] is not None]
    names = [record[name] for name in ("signature", "module_name", "module_version")]
    sane = (
        not buffer.read(1)
        and all(isinstance(each, dict) for each in objects)
        and all(_NAME.fullmatch(name) and name not in {".", ".."} for name in names)
        and all(math.isfinite(measure) and measure >= 0 for measure in measures)
        and 0 < record["inclusion_probability"] <= 1
        and _YEAR_2020_MS <= record["timestamp_ms"] <= message.timestamp()[1] + _DAY_MS
        and record["capture_level"] in ("full", "outcome")
        and message.key() == record["dedup_key"].encode()
        and (record["capture_level"] == "outcome" or _HEX.fullmatch(message.key()))
    )
    return record if sane else None


def _passes(record: Mapping[str, Any]) -> bool:
    output = json.loads(record["output"])
    filled = [value for value in output.values() if value not in (None, [], {}) and str(value).strip()]
    return bool(
        record["capture_level"] == "full"
        and record["environment"] == "production"
        and record["success"]
        and not record["truncated"]
        and (record["latency_ms"] is None or record["latency_ms"] <= 5000)
        and (record["cost_usd"] is None or record["cost_usd"] <= 0.10)
        and output
        and len(filled) / len(output) >= 0.70
    )
