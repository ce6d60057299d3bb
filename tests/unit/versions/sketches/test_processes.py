"""Several processes sketch as one does, in the same order; one that ends early is told in one line."""

import json
import random
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_consumers.versions.errors import VersionsError
from headrace_consumers.versions.sketches import processes
from headrace_consumers.versions.sketches.banding import shared
from headrace_consumers.versions.sketches.processes import sketched_by_processes
from headrace_consumers.versions.sketches.sketching import Sketcher

WORDS = [f"{first}{second}" for first in ("ka", "lo", "mi", "nu") for second in ("ben", "dor", "fis", "gul")]


def inputs_of(number):
    chance = random.Random(number)
    made = [
        {
            "context": " ".join(chance.choices(WORDS, k=30)),
            "question": " ".join(chance.choices(WORDS, k=chance.choice((3, 40)))),
            "note": "請求書の金額が違います" * chance.randrange(3) + "\ud83d",
            "year": chance.choice((None, 2024, [1, 2])),
        }
        for _ in range(20)
    ]
    return [json.dumps(each) for each in made]


def arrow(number):
    return pa.array(inputs_of(number), pa.large_string())


def test_the_sketches_are_those_of_one_process_in_the_order_of_the_slices():
    sketcher = Sketcher.learnt(0.9, [inputs_of(0), inputs_of(1)])
    assert sketcher.telling.by_names
    found = list(sketched_by_processes(range(7), arrow, sketcher, 2))
    assert len(found) == 7
    for number, (places, bands) in enumerate(found):
        own_places, own_bands = sketcher.sketch(inputs_of(number))
        assert places == own_places
        assert np.array_equal(bands, own_bands)


def test_a_process_that_ends_early_is_told_in_one_line(monkeypatch):
    monkeypatch.setattr(processes, "_WORKER", "headrace_consumers.versions.sketches.nowhere")
    with pytest.raises(VersionsError, match=r"ended early, with exit code 1 \(.*No module named .*nowhere"):
        list(sketched_by_processes(range(50), arrow, Sketcher(0.9), 2))


def test_what_is_wrong_with_a_slice_is_told_as_it_is_without_processes():
    def broken(_):
        raise OSError("the disk")

    with pytest.raises(OSError, match="the disk"):
        list(sketched_by_processes(range(3), broken, Sketcher(0.9), 2))


def noted(monkeypatch):
    """Return a list that processes come into when they are started."""
    started = []
    begin = subprocess.Popen

    def starting(*arguments, **options):
        started.append(begin(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(processes.subprocess, "Popen", starting)
    return started


def test_who_stops_early_leaves_no_process(monkeypatch):
    started = noted(monkeypatch)
    found = sketched_by_processes(range(10_000), arrow, Sketcher(0.9), 2)
    next(found)
    found.close()
    assert len(started) == 2
    assert all(each.poll() is not None for each in started)


def test_a_worker_needs_neither_polars_nor_delta():
    """It takes a second of each cut to start one; the cut itself has them."""
    code = "import headrace_consumers.versions.sketches.worker, sys; print({'polars', 'deltalake'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "set()\n"


def test_one_that_is_killed_in_the_midst_is_told_and_the_others_end(monkeypatch):
    started = noted(monkeypatch)
    found = sketched_by_processes(range(10_000), arrow, Sketcher(0.9), 2)
    next(found)
    started[1].kill()
    with pytest.raises(VersionsError, match="ended early, with exit code -9; is there memory enough"):
        list(found)
    assert all(each.poll() is not None for each in started)


def test_that_no_process_can_be_started_is_told(monkeypatch):
    monkeypatch.setattr(processes.sys, "executable", "/nowhere/python")
    with pytest.raises(VersionsError, match="no process can be started: No such file"):
        list(sketched_by_processes(range(3), arrow, Sketcher(0.9), 2))


def test_it_takes_no_module_from_the_folder_where_the_cut_is_run(monkeypatch, tmp_path):
    (tmp_path / "json.py").write_text("raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)
    assert len(list(sketched_by_processes(range(3), arrow, Sketcher(0.9), 2))) == 3


def test_what_it_says_beside_its_answers_does_not_hold_it_up(monkeypatch):
    monkeypatch.setenv("PYTHONVERBOSE", "1")  # over 64 kB, more than a pipe holds
    assert len(list(sketched_by_processes(range(3), arrow, Sketcher(0.9), 1))) == 3


def test_of_fields_that_were_never_long_together_the_one_that_differs_most_tells():
    text = " ".join(WORDS * 3)
    learnt = Sketcher.learnt(
        0.9, [[json.dumps({"a": text, "b": " ".join(random.Random(n).choices(WORDS, k=40))}) for n in range(30)]]
    )
    assert learnt.telling.of(("a", "b")) == "b"
    assert learnt.telling.of(("a", "b", "c")) == "b"
    assert Sketcher(0.9).telling.of(("a", "b")) == "a"


def test_more_inputs_than_fit_the_processors_cache_are_sketched_as_each_by_itself():
    inputs = [text for number in range(60) for text in inputs_of(number)]
    sketcher = Sketcher.learnt(0.9, [inputs])
    places, bands = sketcher.sketch(inputs)
    alone = [sketcher.sketch([text]) for text in inputs]
    assert places == [at for at, (found, _) in enumerate(alone) if found]
    assert np.array_equal(bands, np.concatenate([found for _, found in alone]))


@given(st.lists(st.integers(0, 5), max_size=30), st.integers(0, 63), st.integers(1, 3))
def test_those_are_shared_that_agree_with_another_in_a_band(numbers, shift, bands):
    found = np.array([[each + band << shift for band in range(bands)] for each in numbers], dtype=np.uint64)
    found = found.reshape(len(numbers), bands)
    expected = [
        at
        for at, row in enumerate(found)
        if any((row == other).any() for each, other in enumerate(found) if each != at)
    ]
    assert list(shared(found)) == expected
