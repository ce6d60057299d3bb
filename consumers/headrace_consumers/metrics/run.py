"""Putting the metrics consumer together from a configuration."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from headrace.config import Config
from headrace_consumers.kafka_clients import close_consumer
from headrace_consumers.metrics.counting import StatisticsCounting
from headrace_consumers.metrics.labels import Labels
from headrace_consumers.metrics.loop import Loop
from headrace_consumers.metrics.offsets import Offsets, make_consumer
from headrace_consumers.metrics.samples import SampleCounting, cost_bounds
from headrace_consumers.metrics.state import State
from headrace_consumers.metrics.totals import Totals
from headrace_consumers.metrics.web import Web
from headrace_consumers.monitoring.broker_silence import BrokerSilence
from headrace_consumers.monitoring.guard import Guard
from headrace_consumers.monitoring.server import serve
from headrace_consumers.statistics.series import Key
from headrace_schemas import Registry

__all__ = ["run"]

_LEAVE_S: Final = 3.0

log = structlog.get_logger("headrace.metrics")


def run(
    config: Config,
    *,
    stop: threading.Event,
    idle_exit_s: float | None = None,
    on_listening: Callable[[int], None] = lambda _: None,
) -> None:
    """Count statistics and sampled records, and answer scrapes, until `stop` is set.

    Args:
        config: the whole configuration; a broker is set.
        stop: set it to leave the group and end.
        idle_exit_s: also end when nothing has come for so long.
        on_listening: told the port.

    Raises:
        HeadraceError: one line that says what, where and what to do. Nothing is lost by it.
    """
    guard = Guard(config)
    registry = Registry([Path(config.schemas.path)] if config.schemas.path else [])
    topics = config.kafka.topics
    totals = Totals()

    def on_silent(key: Key) -> None:
        totals.drop(key)
        if samples is not None:
            samples.forget(key)

    labels = Labels(time.monotonic, max_series=config.metrics.max_series, on_silent=on_silent)
    statistics = StatisticsCounting(
        topics.statistics, totals, labels, _now_ms, registry=registry, max_producers=config.metrics.max_producers
    )
    bounds_usd = cost_bounds(config.quality_thresholds.max_cost_p99_usd)
    samples: SampleCounting | None = None
    if config.metrics.samples:
        samples = SampleCounting(topics.interactions, totals, labels, _now_ms, bounds_usd=bounds_usd, registry=registry)
    state = State(totals, statistics, samples, labels.overflow)
    loop: Loop | None = None
    offsets: Offsets | None = None

    silence = BrokerSilence()
    consumer = make_consumer(
        config,
        **silence.options,
        error_cb=lambda error: loop.on_error(error) if loop is not None else None,
        on_commit=lambda error, places: offsets.on_commit(error, places) if offsets is not None else None,
    )
    offsets = Offsets(consumer, _now_ms)
    web = Web(state, offsets, time.monotonic, _now_ms, bounds_usd)
    read = [topics.statistics] if samples is None else [topics.statistics, topics.interactions]
    loop = Loop(
        consumer=consumer,
        topics=read,
        recalled=[topics.statistics],
        state=state,
        offsets=offsets,
        clock=time.monotonic,
        on_standing=web.tell,
        kafka_silent_s=lambda: silence.seconds,
    )
    metrics = config.metrics
    names = {"setting": "metrics.port", "host_setting": "metrics.host"}
    with serve(web.answer, metrics.host, metrics.port, **names, guard=guard) as port:
        scheme = "http" if config.web.certificate is None else "https"
        log.info("serving", address=f"{scheme}://{metrics.host}:{port}/metrics", topics=read)
        on_listening(port)
        try:
            loop.run(stop, idle_exit_s)
        finally:
            stop.set()
            close_consumer(consumer, _LEAVE_S)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
