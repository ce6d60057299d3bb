"""How long another thread of the service has to wait while a huge record is finished on Headrace's own.

    python -m bench.producer.pauses            a table: 10 MB of each kind of text, in one piece and in windows

One search of `re` over 10 MB holds the interpreter's lock from its first character to its last. The other thread looks
at the process's processor time every millisecond; what else runs on the machine does not count in that. Its longest gap
is the pause, with that millisecond and Python's switch interval (5 ms) in it.
"""

import base64
import json
import random
import sys
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from headrace.captured import CapturedCall
from headrace.config import load
from headrace.delivery.finishing import Finisher
from headrace.delivery.protection import Protection
from headrace.key_material import producer_keys
from headrace.redaction import Redactor

CHARACTERS: Final = 10_000_000
_ROUNDS: Final = 1


def texts(characters: int = CHARACTERS) -> dict[str, str]:
    """Return a text of each kind."""
    generator = random.Random(1)
    words = [
        "parcel",
        "customer",
        "order 48213",
        "token",
        "password",
        "the",
        "of",
        "and",
        "key:",
        "at 10:30",
        "was",
        "is",
    ]
    prose = " ".join(generator.choices(words, k=characters // 5))
    rows = json.dumps(
        [{"id": n, "price": n / 7, "at": "2025-11-04T10:30:00Z", "text": prose[n : n + 50]} for n in range(400)]
    )
    numbers = ",".join(str(generator.randrange(10**6)) for _ in range(characters // 6))
    image = base64.b64encode(generator.randbytes(characters * 3 // 4)).decode()
    found = prose[:9_000] + "jane.doe@example.com, +49 30 1234567, 10.0.0.1; "
    return {
        kind: (text * (characters // len(text) + 1))[:characters]
        for kind, text in {
            "prose": prose,
            "prose with a find every 9 KB": found,
            "JSON": rows,
            "numbers": numbers,
            "an image in base64": image,
        }.items()
    }


def longest_pause_ms(work: Callable[[], Any]) -> float:
    """Return the longest gap between two looks at the clock of another thread while `work` runs, in ms."""
    is_over, longest = threading.Event(), [0.0]

    def look() -> None:
        before = time.process_time()
        while not is_over.is_set():
            time.sleep(0.001)
            now = time.process_time()
            longest[0] = max(longest[0], now - before)
            before = now

    looking = threading.Thread(target=look)
    looking.start()
    time.sleep(0.05)
    work()
    is_over.set()
    looking.join()
    return longest[0] * 1000


def ways() -> Mapping[str, Callable[[str], Any]]:
    """Return what is done with a text."""
    whole, windows = Redactor(window=sys.maxsize), Redactor()
    config = load(None, {}, {})
    finisher = Finisher(config, "bench", Protection(config, producer_keys(config)))
    return {
        "redacted in one piece": whole.text,
        "redacted in windows": windows.text,
        "finished": lambda text: finisher.finish(_call(text)),
    }


def _call(text: str) -> CapturedCall:
    return CapturedCall(
        event_id="e",
        request_id="r",
        module_name="bench",
        module_version="v",
        signature="Bench",
        fields_hash="0" * 16,
        input={"document": text},
        output={"answer": "yes"},
        timestamp_ms=0,
        success=True,
        inclusion_probability=1.0,
    )


def main() -> None:
    done = ways()
    print("| 10 MB of | " + " | ".join(done) + " |\n|---|" + "---|" * len(done))
    for kind, text in texts().items():
        pauses = [min(longest_pause_ms(partial(work, text)) for _ in range(_ROUNDS)) for work in done.values()]
        print(f"| {kind} | " + " | ".join(f"{pause:.0f} ms" for pause in pauses) + " |", flush=True)


if __name__ == "__main__":
    main()
