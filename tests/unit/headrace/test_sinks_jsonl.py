"""What only the JSON Lines sink must do: the file's form, its rotation, many processes, full disks."""

import gzip
import json
import os
import resource
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace.config import load
from headrace.delivery.outgoing import Outgoing
from headrace.delivery.sinks import JsonlSink
from headrace_schemas import canonical
from tests.unit.headrace.test_sinks import record_of

NOW_S = 1_700_000_000.0  # 2023-11-14T22:13:20Z
DAY_S = 86_400.0


class Clock:
    def __init__(self) -> None:
        self.now_s = NOW_S

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "calls.jsonl"


@pytest.fixture
def clock() -> Clock:
    return Clock()


def sink_of(log: Path, clock: Clock, **rotation: Any) -> JsonlSink:
    telemetry = {"log_file_path": str(log), "rotation": rotation}
    return JsonlSink(load(None, {"telemetry": telemetry}, {}), time_s=clock, clock=clock)


def send(sink: JsonlSink, number: int, **changes: Any) -> str | None:
    words: list[str | None] = []
    assert sink.send(Outgoing("interaction", record_of(number, **changes)), words.append)
    (word,) = words
    return word


def lines(folder: Path) -> Iterator[Any]:
    for file in sorted(folder.iterdir()):
        text = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        yield from map(json.loads, text.splitlines())


def test_a_line_is_the_documents_with_nested_objects(log: Path, clock: Clock) -> None:
    odd = canonical.dumps({"question": float("nan"), "n": 1e21}).decode()
    assert send(sink_of(log, clock), 1, input=odd, error="größe\u2028") is None
    (line,) = log.read_bytes().decode().split("\n")[:-1]
    value = json.loads(line)
    assert value["input"] == {"question": {"$hr:float": "NaN"}, "n": 1e21}
    assert value["output"] == {"requirements": ["JWT token generation"]}
    assert value["attributes"] == {}
    assert value["error"] == "größe\u2028"
    assert {*value} == {*record_of(1)}
    assert odd in line


def test_only_the_owner_may_read_the_log_and_its_archives(log: Path, clock: Clock) -> None:
    sink = sink_of(log, clock, max_size_mb=0.001)
    for number in range(3):
        send(sink, number)
    assert len(list(log.parent.iterdir())) == 3
    assert {stat.S_IMODE(file.stat().st_mode) for file in log.parent.iterdir()} == {0o600}


def test_a_log_that_exists_is_continued(log: Path, clock: Clock) -> None:
    for number in range(2):
        sink = sink_of(log, clock)
        send(sink, number)
        sink.close(0)
    assert [line["event_id"] for line in lines(log.parent)] == ["event-0", "event-1"]


def test_a_log_that_would_grow_too_large_is_rotated_and_compressed(log: Path, clock: Clock) -> None:
    sink = sink_of(log, clock, max_size_mb=0.003)
    for number in range(12):
        assert send(sink, number) is None
    names = sorted(file.name for file in log.parent.iterdir())
    stem = f"calls.20231114T221320Z-{os.getpid()}"
    assert {f"{stem}.jsonl.gz", f"{stem}-1.jsonl.gz", "calls.jsonl"} <= set(names)
    assert log.stat().st_size <= 3_000
    assert Counter(line["event_id"] for line in lines(log.parent)) == {f"event-{number}": 1 for number in range(12)}


def test_compression_can_be_switched_off(log: Path, clock: Clock) -> None:
    sink = sink_of(log, clock, max_size_mb=0.001, compression="none")
    for number in range(2):
        send(sink, number)
    assert sorted(file.name for file in log.parent.iterdir()) == [
        f"calls.20231114T221320Z-{os.getpid()}.jsonl",
        "calls.jsonl",
    ]


def test_a_line_larger_than_the_limit_is_written_all_the_same(log: Path, clock: Clock) -> None:
    sink = sink_of(log, clock, max_size_mb=0.001)
    assert send(sink, 1, error="x" * 5_000) is None
    assert [file.name for file in log.parent.iterdir()] == ["calls.jsonl"]


def test_rotated_logs_are_deleted_when_they_are_too_old_and_nothing_else_is(log: Path, clock: Clock) -> None:
    log.parent.mkdir()
    mine = [log.parent / f"calls.20231101T000000Z-7{end}" for end in (".jsonl", "-2.jsonl.gz")]
    others = [
        log.parent / name
        for name in (
            "calls.backup.jsonl",
            "calls.20231101T000000Z-7.txt",
            "other.20231101T000000Z-7.jsonl.gz",
            "calls.20239901T000000Z-7.jsonl.gz",
        )
    ]
    for file in (*mine, *others):
        file.write_bytes(b"")
        os.utime(file, (0, 0))
    sink = sink_of(log, clock, max_age_days=14)
    send(sink, 1)  # 13 days and 22 hours old
    assert all(file.exists() or file.with_name(file.name + ".gz").exists() for file in mine)
    clock.now_s += DAY_S
    send(sink, 2)
    assert not any(file.exists() or file.with_name(file.name + ".gz").exists() for file in mine)
    assert all(file.exists() for file in others)


def test_a_compression_that_was_killed_is_done_again(log: Path, clock: Clock) -> None:
    log.parent.mkdir()
    left = log.parent / "calls.20231114T000000Z-7.jsonl"
    left.write_bytes(b'{"event_id": "left"}\n')
    left.with_name(left.name + ".gz.part").write_bytes(b"half an archive" * 1_000)
    send(sink_of(log, clock), 1)
    assert sorted(file.name for file in log.parent.iterdir()) == [left.name + ".gz", "calls.jsonl"]
    assert [line["event_id"] for line in lines(log.parent)] == ["left", "event-1"]


def test_two_sinks_of_one_file_lose_no_line_when_either_rotates(log: Path, clock: Clock) -> None:
    sinks = [sink_of(log, clock, max_size_mb=0.005) for _ in range(2)]
    for number in range(60):
        assert send(sinks[number % 2], number) is None
    assert Counter(line["event_id"] for line in lines(log.parent)) == {f"event-{number}": 1 for number in range(60)}


def test_a_log_that_was_moved_or_removed_is_begun_anew(log: Path, clock: Clock) -> None:
    sink = sink_of(log, clock)
    send(sink, 1)
    log.rename(log.with_name("elsewhere"))
    send(sink, 2)
    log.unlink()
    send(sink, 3)
    assert [line["event_id"] for line in lines(log.parent)] == ["event-3", "event-1"]


def test_a_torn_line_does_not_tear_the_next(log: Path, clock: Clock) -> None:
    log.parent.mkdir()
    log.write_bytes(b'{"event_id": "to')
    send(sink_of(log, clock), 1)
    torn, whole = log.read_bytes().splitlines()
    assert torn == b'{"event_id": "to'
    assert json.loads(whole)["event_id"] == "event-1"


def test_a_full_disk_is_counted_and_said_once_and_the_log_goes_on(
    log: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    sink = sink_of(log, clock)
    assert send(sink, 1) is None
    size = log.stat().st_size
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, limits[1]))  # Python ignores SIGXFSZ, so writes are short
    try:
        assert [send(sink, number) for number in (2, 3, 4)] == ["log_ENOSPC", "log_EFBIG", "log_EFBIG"]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert send(sink, 5) is None
    assert len(caplog.records) == 1
    assert str(log) in caplog.text
    first, torn, last = log.read_bytes().splitlines()
    assert [json.loads(line)["event_id"] for line in (first, last)] == ["event-1", "event-5"]
    assert len(torn) == 100


def test_a_log_that_cannot_be_rotated_grows_on(tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    log = tmp_path / f"{'x' * 240}.jsonl"  # the name of the rotated log is too long for a file name
    sink = sink_of(log, clock, max_size_mb=0.001)
    assert [send(sink, number) for number in range(3)] == [None] * 3
    assert [line["event_id"] for line in lines(tmp_path)] == ["event-0", "event-1", "event-2"]
    assert len(caplog.records) == 1
    assert "cannot rotate the log (File name too long)" in caplog.text


def test_a_device_is_written_and_never_rotated(clock: Clock) -> None:
    sink = sink_of(Path(os.devnull), clock, max_size_mb=0.001)
    assert [send(sink, number) for number in range(3)] == [None] * 3
    assert Path(os.devnull).is_char_device()
    sink.close(0)
