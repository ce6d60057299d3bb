"""How fast the seen-set is and what it takes, at 10^5 to 10^8 keys: `python -m bench.seen_set [--keys 1e5 1e6]`.

For each size one partition's set is filled, closed and opened again in a fresh process, which is then given batches of
10,000 message keys of which 30% are known, as the consumer gives them: all are looked up, and the new ones are added,
file included. Wall seconds are the fastest batch's, of which other programs on the machine took least; CPU seconds are
all batches', the writing of the file (every 20th time) among them. Restart: until it answers, the file being in the
system's cache.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from headrace_consumers.dataset.seen.fingerprints import Fingerprints, fingerprints_of
from headrace_consumers.dataset.seen.seen_file import Origin
from headrace_consumers.dataset.seen.seen_set import DuckDbSeenSet

SIZES = (100_000, 1_000_000, 10_000_000, 100_000_000)
ORIGIN = Origin("table", "topic", 1)
DAY = 20_000
BATCH = 10_000
KNOWN = 3_000
CHUNK = 250_000


class Stopwatch:
    """Wall and CPU seconds of what runs inside it, added up, and the wall seconds of each time."""

    def __init__(self) -> None:
        self.cpu_s = 0.0
        self.walls_s: list[float] = []

    @property
    def wall_s(self) -> float:
        return sum(self.walls_s)

    def __enter__(self) -> None:
        self._began = time.perf_counter(), time.process_time()

    def __exit__(self, *_: object) -> None:
        self.walls_s.append(time.perf_counter() - self._began[0])
        self.cpu_s += time.process_time() - self._began[1]


def chunk(number: int, size: int = CHUNK) -> Fingerprints:
    """Return the keys with a number, always the same ones."""
    return np.random.default_rng(number).integers(1, 2**64, size, dtype=np.uint64)


def fill(folder: Path, keys: int) -> dict[str, float]:
    seen, watch = DuckDbSeenSet(folder, ORIGIN), Stopwatch()
    for number, first in enumerate(range(0, keys, CHUNK)):
        added = chunk(number)[: keys - first]
        with watch:
            seen.add(0, {DAY: added}, first + len(added))
    with watch:
        seen.close()
    file_bytes = sum(path.stat().st_size for path in folder.iterdir())
    return {"fill_wall_s": watch.wall_s, "fill_cpu_s": watch.cpu_s, "file_mb": file_bytes / 1e6}


def measure(folder: Path, keys: int, batches: int) -> dict[str, float]:
    before_mb = status_mb("VmRSS")
    start, check, add = Stopwatch(), Stopwatch(), Stopwatch()
    with start:
        seen = DuckDbSeenSet(folder, ORIGIN)
        assert seen.watermark(0) == keys
    draw = np.random.default_rng(2**32)
    known = np.concatenate(
        [chunk(number)[:keys] for number in draw.choice(-(-keys // CHUNK), min(8, -(-keys // CHUNK)))]
    )
    partitions = np.zeros(BATCH, np.int64)
    for number in range(batches):
        batch = np.concatenate([draw.choice(known, KNOWN), chunk(2**33 + number, BATCH - KNOWN)])
        draw.shuffle(batch)
        messages = [b"%016x" % value + b"0" * 48 for value in batch.tolist()]
        with check:
            is_new = seen.is_new(fingerprints_of(messages), partitions)
        assert is_new.sum() == BATCH - KNOWN
        with add:
            seen.add(0, {DAY: batch[is_new]}, keys + number)
    size = seen.size
    assert size.keys == keys + batches * (BATCH - KNOWN)
    resident_mb = status_mb("VmRSS")
    seen.close()
    batch_m, total_m = BATCH / 1e6, batches * BATCH / 1e6
    return {
        "restart_wall_s": start.wall_s,
        "restart_cpu_s": start.cpu_s,
        "check": batch_m / min(check.walls_s),
        "check_cpu": total_m / check.cpu_s,
        "both": batch_m / (min(check.walls_s) + min(add.walls_s)),
        "both_cpu": total_m / (check.cpu_s + add.cpu_s),
        "table_mb": size.memory_mb,
        "resident_mb": resident_mb,
        "before_mb": before_mb,
        "peak_mb": status_mb("VmHWM"),
    }


def status_mb(name: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) / 1024
    raise KeyError(name)


def in_a_process(part: str, folder: str, keys: int, batches: int) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.seen_set", "--part", part, "--folder", folder]
    done = subprocess.run(
        [*command, "--keys", str(keys), "--batches", str(batches)], check=True, capture_output=True, text=True
    )
    return dict(json.loads(done.stdout))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", nargs="+", type=lambda text: int(float(text)), default=SIZES)
    parser.add_argument("--batches", type=int, default=400, help="of 10,000 keys; fewer where the set would double")
    parser.add_argument("--part", choices=["fill", "measure"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        keys = arguments.keys[0]
        part = (
            fill(arguments.folder, keys)
            if arguments.part == "fill"
            else measure(arguments.folder, keys, arguments.batches)
        )
        print(json.dumps(part))
        return
    print(f"batches of {BATCH:,} keys, {KNOWN / BATCH:.0%} known; load of the machine {os.getloadavg()[0]:.1f}")
    print("million keys a second: the fastest batch; all batches, a CPU second\n")
    print(
        "| keys | look-up | with addition | table MB | process MB (peak) | file MB | restart s (CPU) | fill s (CPU) |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for keys in arguments.keys:
        with tempfile.TemporaryDirectory() as folder:
            filled = in_a_process("fill", folder, keys, 0)
            got = in_a_process("measure", folder, keys, max(20, min(arguments.batches, keys // BATCH)))
        print(
            f"| {keys:.0e} | {got['check']:.1f}; {got['check_cpu']:.1f}"
            f" | {got['both']:.1f}; {got['both_cpu']:.1f}"
            f" | {got['table_mb']:.0f} | {got['resident_mb']:.0f} ({got['peak_mb']:.0f}) | {filled['file_mb']:.0f}"
            f" | {got['restart_wall_s']:.1f} ({got['restart_cpu_s']:.1f})"
            f" | {filled['fill_wall_s']:.1f} ({filled['fill_cpu_s']:.1f}) |",
            flush=True,
        )
    print(f"\nload of the machine at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
