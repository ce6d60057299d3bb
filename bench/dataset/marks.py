"""One way's figures, taken inside its own process, from its first record on; processor time is that of all threads."""

import json
import resource
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Marks"]


@dataclass
class Marks:
    """Call `first` when a record has come, and `at` whenever some are done; the last mark counts."""

    began: tuple[float, float] | None = None
    last: dict[str, float] = field(default_factory=dict)
    resident_mb: list[tuple[int, float]] = field(default_factory=list)

    def first(self) -> None:
        if self.began is None:
            self.began = (time.time(), time.process_time())

    def at(self, records: int) -> None:
        if self.began is None or records <= self.last.get("records", 0):
            return
        wall, cpu = self.began
        self.last = {
            "records": records,
            "began": wall,
            "ended": time.time(),
            "cpu_s": time.process_time() - cpu,
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        self.resident_mb.append((records, _resident_mb()))

    def as_json(self) -> str:
        found: dict[str, Any] = {**self.last, "resident_mb": self.resident_mb[:: len(self.resident_mb) // 50 + 1]}
        return json.dumps(found)


def _resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6
