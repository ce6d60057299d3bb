"""A DSPy service under load whose program is routed; each line on stdin is answered by what happened so far, as JSON.

python -m tests.e2e.routed_service CONFIG [THREADS]
"""

import json
import re
import sys
import threading
import time
import zlib
from collections import Counter
from typing import Any

import dspy

import headrace
from tests.unit.headrace.routing.world import Hearing, Twice

PAUSE_S = 0.005
_QUESTION = re.compile(r"QUESTION-(\w+)")


class Refusing(Hearing):
    """Refuses one in five of the questions that a version named bad asks."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: set[str] = set()

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        text = "\n".join(str(message["content"]) for message in options["messages"])
        question = _QUESTION.findall(text)[-1]
        if "VERSION-bad" in text and zlib.crc32(question.encode()) % 5 == 0:
            self.refused.add(question)
            raise RuntimeError("refused")
        return super().__call__(*arguments, **options)


class Load:
    """Calls the program again and again, each call a request, and looks at what its prompts said."""

    def __init__(self, program: Any) -> None:
        self.program = program
        self.lm = Refusing()
        self.ended = threading.Event()
        self.lock = threading.Lock()
        self.versions: Counter[str] = Counter()
        self.recent: list[str] = []
        self.calls = self.failed = self.mixed = self.refused = 0

    def run(self, thread: int) -> None:
        number = 0
        while not self.ended.wait(PAUSE_S):
            number += 1
            question = f"t{thread}n{number}"
            try:
                with dspy.context(lm=self.lm), headrace.request(question):
                    self.program(question=f"QUESTION-{question}")
            except Exception:
                with self.lock:
                    is_refused = question in self.lm.refused
                    self.refused += is_refused
                    self.failed += not is_refused
                    self.calls += is_refused
                    self.versions["bad"] += is_refused
                if is_refused:
                    continue
            with self.lock:
                told = {version for version, _, asked in self.lm.heard if asked == question}
                self.lm.heard = [each for each in self.lm.heard if each[2] != question]
                self.calls += 1
                self.mixed += len(told) != 1
                self.versions[min(told, default="none")] += 1
                self.recent = [*self.recent[-19:], min(told, default="none")]

    def told(self) -> dict[str, Any]:
        with self.lock:
            return {
                "calls": self.calls,
                "failed": self.failed,
                "refused": self.refused,
                "mixed": self.mixed,
                "versions": dict(self.versions),
                "recent": sorted(set(self.recent)),
                "failures": headrace.stats().program_failures,
            }


def main(config_path: str, threads: int) -> None:
    """Serve until stdin ends."""
    headrace.configure(config_path)
    load = Load(headrace.instrument(Twice(), "qa", router=True))
    running = [threading.Thread(target=load.run, args=(thread,)) for thread in range(threads)]
    for each in running:
        each.start()
    for _ in sys.stdin:
        sys.stdout.write(json.dumps(load.told()) + "\n")
        sys.stdout.flush()
    load.ended.set()
    for each in running:
        each.join()
    headrace.flush(60)
    sys.stdout.write(json.dumps({**load.told(), "ended_s": time.time()}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 4)
