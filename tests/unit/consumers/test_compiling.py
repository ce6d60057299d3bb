"""Where nothing can be kept on disk, or what was kept is damaged, a function is compiled anew and does the same."""

import importlib.util
import logging
import sys

import numpy as np
import pytest

from headrace_consumers.dataset.records.compiling import Entry

SOURCE = """
from headrace_consumers.dataset.records.compiling import Entry, inner

@inner
def _twice(number):
    return 2 * number

@Entry
def doubled(numbers):
    for place in range(numbers.size):
        numbers[place] = _twice(numbers[place])
    return numbers.size
"""


def load(path):
    spec = importlib.util.spec_from_file_location("compiled_in_a_test", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # numba looks it up
    spec.loader.exec_module(module)
    return module.doubled


def works(doubled):
    numbers = np.arange(3)
    return doubled(numbers) == 3 and numbers.tolist() == [0, 2, 4]


@pytest.fixture
def source(tmp_path, monkeypatch):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    path = tmp_path / "functions.py"
    path.write_text(SOURCE)
    yield path
    sys.modules.pop("compiled_in_a_test", None)


def test_what_was_compiled_is_found_again(source):
    assert works(load(source))
    kept = {path.name: path.stat().st_mtime_ns for path in (source.parent / "__pycache__").iterdir()}
    assert any(name.endswith(".nbc") for name in kept)
    again = load(source)
    assert works(again)
    assert sum(again._compiled.stats.cache_hits.values()) == 1


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
@pytest.mark.parametrize("damage", [b"", b"rubbish", None])
def test_a_damaged_cache_is_no_harm(source, suffix, damage):
    assert works(load(source))
    (kept,) = (source.parent / "__pycache__").glob(f"*{suffix}")
    kept.write_bytes(kept.read_bytes()[:-20] if damage is None else damage)
    again = load(source)
    assert works(again)
    assert works(again)


class Refusing:
    """A compiler that keeps its results on a disk which refuses."""

    def __init__(self, *, at_once):
        self.at_once = at_once
        self.asked = []

    def __call__(self, function, *, cache):
        self.asked.append(cache)
        if not cache:
            return function
        if self.at_once:
            raise RuntimeError("cannot cache function: no locator available")

        def full(*_):
            raise OSError(28, "No space left on device")

        return full


@pytest.mark.parametrize("at_once", [True, False])
def test_without_a_place_for_a_cache_it_is_compiled_in_memory(at_once):
    compiler = Refusing(at_once=at_once)
    doubled = Entry(lambda number: 2 * number, compiler)
    assert [doubled(2), doubled(3)] == [4, 6]
    assert compiler.asked == [True, False]


def test_numba_tells_nothing_into_a_log_of_level_debug(source, caplog):
    caplog.set_level(logging.DEBUG)
    assert works(load(source))
    assert caplog.records == []


def test_what_the_function_itself_raises_is_raised():
    def fails(_):
        raise ValueError("its own")

    with pytest.raises(ValueError, match="its own"):
        Entry(fails, lambda function, *, cache: function)(1)  # noqa: ARG005
