"""What collecting thousands of tests need not do in each process of a run.

pytest rewrites the asserts of a test file when it is first imported, and keeps the result in __pycache__: on a clean
clone that is more than half of the collection. Processes side by side would all rewrite all files, in the same order:
so each imports a share of its own first, and finds the others done when it collects.

What was imported and collected is no garbage: the collector need not look through it again and again.

And whole systems wait, units compute: processes side by side do better with both than with all systems first.
"""

import atexit
import contextlib
import gc
import importlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

__all__ = ["calm_collector", "import_share", "is_one_of_many", "mixed"]


def is_one_of_many() -> bool:
    """Tell whether other processes run tests of the same run."""
    return "PYTEST_XDIST_WORKER" in os.environ


def import_share(config: pytest.Config) -> None:
    """Import this process' share of the test files in the folders that are asked for; nothing where it is alone."""
    if not is_one_of_many():
        return
    worker = int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw"))
    folders = [folder for each in config.args if (folder := Path(config.invocation_params.dir, each)).is_dir()]
    files = sorted({file.relative_to(config.rootpath) for folder in folders for file in folder.rglob("test_*.py")})
    for file in files[worker :: int(os.environ["PYTEST_XDIST_WORKER_COUNT"])]:
        with contextlib.suppress(Exception, pytest.skip.Exception):  # the collection tells of it
            importlib.import_module(".".join(file.with_suffix("").parts))


def mixed(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Return the tests with some files of units after each file of systems; a tenth of the units fill the end."""
    files: dict[str, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.nodeid.partition("::")[0], []).append(item)
    units = [tests for name, tests in files.items() if name.startswith("tests/unit/")]
    systems = [tests for name, tests in files.items() if not name.startswith("tests/unit/")]
    share = len(units) * 9 // 10 // (len(systems) or 1)
    turns = [[system, *units[share * n : share * (n + 1)]] for n, system in enumerate(systems)]
    rest = units[share * len(systems) :]
    return [item for turn in [*turns, rest] for file in turn for item in file]


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
