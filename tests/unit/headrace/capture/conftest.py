"""Capture at a rate into a list, put back afterwards; an offline LM for every test."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

import dspy
import pytest

from headrace import runtime
from headrace.config import load
from tests.unit.headrace.capture.offline import KeepingPipeline, OfflineLM

At = Callable[[float], AbstractContextManager[KeepingPipeline]]


@contextmanager
def capturing(rate_pct: float, *, enabled: bool = True) -> Iterator[KeepingPipeline]:
    pipeline = KeepingPipeline()
    config = load(None, {"telemetry": {"enabled": enabled, "sampling_rate_pct": rate_pct}}, {})
    previous = runtime.swap(runtime.Runtime(config, pipeline))
    try:
        yield pipeline
    finally:
        runtime.swap(previous)


@pytest.fixture(autouse=True)
def _offline() -> Iterator[None]:
    with dspy.context(lm=OfflineLM(), adapter=dspy.ChatAdapter(), callbacks=[]), capturing(100, enabled=False):
        yield


@pytest.fixture
def everything() -> Iterator[KeepingPipeline]:
    """Capture at 100%; at the end the ledger balances and nothing failed inside."""
    with capturing(100) as pipeline:
        yield pipeline
    assert pipeline.failures == []
    assert pipeline.stats().balanced


@pytest.fixture
def at() -> Iterator[At]:
    """Capture at any rate, in percent, until the test ends."""
    with ExitStack() as stack:
        yield lambda rate_pct: stack.enter_context(capturing(rate_pct))
