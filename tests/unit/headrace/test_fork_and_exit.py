"""Real processes that fork and exit: nothing lost, nothing doubled, nothing hangs. Each runs a script of its own."""

import gzip
import json
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.unit.headrace.outage_world import lines_in
from tests.unit.headrace.test_sinks import KafkaHarness, refusing_address

PROGRAM = """
import atexit, json, os, sys, threading, time
from headrace.config import load
from headrace.delivery import Pipeline
from tests.unit.headrace.calls import captured_call

pipeline = Pipeline(load(None, json.loads(sys.argv[1]), {}))
"""


def run(program: str, config: dict[str, Any]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", PROGRAM + program, json.dumps(config)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=Path(__file__).parents[3],
    )


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "calls.jsonl"


@pytest.fixture
def cluster() -> KafkaHarness:
    return KafkaHarness()


def to_log(log: Path, **rotation: Any) -> dict[str, Any]:
    return {"telemetry": {"log_file_path": str(log), "exit_timeout_s": 20, "rotation": rotation}}


def to_kafka(servers: str, log: Path, exit_timeout_s: float = 20) -> dict[str, Any]:
    return {
        "telemetry": {"exit_timeout_s": exit_timeout_s, "log_file_path": str(log)},
        "kafka": {"bootstrap_servers": servers},
    }


def spooled(log: Path) -> Counter[str]:
    found = [line for folder in (log.parent / "spool").iterdir() for _, line in lines_in(folder)]
    return Counter(found)


def written(log: Path) -> list[dict[str, Any]]:
    lines: list[bytes] = []
    for file in sorted(log.parent.glob(f"{log.stem}*.jsonl*")):
        lines += (gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()).splitlines()
    return [json.loads(line) for line in lines]


def ids(log: Path) -> Counter[str]:
    return Counter(record["event_id"] for record in written(log))


def events(*numbers: int) -> dict[str, int]:
    return {f"event-{number}": 1 for number in numbers}


SUBMIT_MANY = """
for number in range(500):
    assert pipeline.submit(captured_call(number))
"""


def test_a_program_that_ends_right_after_its_calls_has_written_its_log(log: Path) -> None:
    result = run(SUBMIT_MANY, to_log(log))
    assert (result.returncode, result.stderr) == (0, "")
    assert ids(log) == events(*range(500))


def test_a_program_that_ends_right_after_its_calls_has_sent_them(cluster: KafkaHarness, log: Path) -> None:
    result = run(SUBMIT_MANY, to_kafka(cluster.servers, log))
    assert (result.returncode, result.stderr) == (0, "")
    assert Counter(cluster.arrived()) == events(*range(500))


def test_a_program_that_ends_by_an_exception_has_written_its_log(log: Path) -> None:
    result = run("pipeline.submit(captured_call(1))\nraise ValueError", to_log(log))
    assert result.returncode == 1
    assert ids(log) == events(1)


def test_what_other_exit_functions_submit_before_ours_is_written(log: Path) -> None:
    program = """
pipeline.submit(captured_call(1))
atexit.register(lambda: pipeline.submit(captured_call(2)))
"""
    assert run(program, to_log(log)).returncode == 0
    assert ids(log) == events(1, 2)


@pytest.mark.parametrize("kind", ["refuses", "is silent"])
def test_exit_is_bounded_and_keeps_the_tail_on_disk_where_the_broker(kind: str, log: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(8)  # connections are accepted, and nobody ever answers
        servers = refusing_address() if kind == "refuses" else f"127.0.0.1:{silent.getsockname()[1]}"
        program = """
for number in range(3):
    pipeline.submit(captured_call(number))
began = time.monotonic()
def report():
    stats = pipeline.stats()
    print(time.monotonic() - began, json.dumps([stats.spooled, stats.in_flight, stats.dropped]))
from headrace.delivery import process
atexit.unregister(process._close_all)
atexit.register(report)
atexit.register(process._close_all)
"""
        result = run(program, to_kafka(servers, log, exit_timeout_s=1))
    assert result.returncode == 0
    took_s, _, counts = result.stdout.partition(" ")
    assert json.loads(counts) == [3, 0, {}]
    assert float(took_s) < 20  # librdkafka alone would try for thirty
    assert spooled(log) == events(0, 1, 2)


def test_exit_is_bounded_where_the_sink_is_stuck() -> None:
    program = """
from headrace.delivery import MemorySink
entered = threading.Event()
class Stuck(MemorySink):
    def send(self, outgoing, done):
        entered.set()
        threading.Event().wait()
pipeline = Pipeline(load(None, json.loads(sys.argv[1]), {}), make_sink=lambda _: Stuck())
pipeline.submit(captured_call(1))
entered.wait()
"""
    began = time.monotonic()
    result = run(program, {"telemetry": {"exit_timeout_s": 0.5}})
    assert result.returncode == 0
    assert time.monotonic() - began < 20
    assert "1 captured calls were not delivered within" in result.stderr


FORK = """
pipeline.submit(captured_call(1))
assert pipeline.flush(60)
parent = pipeline.stats()
pid = os.fork()
if pid == 0:
    child = pipeline.stats()
    assert (child.sampled, child.delivered) == (0, 0)
    assert child.instance != parent.instance and str(os.getpid()) in child.instance
    pipeline.submit(captured_call(2))
    sys.exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
pipeline.submit(captured_call(3))
assert pipeline.flush(60)
assert pipeline.stats().instance == parent.instance
assert pipeline.stats().delivered == 2
"""


def test_a_forked_child_writes_its_own_records_under_its_own_name(log: Path) -> None:
    result = run(FORK, to_log(log))
    assert (result.returncode, result.stderr) == (0, "")
    assert ids(log) == events(1, 2, 3)
    instances = {record["event_id"]: record["instance"] for record in written(log)}
    assert instances["event-1"] == instances["event-3"] != instances["event-2"]


def test_a_forked_child_sends_its_own_records_and_exits(cluster: KafkaHarness, log: Path) -> None:
    result = run(FORK, to_kafka(cluster.servers, log))
    assert (result.returncode, result.stderr) == (0, "")
    assert Counter(cluster.arrived()) == events(1, 2, 3)


def test_a_forked_child_leaves_the_parents_queue_to_the_parent(log: Path) -> None:
    program = """
from headrace.delivery.outgoing import Outgoing
from headrace.delivery.sinks import JsonlSink
entered, release = threading.Event(), threading.Event()
class Gated(JsonlSink):
    def send(self, outgoing, done):
        if os.getpid() == parent:
            entered.set()
            release.wait()
        return super().send(outgoing, done)
parent = os.getpid()
pipeline = Pipeline(load(None, json.loads(sys.argv[1]), {}), make_sink=Gated)
for number in range(20):
    pipeline.submit(captured_call(number))
entered.wait()
pid = os.fork()
if pid == 0:
    pipeline.submit(captured_call(100))
    sys.exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
release.set()
"""
    result = run(program, to_log(log))
    assert (result.returncode, result.stderr) == (0, "")
    assert ids(log) == events(*range(20), 100)


def test_forks_while_threads_submit_hang_nothing_and_double_nothing(log: Path) -> None:
    program = """
stop = threading.Event()
def submit_all(first):
    for number in range(first, first + 400):
        pipeline.submit(captured_call(number))
threads = [threading.Thread(target=submit_all, args=(first,)) for first in (0, 1000)]
for thread in threads: thread.start()
pids = []
for child in range(10):
    pid = os.fork()
    if pid == 0:
        pipeline.submit(captured_call(5000 + child))
        os._exit(0 if pipeline.flush(60) else 1)
    pids.append(pid)
for thread in threads: thread.join()
assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids] == [0] * 10
"""
    result = run(program, to_log(log))
    assert (result.returncode, result.stderr) == (0, "")
    assert ids(log) == events(*range(400), *range(1000, 1400), *range(5000, 5010))


def test_a_child_of_multiprocessing_has_written_its_log_when_it_ends(log: Path) -> None:
    program = """
import multiprocessing
pipeline.submit(captured_call(1))
child = multiprocessing.get_context("fork").Process(target=lambda: pipeline.submit(captured_call(2)))
child.start()
child.join()
assert child.exitcode == 0
"""
    result = run(program, to_log(log))
    assert (result.returncode, result.stderr) == (0, "")
    assert ids(log) == events(1, 2)


def test_processes_that_share_a_log_and_rotate_it_lose_no_line(log: Path) -> None:
    program = """
pids = []
for child in range(3):
    pid = os.fork()
    if pid == 0:
        for number in range(300):
            pipeline.submit(captured_call(1000 * child + number))
        assert pipeline.flush(60) and pipeline.stats().delivered == 300
        sys.exit(0)
    pids.append(pid)
assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids] == [0] * 3
"""
    result = run(program, to_log(log, max_size_mb=0.02))
    assert (result.returncode, result.stderr) == (0, "")
    assert len(list(log.parent.iterdir())) > 10
    assert ids(log) == events(*(1000 * child + number for child in range(3) for number in range(300)))


def test_a_program_that_captures_nothing_has_no_thread_no_file_and_no_exit_function(log: Path) -> None:
    program = """
from headrace.delivery import process
assert threading.active_count() == 1
assert not process._watched.has_exit_function
assert "confluent_kafka" not in sys.modules
"""
    assert run(program, to_kafka("broker:9092", log)).returncode == 0
    assert not log.exists()
