"""Putting the rollout consumer together from a configuration."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from headrace.config import Config
from headrace_consumers.balancing.adapting import adapt, keep_adapting
from headrace_consumers.balancing.examples import examples_of
from headrace_consumers.balancing.planning import Limits, Planned
from headrace_consumers.kill_points import hook_from_environment
from headrace_consumers.monitoring.broker_silence import BrokerSilence
from headrace_consumers.monitoring.guard import Guard
from headrace_consumers.monitoring.server import serve
from headrace_consumers.rollout.desk import Desk, look
from headrace_consumers.rollout.evidence_reader import EvidenceReader
from headrace_consumers.rollout.intake import FeedbackIntake, Intake, StatisticsIntake
from headrace_consumers.rollout.loop import Clocks, Loop
from headrace_consumers.rollout.standing import Standing
from headrace_consumers.rollout.steps import Step
from headrace_consumers.rollout.web import Web
from headrace_schemas import Registry

__all__ = ["run"]

log = structlog.get_logger("headrace.rollout")


def run(
    config: Config,
    *,
    stop: threading.Event,
    on_listening: Callable[[int], None] = lambda _: None,
    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
) -> None:
    """Decide rollouts by the statistics on Kafka, and answer probes and scrapes, until `stop` is set.

    Args:
        config: the whole configuration; a broker is set.
        stop: set it to end.
        on_listening: told the port.
        now_ms: Unix time, by which stages last.

    Raises:
        HeadraceError: one line that says what, where and what to do. Nothing is lost by it.
    """
    guard = Guard(config)
    registry = Registry([Path(config.schemas.path)] if config.schemas.path else [])
    topics = config.kafka.topics
    intakes: list[Intake[Any]] = [StatisticsIntake(topics.statistics, registry, config.metrics.max_producers)]
    if config.rollout.feedback:
        intakes.append(FeedbackIntake(topics.feedback, registry))

    def counts() -> tuple[dict[str, int], dict[tuple[str, str], int]]:
        unreadable = {(each.topic, reason): count for each in intakes for reason, count in each.unreadable.items()}
        return {each.topic: each.read for each in intakes}, unreadable

    silence = BrokerSilence()
    rates = Counter[str]()
    web = Web(time.monotonic, rates)
    acts = threading.Event()

    def tell(standing: Standing) -> None:
        (acts.set if standing.is_acting else acts.clear)()
        web.tell(standing)

    desk = Desk(config, is_command=False, hook=hook_from_environment(steps=list(Step)))
    reader = EvidenceReader(config, intakes, now_ms, silence.options)
    loop = Loop(
        desk=desk,
        reader=reader,
        clocks=Clocks(time.monotonic, now_ms, stop.wait),
        look_s=config.rollout.look_s,
        stand_in_after_s=config.rollout.stand_in_after_s,
        look_at_state=lambda: look(config).state,
        on_standing=tell,
        counts=counts,
        kafka_silent_s=lambda: silence.seconds,
    )
    rollout = config.rollout
    names = {"setting": "rollout.port", "host_setting": "rollout.host"}
    with serve(web.answer, rollout.host, rollout.port, **names, guard=guard) as port:
        scheme = "http" if config.web.certificate is None else "https"
        log.info("serving", address=f"{scheme}://{rollout.host}:{port}/metrics")
        on_listening(port)
        _adapt_rates(config, stop, acts, rates, now_ms)
        try:
            loop.run(stop)
        finally:
            stop.set()
            desk.close()
            reader.close()


def _adapt_rates(
    config: Config, stop: threading.Event, acts: threading.Event, rates: Counter[str], now_ms: Callable[[], int]
) -> None:
    """Order sampling rates beside the loop, in a thread of their own: reading the table must hold up no decision."""
    sampling = config.rollout.sampling
    if sampling.budget_per_s is None:
        return
    limits = Limits(
        budget_per_s=sampling.budget_per_s,
        wanted=sampling.examples,
        least_pct=sampling.least_pct,
        most_pct=sampling.most_pct,
    )

    def once() -> list[Planned]:
        return adapt(config, limits, sampling.window_s, lambda: examples_of(config, log.warning), now_ms=now_ms())

    def keep() -> None:
        keep_adapting(
            once,
            every_s=sampling.every_s,
            stop=stop,
            is_our_turn=acts.is_set,
            on_row=lambda what: rates.update([what]),
        )

    # A daemon: a table that does not answer holds up no end.
    threading.Thread(target=keep, name="headrace-sampling", daemon=True).start()
