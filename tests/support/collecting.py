"""What collecting thousands of tests need not do in each process of a run.

pytest rewrites the asserts of a test file when it is first imported, and keeps the result in __pycache__: on a clean
clone that is more than half of the collection. Processes side by side would all rewrite all files, in the same order:
so each imports a share of its own first, and finds the others done when it collects.

What was imported and collected is no garbage: the collector need not look through it again and again.
"""

import atexit
import contextlib
import gc
import importlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

__all__ = ["calm_collector", "import_share"]


def import_share(config: pytest.Config) -> None:
    """Import this process' share of the test files in the folders that are asked for; nothing where it is alone."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
    if not worker:
        return
    folders = [folder for each in config.args if (folder := Path(config.invocation_params.dir, each)).is_dir()]
    files = sorted({file.relative_to(config.rootpath) for folder in folders for file in folder.rglob("test_*.py")})
    for file in files[int(worker) :: int(os.environ["PYTEST_XDIST_WORKER_COUNT"])]:
        with contextlib.suppress(Exception, pytest.skip.Exception):  # the collection tells of it
            importlib.import_module(".".join(file.with_suffix("").parts))


@contextlib.contextmanager
def calm_collector() -> Iterator[None]:
    """Collect no garbage meanwhile, and leave alone afterwards what is there then."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()
        atexit.register(gc.unfreeze)  # or DuckDB says at exit that its types were leaked
