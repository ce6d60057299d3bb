"""For tests of programs that use Headrace.

from headrace.testing import capture

def test_my_program_is_captured():
    with capture() as captured:
        program(question="why?")
    assert captured.records[0]["module_name"] == "support"

def test_my_program_survives_a_broken_broker():
    with capture() as captured:
        captured.fail_with = "kafka:_MSG_TIMED_OUT"
        program(question="why?")
    assert captured.records == []
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from headrace.config import load
from headrace.delivery import MemorySink, Pipeline
from headrace.runtime import Runtime, swap

__all__ = ["MemorySink", "capture"]

_FLUSH_S = 10.0


@contextmanager
def capture(**overrides: Any) -> Iterator[MemorySink]:
    """Capture every call inside into memory; `records` is complete once the block has ended.

    The configuration in place before is back then. Files and environment variables play no part. Inside,
    `headrace.flush()` completes `records` up to there, and `headrace.stats()` tells of this block only.

    Args:
        **overrides: sections of the configuration, as in `headrace.configure`; capture is on, at 100%, by default.

    Raises:
        ConfigError: see `headrace.configure`.
    """
    telemetry = {"enabled": True, "sampling_rate_pct": 100, **overrides.pop("telemetry", {})}
    config = load(None, {**overrides, "telemetry": telemetry}, {})
    sink = MemorySink()
    pipeline = Pipeline(config, make_sink=lambda _: sink, make_spool=lambda *_: None)
    previous = swap(Runtime(config, pipeline))
    try:
        yield sink
    finally:
        swap(previous)
        pipeline.close(_FLUSH_S)
