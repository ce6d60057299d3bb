"""Files that are appended to: what is read is what was written, a torn line spoils no other, a beginning stays."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_consumers.versions.errors import VersionsError
from headrace_consumers.versions.files import appended

LINES = st.lists(
    st.dictionaries(st.text(max_size=4), st.none() | st.integers() | st.floats() | st.text(max_size=6), max_size=3),
    max_size=6,
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sources" / "hand.jsonl"


def objects(found):
    return [line for _, line in found.lines]


@given(first=LINES, second=LINES)
def test_lines_are_read_back_and_a_beginning_is_read_again_after_more_came(tmp_path_factory, first, second):
    path = tmp_path_factory.mktemp("a") / "f.jsonl"
    assert appended.append(path, first) == len(first)
    before = appended.read(path)
    appended.append(path, second)
    after = appended.read(path)
    assert repr(objects(after)[: len(first)]) == repr(objects(before))
    assert len(after.lines) == len(first) + len(second)
    assert repr(appended.read(path, before.size_bytes)) == repr(before)  # NaN is no equal of itself


def test_nothing_there_is_an_empty_file(path):
    found = appended.read(path)
    assert (found.lines, found.torn, found.size_bytes) == ([], [], 0)


@pytest.mark.parametrize("cut", range(1, 9))
def test_a_line_that_a_crash_tore_is_left_out_and_told_once_more_came(path, cut):
    appended.append(path, [{"a": 1}, {"b": 2}])
    path.write_bytes(path.read_bytes()[:-cut])
    assert objects(appended.read(path)) == [{"a": 1}]
    appended.append(path, [{"c": 3}])
    found = appended.read(path)
    whole = [{"b": 2}] if cut == 1 else []  # only its newline was missing
    assert objects(found) == [{"a": 1}, *whole, {"c": 3}]
    assert found.torn == ([] if cut in (1, 8) else [2])


def test_a_file_that_became_shorter_is_refused(path):
    appended.append(path, [{"a": 1}])
    with pytest.raises(VersionsError, match="has 8 bytes where 9 were read before"):
        appended.read(path, 9)


def test_several_processes_append_whole_lines(path):
    code = (
        "import sys; from pathlib import Path; from headrace_consumers.versions.files import appended\n"
        "for n in range(40): appended.append(Path(sys.argv[1]), [{'who': sys.argv[2], 'n': n, 'text': 'x' * 3000}])"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(path), str(name)]) for name in range(3)]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    found = appended.read(path)
    assert not found.torn
    assert sorted((line["who"], line["n"]) for line in objects(found)) == [
        (str(name), n) for name in range(3) for n in range(40)
    ]


def test_it_is_its_owners_alone(path):
    appended.append(path, [{"a": 1}])
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
