"""Dataset versions as a cut writes them (`dataset_files`), from examples given in a test."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from headrace_schemas import canonical, keys
from headrace_schemas.dataset_files import LATEST, SPLITS, ExampleLine, folder_name, version_name

__all__ = ["FIELDS_HASH", "MADE_MS", "example_line", "provenance_line", "write_version"]

FIELDS_HASH = "0123456789abcdef"
MADE_MS = 1_790_000_000_000


def example_line(inputs: Mapping[str, Any], outputs: Mapping[str, Any], **changes: Any) -> ExampleLine:
    """An example of telemetry that nobody looked at, unless `changes` say otherwise."""
    key = keys.dedup_key("S", FIELDS_HASH, canonical.dumps(inputs))
    line = {
        "example_id": key[:32],
        "key": key,
        "inputs": dict(inputs),
        "outputs": dict(outputs),
        "source": "telemetry",
        "label": "unverified",
        "category": None,
        "difficulty": "easy",
        "quality": None,
        "weight": 1.0,
        "times_seen": 1,
        "timestamp_ms": MADE_MS,
    }
    return line | changes  # type: ignore[return-value]


def provenance_line(line: ExampleLine, **metadata: Any) -> dict[str, Any]:
    """Where an example came from."""
    return {
        "example_id": line["example_id"],
        "source": line["source"],
        "timestamp": "2026-11-27T00:00:00Z",
        "metadata": metadata,
    }


def write_version(
    root: Path,
    splits: Mapping[str, Sequence[ExampleLine]],
    *,
    signature: str = "S",
    number: int = 1,
    fields_hash: str = FIELDS_HASH,
    environment: str = "production",
    provenance: Iterable[Mapping[str, Any]] | None = None,
    latest: bool = True,
) -> Path:
    """Write v<number> with these examples, and return its folder."""
    folder = root / folder_name(signature) / version_name(number)
    folder.mkdir(parents=True, mode=0o700)
    examples = {split: sorted(splits.get(split, ()), key=lambda line: line["key"]) for split in SPLITS}
    for split, lines in examples.items():
        (folder / f"{split}.jsonl").write_bytes(b"".join(canonical.dumps(line) + b"\n" for line in lines))
        flat = [
            {**line, **{side: canonical.dumps(line[side]).decode() for side in ("inputs", "outputs")}} for line in lines
        ]
        pq.write_table(pa.Table.from_pylist(flat, _PARQUET), folder / f"{split}.parquet")
    everything = [line for lines in examples.values() for line in lines]
    told = provenance if provenance is not None else map(provenance_line, everything)
    (folder / "provenance.jsonl").write_bytes(b"".join(canonical.dumps(each) + b"\n" for each in told))
    (folder / "set_aside.jsonl").write_bytes(b"")
    metadata = {
        "signature": signature,
        "version": folder.name,
        "made_at": "2026-11-27T00:00:00Z",
        "examples": len(everything),
        "splits": {split: _figures(lines) for split, lines in examples.items()},
    }
    (folder / "metadata.json").write_text(json.dumps(metadata))
    manifest = {
        "format": 1,
        "signature": signature,
        "version": folder.name,
        "fields_hash": fields_hash,
        "environment": environment,
        "offsets": [{"topic": "headrace.interactions.v1", "topic_id": "id", "partition": 0, "first": 3, "last": 70}],
        "gates": [{"gate": "minimum-size", "threshold": 1.0, "figure": 4.0, "is_passed": True, "set_aside": 0}],
        "files": {
            path.name: {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "size_bytes": path.stat().st_size}
            for path in sorted(folder.iterdir())
        },
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    if latest:
        (folder.parent / LATEST).write_text(f"{folder.name}\n")
    return folder


def _figures(lines: Sequence[ExampleLine]) -> dict[str, Any]:
    return {
        "examples": len(lines),
        "sources": Counter(line["source"] for line in lines),
        "labels": Counter(line["label"] for line in lines),
        "difficulties": Counter(line["difficulty"] for line in lines),
        "categories": Counter(line["category"] or "" for line in lines),
    }


_PARQUET = pa.schema(
    [
        *((name, pa.string()) for name in ("example_id", "key", "inputs", "outputs", "source", "label", "category")),
        ("difficulty", pa.string()),
        ("quality", pa.float64()),
        ("weight", pa.float64()),
        ("times_seen", pa.int64()),
        ("timestamp_ms", pa.int64()),
    ]
)
