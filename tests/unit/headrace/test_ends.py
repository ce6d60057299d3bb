"""How services end: signals, servers that fork their workers, spawned children, exit functions that fail.

Real processes, with a log or with a broker that is away: each record is there once, and nothing hangs.
"""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from headrace_schemas import statistics_codec
from headrace_schemas.topics import STATISTICS
from tests.support.waiting import wait_until
from tests.unit.headrace.test_fork_and_exit import events, ids, run, spooled, to_kafka, to_log
from tests.unit.headrace.test_sinks import KafkaHarness, refusing_address

_ROOT = Path(__file__).parents[3]

WORKS = "print('ready', flush=True); threading.Event().wait()\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "calls.jsonl"


@contextmanager
def running(program: str, config: dict[str, Any]) -> Iterator["subprocess.Popen[str]"]:
    import json

    from tests.unit.headrace.test_fork_and_exit import PROGRAM

    command = [sys.executable, "-c", PROGRAM + program, json.dumps(config)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=_ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", process.communicate()[1]
        try:
            yield process
        finally:
            process.kill()


def away(log: Path, exit_timeout_s: float = 2) -> dict[str, Any]:
    return to_kafka(refusing_address(), log, exit_timeout_s)


def test_sigterm_with_a_handler_that_exits_loses_nothing(log: Path) -> None:
    program = """
import signal
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
for number in range(200):
    pipeline.submit(captured_call(number))
"""
    with running(program + WORKS, to_log(log)) as process:
        process.terminate()
        assert process.wait(30) == 0
    assert ids(log) == events(*range(200))


def test_sigterm_without_a_handler_keeps_what_was_flushed(log: Path) -> None:
    program = """
for number in range(200):
    pipeline.submit(captured_call(number))
assert pipeline.flush(60)
"""
    with running(program + WORKS, away(log)) as process:
        process.terminate()
        assert process.wait(30) == -signal.SIGTERM
    assert spooled(log) == events(*range(200))


def test_a_handler_that_shuts_down_and_dies_by_the_signal_loses_nothing(log: Path) -> None:
    program = """
import signal
import headrace
from headrace import runtime
runtime.swap(runtime.Runtime(pipeline._config, pipeline))
def end(number, frame):
    assert headrace.shutdown(20)
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
signal.signal(signal.SIGTERM, end)
for number in range(200):
    pipeline.submit(captured_call(number))
"""
    with running(program + WORKS, away(log)) as process:
        process.terminate()
        assert process.wait(30) == -signal.SIGTERM
    assert spooled(log) == events(*range(200))


@pytest.mark.parametrize("order", ["before ours", "after ours"])
def test_an_exit_function_that_fails_changes_nothing(log: Path, order: str) -> None:
    fails = "atexit.register(lambda: 1 / 0)\n"
    works = "pipeline.submit(captured_call(1))\n"
    result = run(works + fails if order == "before ours" else fails + works, to_log(log))
    assert result.returncode == 0
    assert "ZeroDivisionError" in result.stderr
    assert ids(log) == events(1)


def test_threads_that_capture_until_the_very_end_hang_nothing(log: Path) -> None:
    program = """
def capture_for_ever(first):
    while True:
        pipeline.submit(captured_call(first))
        first += 1
for first in (0, 10**6):
    threading.Thread(target=capture_for_ever, args=(first,), daemon=True).start()
while pipeline.stats().sampled < 1000:
    pass
def report():
    stats = pipeline.stats()
    assert stats.balanced and stats.in_flight <= 2  # calls that are just being refused
    print("reported")
from headrace.delivery import process
atexit.unregister(process._close_all)
atexit.register(report)
atexit.register(process._close_all)
"""
    result = run(program, away(log))
    assert (result.returncode, result.stdout) == (0, "reported\n"), result.stderr
    assert set(spooled(log).values()) == {1}


def test_spawned_children_keep_their_own(log: Path, tmp_path: Path) -> None:
    module = tmp_path / "spawned.py"
    module.write_text(
        """
import json, multiprocessing, sys
from headrace.config import load
from headrace.delivery import Pipeline
from tests.unit.headrace.calls import captured_call

pipeline = Pipeline(load(None, json.loads(sys.argv[1]), {}))

def work(number):
    pipeline.submit(captured_call(number))

if __name__ == "__main__":
    work(0)
    children = [multiprocessing.get_context("spawn").Process(target=work, args=(n,)) for n in (1, 2)]
    for child in children: child.start()
    for child in children: child.join()
    assert [child.exitcode for child in children] == [0, 0]
"""
    )
    import json

    for config, found in ((to_log(log), ids), (away(log), spooled)):
        subprocess.run(
            [sys.executable, module, json.dumps(config)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(_ROOT), os.environ.get("PYTHONPATH", "")])},
            check=True,
            timeout=60,
            cwd=tmp_path,
        )
        if found is ids:
            assert ids(log) == events(0, 1, 2)
            log.unlink()
    assert spooled(log) == events(0, 1, 2)


def test_a_fork_in_an_outage_doubles_and_loses_nothing(log: Path) -> None:
    program = """
for number in range(50):
    pipeline.submit(captured_call(number))
assert pipeline.flush(20) or True
pids = []
for child in range(3):
    pid = os.fork()
    if pid == 0:
        assert not [thread for thread in threading.enumerate() if thread.name == "headrace"]
        for number in range(20):
            pipeline.submit(captured_call(100 * (child + 1) + number))
        sys.exit(0)
    pids.append(pid)
for number in range(50, 100):
    pipeline.submit(captured_call(number))
assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids] == [0] * 3
"""
    result = run(program, away(log))
    assert result.returncode == 0, result.stderr
    numbers = [*range(100), *(100 * (child + 1) + number for child in range(3) for number in range(20))]
    assert spooled(log) == events(*numbers)


GUNICORN_APP = """
import itertools, json, os, sys
from headrace.config import load
from headrace.delivery import Pipeline
from tests.unit.headrace.calls import captured_call

pipeline = Pipeline(load(None, json.loads(os.environ["TEST_CONFIG"]), {}))
for number in range(10):
    pipeline.submit(captured_call(number))  # in the master: its thread runs when the workers are forked
numbers = itertools.count()

def app(environ, start_response):
    name = f"{os.getpid()}-{next(numbers)}"
    pipeline.submit(captured_call(event_id=name))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [name.encode()]
"""


@pytest.mark.parametrize("broker", ["none", "away"])
def test_gunicorn_with_a_preloaded_application(log: Path, tmp_path: Path, broker: str) -> None:
    import json

    (tmp_path / "preloaded.py").write_text(GUNICORN_APP)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [sys.executable, "-m", "gunicorn", "--preload", "--workers=2", f"--bind={address}"]
    command += ["--log-level=error", "--max-requests=15", "--chdir", str(tmp_path), "preloaded:app"]
    environ = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(_ROOT), os.environ.get("PYTHONPATH", "")]),
        "TEST_CONFIG": json.dumps(to_log(log) if broker == "none" else away(log)),
    }
    answered: list[str] = []
    with subprocess.Popen(command, env=environ, cwd=tmp_path, stdout=subprocess.DEVNULL) as server:

        def ask() -> bool:
            try:
                with urllib.request.urlopen(f"http://{address}", timeout=10) as answer:
                    answered.append(answer.read().decode())
            except OSError:  # not up yet; or a worker that has just had its last request
                return False
            return True

        try:
            for number in range(50):
                wait_until(ask, f"the answer to request {number}")
        finally:
            server.terminate()
        assert server.wait(30) == 0
    assert len({name.partition("-")[0] for name in answered}) >= 2
    found = ids(log) if broker == "none" else spooled(log)
    assert set(found.values()) == {1}
    assert set(found) >= {*answered, *events(*range(10))}
    assert len(found) <= len(answered) + 10 + 50  # a request without an answer may have been captured


def test_no_thread_is_left_when_it_is_closed(log: Path) -> None:
    program = """
before = threading.active_count()
pipeline.submit(captured_call(1))
assert threading.active_count() == before + 1
assert pipeline.close(60)
assert threading.active_count() == before
assert len(os.listdir("/proc/self/task")) <= before + 1, os.listdir("/proc/self/task")
"""
    for config in (to_log(log), away(log)):
        result = run(program, config)
        assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("broker", ["refuses", "is silent", "answers"])
def test_the_last_statistics_tell_what_became_of_every_call(log: Path, broker: str) -> None:
    import json

    program = """
pipeline.counters.add(("support", "baseline", "Answer"), 0.5)
for number in range(50):
    pipeline.submit(captured_call(number))
assert pipeline.close(2)
stats = pipeline.stats()
print(json.dumps([stats.sampled, stats.delivered, stats.spooled, stats.in_flight]))
"""
    cluster = KafkaHarness()
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(8)
        addresses = {
            "refuses": refusing_address(),
            "is silent": f"127.0.0.1:{silent.getsockname()[1]}",
            "answers": cluster.servers,
        }
        result = run(program, to_kafka(addresses[broker], log))
    assert result.returncode == 0, result.stderr
    if broker == "answers":
        (last,) = cluster.read(STATISTICS, statistics_codec())
    else:
        (file,) = log.parent.glob("spool/*/statistics-*.jsonl")
        last = json.loads(file.read_text())["record"]
    told = [last["sampled"], last["delivered"], last["spooled"], last["in_flight"]]
    assert json.loads(result.stdout) == told
    assert told == ([50, 50, 0, 0] if broker == "answers" else [50, 0, 50, 0])
    assert last["is_last"]
