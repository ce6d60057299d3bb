"""For tests of programs that use Headrace: no broker, no file, no thread left behind.

from headrace.testing import capture

def test_my_program_is_captured():
    with capture() as captured:
        program(question="why?")
    assert captured.records[0]["module_name"] == "support"

def test_feedback_reaches_the_record_of_its_request():
    with capture() as captured:
        reply_and_rate(request_id="r-1")
        assert captured.feedback[0]["request_id"] == "r-1"

def test_every_call_is_counted_though_few_are_sampled():
    with capture(telemetry={"sampling_rate_pct": 0}) as captured:
        program(question="why?")
    assert captured.statistics[-1]["calls"][0]["calls"] == 1

def test_my_program_survives_a_broken_broker():
    with capture() as captured:
        captured.fail_with = "kafka:_MSG_TIMED_OUT"
        program(question="why?")
    assert captured.records == []

With pytest there is a fixture for the same: `headrace.testing.pytest`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from headrace.config import load
from headrace.delivery import MemorySink, Pipeline
from headrace.runtime import Runtime, swap

if TYPE_CHECKING:
    from headrace_schemas import Feedback, Interaction, Statistics

__all__ = ["Captured", "MemorySink", "capture"]

_FLUSH_S = 10.0


class Captured:
    """What was captured in a `capture` block; records are as Kafka would get them, redacted and cut.

    Args:
        sink: where records go.
        pipeline: what sends them there.
    """

    def __init__(self, sink: MemorySink, pipeline: Pipeline) -> None:
        self._sink = sink
        self._pipeline = pipeline

    @property
    def records(self) -> "list[Interaction]":
        """The interactions of all calls that have ended, in their order."""
        self._complete()
        return self._sink.records

    @property
    def feedback(self) -> "list[Feedback]":
        """All feedback that was given, in its order."""
        self._complete()
        return self._sink.feedback

    @property
    def statistics(self) -> "list[Statistics]":
        """The counters, published by `headrace.flush()` and at the block's end; the last replaces all others."""
        return self._sink.statistics

    @property
    def fail_with(self) -> str | None:
        """While this is a reason, records are lost for it, as with a broker that refuses them; may be set."""
        return self._sink.fail_with

    @fail_with.setter
    def fail_with(self, reason: str | None) -> None:
        self._complete()
        self._sink.fail_with = reason

    def _complete(self) -> None:
        if self._pipeline.stats().in_flight:
            self._pipeline.flush(_FLUSH_S)


@contextmanager
def capture(*, redactors: Sequence[Callable[[str], str]] = (), **overrides: Any) -> Iterator[Captured]:
    """Capture every call inside into memory.

    The configuration in place before is back afterwards. Files and environment variables play no part. Inside,
    `headrace.stats()` tells of this block only.

    Args:
        redactors: as in `headrace.configure`.
        **overrides: sections of the configuration, as in `headrace.configure`; capture is on, at 100%, by default.

    Raises:
        ConfigError: see `headrace.configure`.
    """
    # Into memory everything goes at once, so no exit bounds what may wait.
    telemetry = {"enabled": True, "sampling_rate_pct": 100, "exit_timeout_s": _FLUSH_S}
    telemetry |= overrides.pop("telemetry", {})
    config = load(None, {**overrides, "telemetry": telemetry}, {})
    sink = MemorySink()
    pipeline = Pipeline(config, make_sink=lambda _: sink, make_spool=lambda *_: None, redactors=redactors)
    previous = swap(Runtime(config, pipeline))
    try:
        yield Captured(sink, pipeline)
    finally:
        swap(previous)
        pipeline.close(_FLUSH_S)
