"""A service's own redactors: bounded, counted, and never in the way of the records after them."""

import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import headrace
from headrace.config import load
from headrace.delivery import MemorySink, Pipeline
from headrace.redaction import OwnRedactors, RedactorError
from headrace.testing import capture
from tests.support.waiting import wait_until
from tests.unit.headrace.calls import captured_call

LONG_S = 30.0
SHORT_S = 0.02


class Hanging:
    """Hangs on every text with "hang" in it until it is released."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.entered = 0

    def __call__(self, text: str) -> str:
        if "hang" in text:
            self.entered += 1
            self.release.wait(LONG_S)
        return text.replace("cust-7", "[CUSTOMER]")


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    redactor = Hanging()
    yield redactor
    redactor.release.set()


def failing(text: str) -> str:
    raise ValueError(text)


def test_every_text_is_given_to_each_in_order_and_the_rest_is_left_alone() -> None:
    own = OwnRedactors([str.upper, lambda text: text + "!"], LONG_S)
    assert own.apply([{"a": ["b", 1, None, 2.5, True]}, ("c",), None]) == [
        {"A!": ["B!", 1, None, 2.5, True]},
        ("C!",),
        None,
    ]


def test_keys_that_become_equal_are_told_apart() -> None:
    assert OwnRedactors([lambda _: "x"], LONG_S).apply({"b": 1, "a": 2}) == {"x#2": 1, "x": 2}


@pytest.mark.parametrize("redactor", [failing, lambda text: None, lambda text: exec("raise SystemExit")])  # noqa: ARG005
def test_one_that_raises_or_returns_no_text_fails_and_the_message_quotes_nothing(redactor: Any) -> None:
    own = OwnRedactors([redactor], LONG_S)
    for _ in range(2):
        with pytest.raises(RedactorError) as caught:
            own.apply("tulip")
        assert caught.value.reason == "redactor_failed"
        assert "tulip" not in str(caught.value)
        assert "test_own_redactors" in str(caught.value)


def test_one_that_hangs_is_given_up_and_the_next_record_has_a_new_thread(hanging: Hanging) -> None:
    own = OwnRedactors([hanging], SHORT_S)
    with pytest.raises(RedactorError) as caught:
        own.apply("hang")
    assert caught.value.reason == "redactor_slow"
    assert OwnRedactors([hanging], LONG_S).apply("cust-7") == "[CUSTOMER]"
    own._timeout_s = LONG_S
    assert own.apply("cust-7") == "[CUSTOMER]"


def test_one_that_ended_only_after_the_bound_is_slow_though_nobody_could_see_it_meanwhile() -> None:
    """So does a regular expression, which holds Python's lock, and with it the thread that waits for the bound."""
    now_s = [100.0]
    took_s = [0.5]

    def holds_the_lock(text: str) -> str:
        now_s[0] += took_s[0]
        return text

    own = OwnRedactors([holds_the_lock], LONG_S, clock=lambda: now_s[0])
    assert own.apply("a") == "a"
    took_s[0] = LONG_S / 2 + 1
    with pytest.raises(RedactorError, match="holds_the_lock took over 30 s") as caught:
        own.apply(["two", "texts of one record"])
    assert caught.value.reason == "redactor_slow"
    assert own.apply("a") == "a"


class Threads:
    """Makes threads and remembers them."""

    def __init__(self) -> None:
        self.made: list[threading.Thread] = []

    def __call__(self, **options: Any) -> threading.Thread:
        self.made.append(threading.Thread(**options))
        return self.made[-1]

    @property
    def running(self) -> int:
        return sum(thread.is_alive() for thread in self.made)


def test_where_several_hang_no_further_thread_is_started_until_one_returns(hanging: Hanging) -> None:
    threads = Threads()
    own = OwnRedactors([hanging], SHORT_S, new_thread=threads)
    for _ in range(20):
        with pytest.raises(RedactorError, match=r"calls of .*Hanging hang|Hanging took over") as caught:
            own.apply("hang")
        assert caught.value.reason == "redactor_slow"
    assert hanging.entered == threads.running == len(threads.made) == 4
    hanging.release.set()
    wait_until(lambda: threads.running == 0, "the threads' end")
    own._timeout_s = LONG_S
    assert own.apply("cust-7") == "[CUSTOMER]"


def test_one_thread_serves_all_records_and_none_is_there_without_redactors() -> None:
    threads = Threads()
    value = {"a": 1}
    assert OwnRedactors([], LONG_S, new_thread=threads).apply(value) is value
    assert not threads.made
    own = OwnRedactors([str.upper], LONG_S, new_thread=threads)
    assert [own.apply("a"), own.apply("b")] == ["A", "B"]
    assert len(threads.made) == 1
    assert threads.made[0].daemon
    del own
    wait_until(lambda: threads.running == 0, "the end of the thread with its owner")


def test_where_no_thread_can_be_started_the_record_fails() -> None:
    def refuse(**_: Any) -> threading.Thread:
        raise RuntimeError("can't start new thread")

    with pytest.raises(RedactorError) as caught:
        OwnRedactors([str.upper], LONG_S, new_thread=refuse).apply("a")
    assert caught.value.reason == "redactor_failed"


def run(
    redactors: list[Callable[[str], str]], questions: list[str], timeout_s: float = LONG_S
) -> tuple[MemorySink, Any]:
    sink = MemorySink()
    config = load(None, {"redaction": {"redactor_timeout_s": timeout_s}}, {})
    pipeline = Pipeline(config, make_sink=lambda _: sink, redactors=redactors)
    for number, question in enumerate(questions):
        assert pipeline.submit(captured_call(number, input={"question": question}))
    assert pipeline.flush(LONG_S)
    stats = pipeline.stats()
    pipeline.close(1)
    assert stats.balanced
    return sink, stats


def test_records_on_which_a_redactor_fails_are_dropped_counted_and_told_of(caplog: pytest.LogCaptureFixture) -> None:
    def picky(text: str) -> str:
        return failing(text) if "tulip" in text else text

    with caplog.at_level(logging.WARNING, "headrace"):
        sink, stats = run([picky], ["rose", "tulip", "lily"])
    assert [record["event_id"] for record in sink.records] == ["event-0", "event-2"]
    assert stats.dropped == {"redactor_failed": 1}
    assert "picky raised ValueError" in caplog.text
    assert "tulip" not in caplog.text


def test_a_redactor_that_hangs_does_not_keep_the_other_records(hanging: Hanging) -> None:
    sink, stats = run([hanging], ["hang", "cust-7", *["hang"] * 6], SHORT_S * 10)
    assert [record["input"] for record in sink.records] == ['{"question":"[CUSTOMER]"}']
    assert stats.dropped == {"redactor_slow": 7}


class Spy(str):
    """A text that remembers on which threads it was looked at."""

    __slots__ = ()
    threads: set[str] = set()  # noqa: RUF012

    def lower(self) -> str:
        Spy.threads.add(threading.current_thread().name)
        return str.lower(self)


def test_nothing_is_redacted_on_the_callers_thread() -> None:
    own_threads: set[str] = set()

    def own(text: str) -> str:
        own_threads.add(threading.current_thread().name)
        return text

    Spy.threads.clear()
    run([], [Spy("mail jane@example.com")])
    assert Spy.threads == {"headrace"}
    run([own], ["mail jane@example.com"])
    assert own_threads == {"headrace-redactors"}


class Failing(str):
    """A text on which the rules fail."""

    __slots__ = ()

    def lower(self) -> str:
        raise MemoryError


PERSONAL = "jane@example.com"
PIECES = st.sampled_from(["well", "own raises", "own returns bytes", "rules fail", "no json", "nesting bomb"])


@given(st.lists(PIECES, min_size=1, max_size=8), st.sampled_from(["input", "output", "attributes", "error"]))
def test_whatever_fails_in_finishing_no_record_leaves_unredacted(pieces: list[str], place: str) -> None:
    def own(text: str) -> Any:
        if "raises" in text:
            raise KeyError(text)
        return text.encode() if "bytes" in text else text

    bomb: Any = PERSONAL
    for _ in range(200):
        bomb = [bomb]
    sink = MemorySink()
    pipeline = Pipeline(load(None, {}, {}), make_sink=lambda _: sink, redactors=[own])
    for number, piece in enumerate(pieces):
        text: Any = f"{piece} {PERSONAL}"
        value = {"no json": {1, PERSONAL}, "nesting bomb": bomb, "rules fail": Failing(text)}.get(piece, text)
        changes = {place: value if place == "error" else {"x": value}}
        pipeline.submit(captured_call(number, **changes))
    assert pipeline.flush(LONG_S)
    stats = pipeline.stats()
    pipeline.close(1)
    assert PERSONAL not in repr(sink.records)
    assert stats.delivered == len(sink.records)
    assert stats.balanced
    assert pieces.count("well") <= stats.delivered


def test_configure_takes_redactors_and_refuses_what_cannot_be_called() -> None:
    with pytest.raises(headrace.UsageError, match="redactors: found str, expected a callable"):
        headrace.configure(redactors=["my.module:function"])  # type: ignore[list-item]
    with capture(redactors=[str.upper]) as captured:
        headrace.feedback("r-1", comment="thanks")
    assert [record["comment"] for record in captured.feedback] == ["THANKS"]


def test_a_thread_that_python_takes_for_dead_goes_on() -> None:
    """As `is_alive` does ever after, once a signal has interrupted it."""
    threads = Threads()
    own = OwnRedactors([str.upper], LONG_S, new_thread=threads)
    assert own.apply("a") == "A"
    threads.made[0].is_alive = lambda: False  # type: ignore[method-assign]
    assert own.apply("b") == "B"
    assert len(threads.made) == 1
