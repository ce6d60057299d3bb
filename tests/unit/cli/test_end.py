"""How the process of a command ends."""

import subprocess
import sys

PROGRAM = """
import sys, threading, time
import pyarrow as pa, pyarrow.dataset as ds, pyarrow.fs as fs, pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem
from headrace_consumers.cli import app

reading = threading.Event()

class Endless:
    closed = False
    def __init__(self, file):
        self.file = file
    def __getattr__(self, name):
        return getattr(self.file, name)
    def read(self, *_):
        reading.set()
        while True:
            time.sleep(0.001)

class Slow(LocalFileSystem):
    def _open(self, *arguments, **options):
        return Endless(super()._open(*arguments, **options))

@app.app.command("work")
def work(path: str):
    pq.write_table(pa.table({"a": [1]}), path)
    slow = fs.PyFileSystem(fs.FSSpecHandler(Slow()))
    threading.Thread(target=lambda: ds.dataset([path], filesystem=slow).to_table(), daemon=True).start()
    assert reading.wait(60)
    print("done")

sys.exit(app.main())
"""


def test_a_thread_of_arrow_that_still_reads_through_python_does_not_tear_the_end(tmp_path):
    """The interpreter's own end aborts with it: exit code 134 behind the right answer."""
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, "work", str(tmp_path / "a.parquet")],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "done\n", "")
