"""What a version's files hold is on disk before anything is told of them, and a disk that fails is told."""

import errno
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import polars as pl
import pytest

from headrace_consumers.versions.files import writing
from headrace_consumers.versions.files.frame_file import FrameFile, mapped
from headrace_consumers.versions.files.writing import facts_of, write_examples
from tests.unit.versions.gates.frames import example, frame

TEXT = "a text that is longer than what a view holds in itself, and different in each row: "


def rows(count):
    return frame(*(example(number, {"text": TEXT + str(number)}) for number in range(count)))


def test_the_hash_is_of_what_is_on_disk_however_often_the_disk_was_asked(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "_SLICE", 7)
    monkeypatch.setattr(writing, "_UNSYNCED_BYTES", 1)
    found = write_examples(tmp_path, rows(50))
    assert len(found) == 7
    assert found == {name: facts_of(tmp_path / name) for name in found}
    assert (tmp_path / "provenance.jsonl").read_bytes().count(b"\n") == 50


def test_what_a_disk_fails_at_beside_the_writing_is_told(tmp_path, monkeypatch):
    """The system tells it once: who asks again at the end is told that all is well."""
    sync, asked = os.fsync, []

    def failing_once(descriptor):
        asked.append(descriptor)
        if len(asked) == 1:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        sync(descriptor)

    monkeypatch.setattr(writing, "_SLICE", 7)
    monkeypatch.setattr(writing, "_UNSYNCED_BYTES", 1)
    monkeypatch.setattr(writing.os, "fsync", failing_once)
    with pytest.raises(OSError, match="Input/output error"):
        write_examples(tmp_path, rows(50))
    assert len(asked) > 1


def test_nor_is_what_it_fails_at_last_swallowed(tmp_path, monkeypatch):
    """Of the last piece of a file only its end can be told."""
    sync = os.fsync
    failing = OSError(errno.EIO, os.strerror(errno.EIO))

    def failing_beside(descriptor):
        if threading.current_thread() is not threading.main_thread():
            raise failing
        sync(descriptor)

    monkeypatch.setattr(writing, "_UNSYNCED_BYTES", 1)
    monkeypatch.setattr(writing.os, "fsync", failing_beside)
    with pytest.raises(OSError, match="Input/output error"):
        write_examples(tmp_path, rows(1))  # one piece of each file: none comes after it


def test_what_ended_the_writing_is_told_and_not_what_the_disk_says_then(tmp_path, monkeypatch):
    def failing(_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(writing, "_UNSYNCED_BYTES", 1)
    monkeypatch.setattr(writing.os, "fsync", failing)

    def stopped(disk):
        with writing._new_hashed(tmp_path / "file", disk) as file:
            file.write(b"line\n")
            raise KeyboardInterrupt

    with ThreadPoolExecutor(1) as disk, pytest.raises(KeyboardInterrupt):
        stopped(disk)


def test_a_frame_on_disk_has_each_text_once(tmp_path):
    texts = [f"{TEXT}{number:6}" for number in range(20_000)]
    schema = {"text": pl.String()}
    with FrameFile(tmp_path / "frame", schema) as file:
        file.add(pl.DataFrame({"text": texts}))
    assert mapped(tmp_path / "frame", schema)["text"].to_list() == texts
    of_texts, of_views = len(texts) * len(texts[0]), len(texts) * 16
    assert (tmp_path / "frame").stat().st_size < 1.1 * (of_texts + of_views)
