"""The counters leave the process: every interval, at a flush, and a last time at exit; also without a sampled call."""

import json
import threading
from typing import Any

import pytest

from headrace.config import load
from headrace.delivery import MemorySink, Pipeline
from tests.support.waiting import wait_until
from tests.unit.headrace.calls import captured_call
from tests.unit.headrace.test_fork_and_exit import run, to_log
from tests.unit.headrace.test_pipeline import LONG_S, HeldSink, delivery_threads

KEY = ("support", "baseline", "Answer")


class Clock:
    """A monotonic clock that moves by hand."""

    def __init__(self):
        self.now_s = 100.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def start():
    """Make pipelines that are closed when the test ends."""
    pipelines = []

    def make(sink: MemorySink, clock: Any = None, **telemetry: Any) -> Pipeline:
        config = load(None, {"telemetry": {"service": "shop", **telemetry}}, {})
        extra = {} if clock is None else {"clock": clock}
        pipeline = Pipeline(config, make_sink=lambda _: sink, **extra)
        pipelines.append((pipeline, sink))
        return pipeline

    yield make
    for pipeline, sink in pipelines:
        if isinstance(sink, HeldSink):
            sink.release.set()
        pipeline.close(5)


def calls(record):
    return sum(each["calls"] for each in record["calls"])


def test_the_first_counted_call_starts_the_thread_and_the_last_record_comes_at_exit(start):
    sink, before = MemorySink(), delivery_threads()
    pipeline = start(sink)
    assert delivery_threads() == before
    for _ in range(3):
        pipeline.counters.add(KEY, 0.5)
    assert len(delivery_threads()) == len(before) + 1
    assert pipeline.close(LONG_S)
    (record,) = sink.statistics
    assert (record["is_last"], record["sequence"], calls(record)) == (True, 1, 3)
    assert (record["instance"], record["service"]) == (pipeline.stats().instance, "shop")
    assert sink.records == []


def test_a_flush_publishes_what_was_counted_before_it(start):
    sink = MemorySink()
    pipeline = start(sink)
    for number in range(1, 4):
        pipeline.counters.add(KEY, 0.5)
        pipeline.submit(captured_call(number))
        assert pipeline.flush(LONG_S)
        record = sink.statistics[-1]
        assert (record["sequence"], calls(record)) == (number, number)
        assert (record["sampled"], record["delivered"], record["in_flight"]) == (number, number, 0)
        assert not record["is_last"]


def test_records_come_at_their_interval_under_load_and_when_idle(start):
    sink, clock = MemorySink(), Clock()
    pipeline = start(sink, clock, statistics_interval_s=10)
    pipeline.counters.add(KEY, 0.5)
    for number in range(1, 5):
        pipeline.submit(captured_call(number))
        wait_until(lambda number=number: len(sink.records) == number, "the call is delivered")
        assert len(sink.statistics) == number - 1
        clock.now_s += 10
        pipeline.submit(captured_call(number + 100))
        wait_until(lambda number=number: len(sink.statistics) == number, "the statistics are due")
        sink.records.pop()
    assert [record["sequence"] for record in sink.statistics] == [1, 2, 3, 4]


def test_an_idle_thread_wakes_for_the_interval(start):
    sink = MemorySink()
    start(sink, statistics_interval_s=0.01).counters.add(KEY, 0.5)
    wait_until(lambda: len(sink.statistics) > 2, "three intervals")


def test_with_an_interval_of_zero_counting_starts_nothing_and_nothing_is_published(start):
    sink, before = MemorySink(), delivery_threads()
    pipeline = start(sink, statistics_interval_s=0)
    pipeline.counters.add(KEY, 0.5)
    assert delivery_threads() == before
    pipeline.submit(captured_call())
    assert pipeline.flush(LONG_S)
    pipeline.close(LONG_S)
    assert (len(sink.records), sink.statistics) == (1, [])


class StatisticsHeld(HeldSink):
    """Keeps the statistics apart from the records."""

    def send(self, outgoing, done):
        taken = super().send(outgoing, done)
        if taken and outgoing.kind == "statistics":
            self.statistics.append(outgoing.record)
        return taken


def test_in_an_outage_one_record_waits_and_the_newest_follows_it(start):
    sink = StatisticsHeld()
    pipeline = start(sink, statistics_interval_s=0.001)
    pipeline.counters.add(KEY, 0.5)
    wait_until(lambda: len(sink.statistics) == 1, "the first record")
    for _ in range(50):
        pipeline.counters.add(KEY, 0.5)
    sink.polled.clear()
    for _ in range(5):
        assert sink.polled.wait(LONG_S)
        sink.polled.clear()
    assert len(sink.statistics) == 1
    sink.release.set()
    wait_until(lambda: len(sink.statistics) > 1, "the next record")
    assert calls(sink.statistics[1]) == 51


def test_a_flush_in_an_outage_is_bounded_and_says_so(start):
    sink = StatisticsHeld()
    pipeline = start(sink)
    pipeline.counters.add(KEY, 0.5)
    assert not pipeline.flush(0.05)


def test_a_sink_that_breaks_on_statistics_does_not_end_the_thread(start, caplog):
    class Breaks(MemorySink):
        def send(self, outgoing, done):
            if outgoing.kind == "statistics":
                raise RuntimeError("broken on purpose")
            return super().send(outgoing, done)

    sink = Breaks()
    pipeline = start(sink)
    pipeline.counters.add(KEY, 0.5)
    assert pipeline.flush(LONG_S)  # the statistics are lost: flush tells of an end, not of a success
    pipeline.submit(captured_call())
    assert pipeline.flush(LONG_S)
    assert len(sink.records) == 1
    assert "statistics lost" in caplog.text


def test_a_full_sink_gets_the_last_record_when_it_has_room(start):
    sink = StatisticsHeld()
    sink.is_full = True
    pipeline = start(sink)
    pipeline.counters.add(KEY, 0.5)
    closing = threading.Thread(target=pipeline.close, args=(LONG_S,))
    closing.start()
    assert sink.polled.wait(LONG_S)
    sink.is_full = False
    sink.release.set()
    closing.join(LONG_S)
    assert [record["is_last"] for record in sink.statistics] == [True]


def test_statistics_are_no_part_of_the_ledger(start):
    sink = MemorySink()
    sink.fail_with = "kafka:_MSG_TIMED_OUT"
    pipeline = start(sink)
    pipeline.counters.add(KEY, 0.5)
    assert pipeline.flush(LONG_S)
    stats = pipeline.stats()
    assert (stats.sampled, stats.dropped) == (0, {})


def test_a_forked_child_counts_from_zero_under_a_name_of_its_own(tmp_path):
    program = """
key = ("support", "baseline", "Answer")
pipeline.counters.add(key, 0.5)
pid = os.fork()
pipeline.counters.add(key, 0.5)
if pid == 0:
    pipeline.counters.add(key, 0.5)
else:
    assert os.waitpid(pid, 0)[1] == 0
"""
    result = run(program, to_log(tmp_path / "calls.jsonl"))
    assert (result.returncode, result.stderr) == (0, "")
    lines = (tmp_path / "calls.statistics.jsonl").read_text().splitlines()
    child, parent = [json.loads(line) for line in lines]
    assert child["instance"] != parent["instance"]
    assert [(calls(each), each["sequence"], each["is_last"]) for each in (child, parent)] == [(2, 1, True)] * 2
    assert child["started_at_ms"] >= parent["started_at_ms"]
