"""Log files as numbered lines."""

import gzip

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from headrace.errors import UsageError
from headrace_consumers.history import lines
from headrace_consumers.history.lines import LogFileError, read_lines, require_readable


def contents(path):
    return [(line.number, line.content) for line in read_lines(path)]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_plain_and_gzip_lines_have_numbers_and_empty_ones_are_passed_over(tmp_path, pack):
    path = tmp_path / "a.log"
    path.write_bytes(pack(b'\xef\xbb\xbf{"a":1}\r\n\n  \n{"b":2}'))
    assert contents(path) == [(1, b'{"a":1}'), (4, b'{"b":2}')]


def test_several_gzip_parts_are_one_log(tmp_path):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"1\n") + gzip.compress(b"2\n"))
    assert contents(path) == [(1, b"1"), (2, b"2")]


@given(
    texts=st.lists(st.binary(max_size=40).map(lambda b: b.replace(b"\n", b"x")), max_size=12),
    piece_bytes=st.integers(1, 9),
    end=st.booleans(),
)
def test_pieces_never_show(tmp_path_factory, texts, piece_bytes, end):
    path = tmp_path_factory.mktemp("log") / "a"
    path.write_bytes(b"\n".join(texts) + b"\n" * end)
    assume(not path.read_bytes().startswith(b"\x1f\x8b"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "_PIECE_BYTES", piece_bytes)
        found = contents(path)
    assert found == contents(path)
    assert [content for _, content in found] == [
        stripped
        for number, text in enumerate(texts)
        if (stripped := text.strip().removeprefix(b"\xef\xbb\xbf") if number == 0 else text.strip())
    ]


def test_a_line_beyond_the_limit_is_passed_over_and_the_next_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 10)
    monkeypatch.setattr(lines, "_PIECE_BYTES", 4)
    path = tmp_path / "a"
    path.write_bytes(b"x" * 50 + b"\nnext\n" + b"y" * 50)
    assert contents(path) == [(1, None), (2, b"next"), (3, None)]


def test_gzip_that_ends_too_early_gives_what_came_before_and_one_line(tmp_path):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"".join(b'{"n":%d}\n' % n for n in range(50_000)))[:-2000])
    found = []
    with pytest.raises(LogFileError, match=r"damaged after line [1-9]"):
        found.extend(read_lines(path))


def test_a_missing_file_is_told_before_anything_is_done(tmp_path):
    (tmp_path / "there").touch()
    with pytest.raises(UsageError, match=r"missing: cannot read it \(No such file or directory\)"):
        require_readable([tmp_path / "there", tmp_path / "missing"])
    with pytest.raises(UsageError, match="Is a directory"):
        require_readable([tmp_path])


def test_progress_ends_at_the_size_on_disk(tmp_path):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"line\n" * 1000))
    told = []
    list(read_lines(path, told.append))
    assert told[-1] == path.stat().st_size
    assert told == sorted(told)
