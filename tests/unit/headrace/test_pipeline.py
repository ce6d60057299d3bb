"""The pipeline never blocks or breaks its caller, counts every loss, and its thread outlives whatever goes wrong."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from headrace.config import load
from headrace.config.telemetry import Rotation
from headrace.delivery import MemorySink, Pipeline
from headrace.delivery.outgoing import Outgoing
from headrace.delivery.sinks import Done
from headrace.delivery.spool import Spool
from tests.support.struck import is_struck
from tests.support.waiting import wait_until
from tests.unit.headrace.calls import captured_call

if TYPE_CHECKING:
    from headrace_schemas import Interaction

LONG_S = 30.0


class HeldSink(MemorySink):
    """Acknowledges what it took only when told to; may be full, or stuck in `send`."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[Done] = []
        self.is_full = False
        self.is_stuck = False
        self.release = threading.Event()
        self.in_send = threading.Event()
        self.polled = threading.Event()
        self.closed_with: float | None = None

    def send(self, outgoing: Outgoing, done: Done) -> bool:
        if self.is_full:
            return False
        self.in_send.set()
        if self.is_stuck:
            self.release.wait(LONG_S)
        self.records.append(cast("Interaction", outgoing.record))
        self.held.append(done)
        return True

    def poll(self, timeout_s: float) -> None:
        self.polled.set()
        if self.release.wait(min(timeout_s, 0.01)):
            while self.held:
                self.held.pop()(None)

    def pending(self) -> int:
        return len(self.held)

    def close(self, timeout_s: float) -> None:
        self.closed_with = timeout_s
        self.poll(timeout_s)
        while self.held:
            self.held.pop()("exit")


Make = Callable[..., Pipeline]


@contextmanager
def running(sink: MemorySink, **telemetry: Any) -> Iterator[Pipeline]:
    pipeline = Pipeline(load(None, {"telemetry": telemetry}, {}), make_sink=lambda _: sink)
    try:
        yield pipeline
    finally:
        if isinstance(sink, HeldSink):
            sink.release.set()
        pipeline.close(1)
        assert pipeline.stats().balanced


@pytest.fixture
def start() -> Iterator[Callable[..., Pipeline]]:
    """Make pipelines that are closed when the test ends."""
    with ExitStack() as stack:

        def enter(sink: MemorySink, **telemetry: Any) -> Pipeline:
            made: AbstractContextManager[Pipeline] = running(sink, **telemetry)
            return stack.enter_context(made)

        yield enter


def delivery_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "headrace"]


def test_a_submitted_call_becomes_a_record(start: Make) -> None:
    sink = MemorySink()
    pipeline = start(sink)
    assert pipeline.submit(captured_call(input={"question": "mail a@b.co"}))
    assert pipeline.flush(LONG_S)
    assert [record["input"] for record in sink.records] == ['{"question":"mail [EMAIL]"}']
    stats = pipeline.stats()
    assert (stats.sampled, stats.delivered, stats.in_flight) == (1, 1, 0)
    assert stats.redactions == {"email": 1}
    assert sink.records[0]["instance"] == stats.instance


def test_calls_are_delivered_in_order(start: Make) -> None:
    sink = MemorySink()
    pipeline = start(sink)
    for number in range(500):
        assert pipeline.submit(captured_call(number))
    assert pipeline.flush(LONG_S)
    assert [record["event_id"] for record in sink.records] == [f"event-{number}" for number in range(500)]


def test_nothing_is_started_before_the_first_call(start: Make) -> None:
    before = delivery_threads()
    pipeline = start(MemorySink())
    assert pipeline.flush(0)
    assert delivery_threads() == before
    pipeline.submit(captured_call())
    (thread,) = set(delivery_threads()) - set(before)
    assert thread.daemon


def test_a_full_queue_drops_and_counts_and_never_blocks(start: Make) -> None:
    sink = HeldSink()
    sink.is_stuck = True
    pipeline = start(sink, queue_max_records=10)
    assert pipeline.submit(captured_call(0))
    assert sink.in_send.wait(LONG_S)  # the thread has taken it, and is stuck with it
    taken = [pipeline.submit(captured_call(number)) for number in range(1, 16)]
    assert taken == [True] * 10 + [False] * 5
    stats = pipeline.stats()
    assert (stats.sampled, stats.in_flight, stats.dropped) == (16, 11, {"queue_full": 5})


def test_large_calls_fill_the_queue_by_their_bytes(start: Make) -> None:
    sink = HeldSink()
    sink.is_stuck = True
    pipeline = start(sink, queue_max_mb=1)
    large = {"question": "x" * 300_000}
    taken = [pipeline.submit(captured_call(number, input=large)) for number in range(5)]
    assert taken == [True] * 3 + [False] * 2
    assert pipeline.submit(captured_call(5))  # a small one still fits
    assert pipeline.stats().dropped == {"queue_mb_full": 2}
    sink.release.set()
    assert pipeline.flush(LONG_S)
    wait_until(lambda: pipeline._worker.waiting_bytes == 0, "the worker to be done")
    assert pipeline.submit(captured_call(6, input=large))


def test_a_backlog_of_many_files_is_replayed_without_a_pause_between_them(tmp_path: Path) -> None:
    class Switched(HeldSink):
        """Gives records back while it is down, and acknowledges them at the next poll while it is up."""

        is_up = False

        def send(self, outgoing: Outgoing, done: Done) -> bool:
            if self.is_up:
                return super().send(outgoing, done)
            done("kafka:_TRANSPORT", lambda: outgoing)
            return True

    sink = Switched()
    pipeline = Pipeline(
        load(None, {}, {}),
        make_sink=lambda _: sink,
        make_spool=lambda _, instance: Spool(tmp_path, instance, rotation=Rotation(max_size_mb=0.001)),
    )
    for number in range(60):
        pipeline.submit(captured_call(number))
    assert pipeline.flush(LONG_S)
    assert pipeline.stats().spooled == 60
    assert len(list(tmp_path.glob("*/*.jsonl*"))) > 50  # each is closed after one record
    sink.release.set()
    sink.is_up = True
    wait_until(lambda: pipeline.stats().delivered == 60, "the backlog to be replayed", 15)  # a pause is half a second
    assert pipeline.close(LONG_S)


def test_a_failure_of_capture_is_counted_as_a_sampled_call(start: Make) -> None:
    pipeline = start(MemorySink())
    pipeline.count_failure("capture_failed")
    assert pipeline.stats().dropped == {"capture_failed": 1}
    assert pipeline.stats().sampled == 1


def test_a_flush_waits_for_acknowledgements_and_says_when_it_waited_in_vain(start: Make) -> None:
    sink = HeldSink()
    pipeline = start(sink)
    pipeline.submit(captured_call())
    assert not pipeline.flush(0.05)
    assert pipeline.stats().in_flight == 1
    sink.release.set()
    assert pipeline.flush(LONG_S)
    assert pipeline.stats().delivered == 1


def test_a_flush_ends_while_later_calls_keep_coming(start: Make) -> None:
    pipeline = start(MemorySink())
    stop = threading.Event()

    def keep_coming() -> None:
        while not stop.is_set():
            pipeline.submit(captured_call())

    thread = threading.Thread(target=keep_coming)
    thread.start()
    try:
        assert pipeline.flush(LONG_S)
    finally:
        stop.set()
        thread.join()


def test_a_lost_record_is_counted_by_its_reason(start: Make) -> None:
    sink = MemorySink()
    pipeline = start(sink)
    sink.fail_with = "kafka:_MSG_TIMED_OUT"
    pipeline.submit(captured_call())
    assert pipeline.flush(LONG_S)
    assert pipeline.stats().dropped == {"kafka:_MSG_TIMED_OUT": 1}


def test_a_full_sink_is_offered_the_record_again(start: Make) -> None:
    sink = HeldSink()
    sink.is_full = True
    pipeline = start(sink)
    pipeline.submit(captured_call())
    assert sink.polled.wait(LONG_S)
    assert pipeline.stats().in_flight == 1
    sink.is_full = False
    sink.release.set()
    assert pipeline.flush(LONG_S)
    assert pipeline.stats().delivered == 1


def test_a_call_that_cannot_be_finished_is_dropped_and_never_shown(
    start: Make, caplog: pytest.LogCaptureFixture
) -> None:
    sink = MemorySink()
    pipeline = start(sink)
    with caplog.at_level(logging.DEBUG):
        for number in range(3):
            pipeline.submit(captured_call(number, input={"question": {"a secret", "set"}, 1: "payload"}))
        pipeline.submit(captured_call(9))
        assert pipeline.flush(LONG_S)
    assert [record["event_id"] for record in sink.records] == ["event-9"]
    assert pipeline.stats().dropped == {"finish_failed": 3}
    assert len(caplog.records) == 1  # a minute
    assert "CanonicalizationError" in caplog.text
    assert "secret" not in caplog.text
    assert "payload" not in caplog.text


@pytest.mark.parametrize("broken", ["send", "poll", "close"])
def test_a_sink_that_raises_does_not_end_the_thread(start: Make, broken: str, caplog: pytest.LogCaptureFixture) -> None:
    sink = MemorySink()
    pipeline = start(sink)

    def fail(*_: object) -> bool:
        raise RuntimeError("payload")

    setattr(sink, broken, fail)
    with caplog.at_level(logging.DEBUG):
        pipeline.submit(captured_call(1))
        assert pipeline.flush(LONG_S)
        if broken != "close":
            delattr(sink, broken)
        pipeline.submit(captured_call(2))
        assert pipeline.flush(LONG_S)
        assert pipeline.close(LONG_S)
    stats = pipeline.stats()
    assert stats.balanced
    assert stats.delivered == (1 if broken == "send" else 2)
    assert stats.dropped == ({"sink_failed": 1} if broken == "send" else {})
    assert "RuntimeError" in caplog.text
    assert "payload" not in caplog.text


def test_statistics_that_cannot_be_made_do_not_end_the_thread(start: Make, caplog: pytest.LogCaptureFixture) -> None:
    sink = MemorySink()
    pipeline = start(sink)

    def fail(**_: object) -> Any:
        raise RuntimeError("secret")

    pipeline.counters.add(("support", "baseline", "Answer"), 0.5)
    pipeline.counters.snapshot = fail  # type: ignore[method-assign]
    pipeline.submit(captured_call())
    assert pipeline.flush(LONG_S)
    pipeline.submit(captured_call())
    assert pipeline.close(LONG_S)
    assert pipeline.stats().delivered == 2
    assert "trouble in statistics (RuntimeError)" in caplog.text
    assert "secret" not in caplog.text


def test_a_host_whose_log_raises_does_not_end_the_thread(start: Make) -> None:
    def refuse(_: logging.LogRecord) -> bool:
        raise RuntimeError("the host's own filter")

    logger = logging.getLogger("headrace")
    logger.addFilter(refuse)
    try:
        pipeline = start(MemorySink())
        pipeline.submit(captured_call(input={1.5: object()}))
        pipeline.submit(captured_call())
        assert pipeline.flush(LONG_S)
        assert pipeline.stats().delivered == 1
    finally:
        logger.removeFilter(refuse)


def test_a_record_that_is_told_of_twice_is_counted_once(start: Make) -> None:
    class Twice(MemorySink):
        def send(self, outgoing: Outgoing, done: Done) -> bool:
            done("kafka:_TIMED_OUT")
            return super().send(outgoing, done)

    pipeline = start(Twice())
    pipeline.submit(captured_call())
    assert pipeline.flush(LONG_S)
    assert pipeline.stats().dropped == {"kafka:_TIMED_OUT": 1}
    assert pipeline.stats().delivered == 0


def test_closing_delivers_what_is_queued_and_ends_the_thread(start: Make) -> None:
    sink = HeldSink()
    sink.release.set()
    before = delivery_threads()
    pipeline = start(sink)
    for number in range(100):
        pipeline.submit(captured_call(number))
    assert pipeline.close(LONG_S)
    assert pipeline.stats().delivered == 100
    assert sink.closed_with is not None
    assert set(delivery_threads()) <= set(before)


def test_what_the_sink_cannot_deliver_in_time_is_lost_at_exit(start: Make, caplog: pytest.LogCaptureFixture) -> None:
    sink = HeldSink()
    pipeline = start(sink)
    for number in range(3):
        pipeline.submit(captured_call(number))
    assert not pipeline.close(0.05)
    assert pipeline.stats().dropped == {"exit": 3}
    assert "3 captured calls were not delivered within 0.05 s" in caplog.text


def test_closing_a_full_sink_ends_in_time(start: Make) -> None:
    sink = HeldSink()
    sink.is_full = True
    before = set(delivery_threads())
    pipeline = start(sink)
    for number in range(3):
        pipeline.submit(captured_call(number))
    assert not pipeline.close(0.05)
    assert pipeline.stats().dropped == {"exit": 3}
    wait_until(lambda: set(delivery_threads()) <= before, "the thread to end", 10)


def test_closing_a_stuck_sink_ends_in_time_and_its_late_word_does_not_count(start: Make) -> None:
    sink = HeldSink()
    sink.is_stuck = True
    pipeline = start(sink)
    pipeline.submit(captured_call(0))
    pipeline.submit(captured_call(1))
    assert sink.in_send.wait(LONG_S)
    assert not pipeline.close(0.05)
    assert pipeline.stats().dropped == {"exit": 2}
    threads = delivery_threads()
    sink.release.set()
    for thread in threads:
        thread.join(LONG_S)
    assert pipeline.stats().dropped == {"exit": 2}
    assert pipeline.stats().delivered == 0


def test_a_call_after_closing_is_refused_and_counted(start: Make) -> None:
    sink = MemorySink()
    pipeline = start(sink)
    assert pipeline.close(LONG_S)
    assert not pipeline.submit(captured_call())
    assert pipeline.close(0)
    assert pipeline.stats().dropped == {"closed": 1}
    assert sink.records == []


class Closing(Pipeline):
    """Closes itself when a call was found welcome, before it is queued."""

    closings: list[Callable[[], bool]]

    def _is_running(self) -> bool:
        if not self.closings:
            return super()._is_running()
        self.closings.pop()()
        return True


def test_a_call_that_meets_the_closing_half_way_is_counted() -> None:
    closings: list[Callable[[], bool]] = []
    Closing.closings = closings
    pipeline = Closing(load(None, {}, {}), make_sink=lambda _: MemorySink())
    pipeline.submit(captured_call(0))
    assert pipeline.flush(LONG_S)
    closings.append(lambda: pipeline.close(LONG_S))
    pipeline.submit(captured_call(1))
    stats = pipeline.stats()
    assert (stats.sampled, stats.delivered, stats.in_flight, stats.dropped) == (2, 1, 0, {"exit": 1})


def test_threads_that_submit_while_it_closes_lose_no_count(start: Make) -> None:
    for _ in range(20):
        pipeline = start(MemorySink())
        begun = threading.Barrier(5)

        def submit_many(pipeline: Pipeline = pipeline, begun: threading.Barrier = begun) -> None:
            begun.wait(LONG_S)
            for number in range(50):
                pipeline.submit(captured_call(number))

        threads = [threading.Thread(target=submit_many) for _ in range(4)]
        for thread in threads:
            thread.start()
        begun.wait(LONG_S)
        pipeline.close(LONG_S)
        for thread in threads:
            thread.join()
        stats = pipeline.stats()
        assert (stats.sampled, stats.in_flight) == (200, 0)
        assert stats.balanced


def test_what_comes_too_late_for_a_pipeline_is_its_successor_s(start: Make) -> None:
    sink = MemorySink()
    successor = start(sink)
    closings: list[Callable[[], bool]] = []
    Closing.closings = closings
    pipeline = Closing(load(None, {}, {}), make_sink=lambda _: MemorySink())
    pipeline.submit(captured_call(0))
    assert pipeline.flush(LONG_S)
    closings.append(lambda: pipeline.close(LONG_S, successor.submit))
    assert pipeline.submit(captured_call(1))
    assert pipeline.submit(captured_call(2))
    assert successor.flush(LONG_S)
    assert [record["event_id"] for record in sink.records] == ["event-1", "event-2"]
    stats = pipeline.stats()
    assert (stats.sampled, stats.delivered, stats.in_flight, stats.dropped) == (1, 1, 0, {})
    assert (successor.stats().sampled, successor.stats().delivered) == (2, 2)


def test_what_a_pipeline_has_no_time_for_is_its_successor_s(start: Make) -> None:
    sink, stuck = MemorySink(), HeldSink()
    successor, pipeline = start(sink), start(stuck)
    stuck.is_stuck = True
    for number in range(5):
        pipeline.submit(captured_call(number))
    assert stuck.in_send.wait(LONG_S)
    before = set(delivery_threads())
    pipeline.close(0, successor.submit)
    assert (pipeline.stats().sampled, pipeline.stats().dropped) == (1, {"exit": 1})
    assert successor.flush(LONG_S)
    stuck.release.set()
    wait_until(lambda: len(before - set(delivery_threads())) == 1, "the end of the thread that was stuck")
    assert [record["event_id"] for record in sink.records] == [f"event-{number}" for number in range(1, 5)]
    assert (pipeline.stats().sampled, pipeline.stats().dropped) == (1, {"exit": 1})


def test_threads_that_submit_while_it_is_succeeded_lose_no_call(start: Make) -> None:
    for _ in range(20):
        sinks = [MemorySink(), MemorySink(), MemorySink()]
        first, second, third = (start(sink) for sink in sinks)
        begun = threading.Barrier(5)

        def submit_many(pipeline: Pipeline = first, begun: threading.Barrier = begun) -> None:
            begun.wait(LONG_S)
            for number in range(50):
                assert pipeline.submit(captured_call(number))

        threads = [threading.Thread(target=submit_many) for _ in range(4)]
        for thread in threads:
            thread.start()
        begun.wait(LONG_S)
        first.close(LONG_S, second.submit)
        second.close(LONG_S, third.submit)
        for thread in threads:
            thread.join()
        assert third.flush(LONG_S)
        assert sum(len(sink.records) for sink in sinks) == 200
        assert sum(pipeline.stats().sampled for pipeline in (first, second, third)) == 200


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # that it dies is the point
def test_a_thread_that_died_is_replaced(start: Make) -> None:
    class Deadly(MemorySink):
        def send(self, outgoing: Outgoing, done: Done) -> bool:
            if not self.records:
                super().send(outgoing, done)
                raise SystemExit  # ends a thread silently, as nothing in here should
            return super().send(outgoing, done)

    sink = Deadly()
    before = set(delivery_threads())
    pipeline = start(sink)
    pipeline.submit(captured_call(0))
    wait_until(lambda: set(delivery_threads()) <= before, "the thread to die")
    pipeline.submit(captured_call(1))
    assert pipeline.flush(LONG_S)
    assert [record["event_id"] for record in sink.records] == ["event-0", "event-1"]


def test_a_process_that_can_start_no_thread_counts_the_call() -> None:
    outcomes: list[Any] = [RuntimeError("can't start new thread"), None]

    class Thread(threading.Thread):
        def start(self) -> None:
            if (outcome := outcomes.pop(0)) is not None:
                raise outcome
            super().start()

    pipeline = Pipeline(load(None, {}, {}), make_sink=lambda _: MemorySink(), new_thread=Thread)
    assert not pipeline.submit(captured_call(0))
    assert pipeline.submit(captured_call(1))
    assert pipeline.close(LONG_S)
    assert pipeline.stats().dropped == {"no_thread": 1}
    assert pipeline.stats().delivered == 1


class EagerSink(HeldSink):
    """Acknowledges when it is pushed, and only then; notes how long it was waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.waits_s: list[float] = []

    def poll(self, timeout_s: float) -> None:
        self.waits_s.append(timeout_s)

    def push(self, timeout_s: float) -> None:
        del timeout_s
        while self.held:
            self.held.pop()(None)


def test_while_acknowledgements_are_due_a_new_call_is_worked_on_at_once(start: Make) -> None:
    sink = EagerSink()
    pipeline = start(sink)
    for number in range(20):
        pipeline.submit(captured_call(number))
        wait_until(lambda number=number: len(sink.held) == number + 1, "the call to be sent")
    # Nothing but new calls was waited for: whoever waits for an acknowledgement does not see them come.
    assert set(sink.waits_s) == {0.0}
    assert pipeline.stats().delivered == 0


def test_a_flush_does_not_wait_for_a_fuller_batch(start: Make) -> None:
    sink = EagerSink()
    pipeline = start(sink)
    pipeline.submit(captured_call(1))
    sink.in_send.wait(LONG_S)
    assert pipeline.stats().delivered == 0
    assert pipeline.flush(LONG_S)
    assert pipeline.stats().delivered == 1


def test_however_a_signal_interrupts_the_start_of_the_thread_the_next_call_starts_one() -> None:
    before = set(delivery_threads())
    number, was_struck = 0, True
    while was_struck:
        number += 1
        pipeline = Pipeline(load(None, {}, {}), make_sink=lambda _: MemorySink())
        was_struck = is_struck(Pipeline._has_thread, number, pipeline._has_thread)
        pipeline.submit(captured_call(0))
        assert pipeline.flush(LONG_S), number
        assert pipeline.close(LONG_S)
        wait_until(lambda: set(delivery_threads()) <= before, "every thread to end")
    assert number > 3
