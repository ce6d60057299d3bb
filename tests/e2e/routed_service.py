"""A DSPy service under load whose program is routed; each line on stdin is answered by what happened so far, as JSON.

python -m tests.e2e.routed_service CONFIG [scored]

scored: a person scores each answer, some requests later; one of a version named disliked less than others.
"""

import json
import re
import sys
import threading
import time
import zlib
from collections import Counter, deque
from typing import Any

import dspy

import headrace
from tests.unit.headrace.routing.world import Hearing, Twice

PAUSE_S = 0.005
_THREADS = 4
_LATER = 20
"""Requests of its thread after which an answer is scored."""
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

    def __init__(self, program: Any, *, is_scored: bool) -> None:
        self.program = program
        self.is_scored = is_scored
        self.lm = Refusing()
        self.ended = threading.Event()
        self.lock = threading.Lock()
        self.versions: Counter[str] = Counter()
        self.recent: list[str] = []
        self.calls = self.failed = self.mixed = self.refused = 0

    def run(self, thread: int) -> None:
        number = 0
        answered: deque[tuple[str, str]] = deque()
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
                version = min(told, default="none")
                self.versions[version] += 1
                self.recent = [*self.recent[-19:], version]
            if self.is_scored:
                answered.append((question, version))
                if len(answered) > _LATER:
                    _score(*answered.popleft())

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


def _score(request_id: str, version: str) -> None:
    taste = zlib.crc32(request_id.encode()) % 3 / 10
    headrace.feedback(request_id, score=(0.4 if version == "disliked" else 0.8) + taste)


def main(config_path: str, *, is_scored: bool) -> None:
    """Serve until stdin ends."""
    headrace.configure(config_path)
    load = Load(headrace.instrument(Twice(), "qa", router=True), is_scored=is_scored)
    running = [threading.Thread(target=load.run, args=(thread,)) for thread in range(_THREADS)]
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
    main(sys.argv[1], is_scored=sys.argv[2:] == ["scored"])
