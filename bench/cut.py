"""How long a cut takes and what memory: `python -m bench.cut [--rows 1000000]`.

A Delta table of so many rows of one signature is made first (inputs and outputs of some 700 bytes, every third key seen
again, feedback on one row in twenty), in files as the consumer writes them; that is not measured. Then a fresh process
cuts a version of it, another one does so without looking for near-duplicates, a third one replays that, and a fourth
compares the two versions. Memory is what a process, and those it starts, had at most: "own" (anonymous; the rest is
files mapped into memory, which the system takes back when it needs it) and all of it.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
from deltalake import write_deltalake

from headrace.config import load
from headrace.redaction import Redactor
from headrace_consumers.dataset.delta.rows import ROW_SCHEMA
from headrace_consumers.dataset.feedback.rows import FEEDBACK_SCHEMA
from headrace_consumers.dataset.sightings import SIGHTING_SCHEMA
from headrace_schemas import keys
from headrace_schemas.vectors import EXAMPLE

SIGNATURE = "extract_requirements"
CHUNK = 100_000
PARTITIONS = 8
SENTENCES = 4_000
APPEND_MS = 1_790_000_000_000
WAYS = (
    ("cut, no near-duplicates", ("dataset", "cut"), {"HEADRACE_VERSIONS__GATES__DEFAULT__MAX_LIKENESS": "1"}),
    ("cut", ("dataset", "cut"), {}),
    ("replay", ("dataset", "replay"), {}),
    ("diff", ("versions", "diff", "v1", "v2"), {}),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=lambda text: int(float(text)), default=1_000_000)
    parser.add_argument("--folder", type=Path, help="where the table is made and kept; else a temporary folder")
    parser.add_argument("--make-only", action="store_true", help="make the table and measure nothing")
    chosen = parser.parse_args()
    folder = chosen.folder or Path(tempfile.mkdtemp(prefix="bench-cut-"))
    try:
        if not (folder / "headrace.json").exists():
            began = time.perf_counter()
            make(folder, chosen.rows)
            print(f"made a table of {chosen.rows:,} rows in {time.perf_counter() - began:.0f} s (not measured)")
        for name, command, settings in () if chosen.make_only else WAYS:
            load = os.getloadavg()[0]
            measured = in_fresh_process(folder, command, settings)
            print(
                f"{name:<25} {measured['examples']:,} examples: {measured['wall_s']:.1f} s "
                f"({measured['cpu_s']:.1f} s of processor), {measured['own_mb']:,.0f} MB own memory at most, "
                f"{measured['all_mb']:,.0f} MB with mapped files; the machine's load before: {load:.1f}",
                flush=True,
            )
        if chosen.make_only:
            return
        size = sum(path.stat().st_size for path in (folder / "training_data" / SIGNATURE / "v1").iterdir())
        print(f"the version: {size / 1e6:,.0f} MB")
    finally:
        if chosen.folder is None:
            shutil.rmtree(folder, ignore_errors=True)


def make(folder: Path, rows: int) -> None:
    """Make the three tables and a configuration."""
    folder.mkdir(exist_ok=True)
    chance = np.random.default_rng(1)
    redacted_by = Redactor(load(None, {}, {}).redaction.kinds).version  # as the gate here would
    words = [f"{word:x}" for word in chance.integers(16, 2**24, 3_000)]
    sentences = [" ".join(words[at] for at in chance.integers(0, len(words), 16)) for _ in range(SENTENCES)]
    for first in range(0, rows, CHUNK):
        size = min(CHUNK, rows - first)
        numbers = range(first, first + size)
        picked = chance.integers(0, SENTENCES, (size, 6))
        inputs = [
            f'{{"context":"{sentences[a]} {sentences[b]} {sentences[c]}","user_intent":"{number} {sentences[d]}"}}'
            for number, (a, b, c, d, _, _) in zip(numbers, picked, strict=True)
        ]
        outputs = [f'{{"requirements":["{sentences[e]}","{sentences[f]}"]}}' for *_, e, f in picked]
        dedup = [sha256(f"{SIGNATURE}\0fields\0{text}".encode()).hexdigest() for text in inputs]
        columns = {
            "dedup_key": dedup,
            "input": inputs,
            "output": outputs,
            "request_id": [f"request-{number}" for number in numbers],
            "event_id": [f"event-{number}" for number in numbers],
            "latency_ms": chance.lognormal(6.5, 0.8, size),
            "cost_usd": chance.random(size) / 100,
            "lm_calls": chance.integers(1, 4, size),
            "attributes": [f'{{"category":"c{number % 7}"}}' for number in numbers],
            "timestamp_ms": np.array(numbers, dtype=np.int64) + APPEND_MS,
            "quality": 0.7 + 0.3 * chance.random(size),
            "redaction_version": [redacted_by] * size,
            **_places(np.array(numbers), "interactions"),
        }
        write_deltalake(str(folder / "table"), _table(columns, ROW_SCHEMA, EXAMPLE, size), mode="append")
        seen = [at for at in range(size) if at % 3 == 0]
        sightings = {
            "dedup_key": [dedup[at] for at in seen],
            "request_hash": [keys.request_id_hash(f"copy-{first + at}").hex() for at in seen],
            **_places(np.array(seen) + first + rows, "interactions"),
        }
        write_deltalake(
            str(folder / "table-sightings"), _table(sightings, SIGHTING_SCHEMA, {}, len(seen)), mode="append"
        )
        said = [at for at in range(size) if at % 20 == 0]
        feedback = {
            "feedback_id": [f"feedback-{first + at}" for at in said],
            "request_id": [f"request-{first + at}" for at in said],
            "request_hash": [keys.request_id_hash(f"request-{first + at}").hex() for at in said],
            "score": [None if at % 40 else 0.8 for at in said],
            "correction": [outputs[at] if at % 40 else None for at in said],
            "redaction_version": [redacted_by] * len(said),
            **_places(np.array(said) + first, "feedback"),
        }
        write_deltalake(
            str(folder / "table-feedback"), _table(feedback, FEEDBACK_SCHEMA, EXAMPLE, len(said)), mode="append"
        )
    dataset = {"path": str(folder / "table")}
    versions = {"path": str(folder / "training_data")}
    (folder / "headrace.json").write_text(json.dumps({"dataset": dataset, "versions": versions}))


def _places(numbers: "np.ndarray[tuple[int], np.dtype[np.int64]]", topic: str) -> dict[str, object]:
    return {
        "topic": [topic] * len(numbers),
        "topic_id": [f"{topic}-id"] * len(numbers),
        "partition": numbers % PARTITIONS,
        "offset": numbers // PARTITIONS,
    }


def _table(columns: dict[str, object], schema: pa.Schema, example: dict[str, object], size: int) -> pa.Table:
    filled = []
    for field in schema:
        values = columns.get(field.name)
        if values is None and pa.types.is_timestamp(field.type):
            values = [APPEND_MS * 1000] * size
        elif values is None and pa.types.is_date(field.type):
            values = [APPEND_MS // 86_400_000] * size
        elif values is None:
            values = [None if field.nullable else example.get(field.name, _NOTHING.get(field.type, ""))] * size
        filled.append(pa.array(values, type=field.type))
    return pa.table(filled, schema=schema)


_NOTHING = {pa.bool_(): False, pa.int64(): 0, pa.float64(): 0.0}


def in_fresh_process(folder: Path, command: tuple[str, ...], settings: dict[str, str]) -> dict[str, float]:
    """Run a command of the CLI, and return what it took."""
    arguments = [*command, "-s", SIGNATURE, "--json", "--config", str(folder / "headrace.json")]
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "headrace_consumers.cli", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **settings},
    )
    watch = MemoryWatch(process.pid)
    watch.start()
    said, _ = process.communicate()
    wall_s = time.perf_counter() - began
    watch.join()
    assert process.returncode == 0, said[-2000:]
    told = json.loads(said)
    return {
        "wall_s": wall_s,
        "cpu_s": watch.cpu_s,
        "own_mb": watch.own_kb / 1000,
        "all_mb": watch.all_kb / 1000,
        "examples": told["examples"] if "examples" in told else told["after"],
    }


class MemoryWatch(threading.Thread):
    """Looks at the memory of a process and those it has started, 50 times a second until it ends."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self.own_kb = self.all_kb = 0
        self.cpu_s = 0.0

    def run(self) -> None:
        while found := _memory_kb(self._pid):
            started = [_memory_kb(pid) for pid in _started_by(self._pid)]
            for each in filter(None, started):
                found = found[0] + each[0], found[1] + each[1]
            self.own_kb, self.all_kb = max(self.own_kb, found[0]), max(self.all_kb, found[1])
            self.cpu_s = max(self.cpu_s, _cpu_s(self._pid))
            time.sleep(0.02)


def _memory_kb(pid: int) -> tuple[int, int] | None:
    """Return what of a process's memory no file backs, and all of it; None: it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return None
    found = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.startswith(("RssAnon", "VmRSS"))}
    return (found["RssAnon"], found["VmRSS"]) if "RssAnon" in found else None


def _started_by(pid: int) -> list[int]:
    try:
        return [int(child) for at in Path(f"/proc/{pid}/task").glob("*/children") for child in at.read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def _cpu_s(pid: int) -> float:
    """Return the processor time of a process and of those it has started that have ended."""
    try:
        times = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:15]
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(map(int, times)) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
