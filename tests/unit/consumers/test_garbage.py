"""The collector looks less often, and still finds what is garbage."""

import subprocess
import sys

PROGRAM = """
import gc, weakref
from headrace_consumers.garbage import calm_collector

class Cycle:
    def __init__(self):
        self.me = self

calm_collector()
frozen, runs = gc.get_freeze_count(), gc.get_stats()[0]["collections"]
for _ in range(1_000):  # each batch's objects are gone before the next one's come
    batch = [[] for _ in range(1_000)]
    del batch
print(frozen > 1_000, gc.get_stats()[0]["collections"] - runs)
first = weakref.ref(Cycle())
cycles = 0
while first() is not None and cycles < 10_000_000:
    Cycle()
    cycles += 1
print(first() is None, cycles > 10_000)
"""


def test_batches_are_not_looked_through_and_cycles_are_found():
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines() == ["True 0", "True True"]


def test_the_end_of_a_process_is_silent():
    program = "import duckdb; from headrace_consumers.garbage import calm_collector; calm_collector(); duckdb.connect()"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stderr == ""
