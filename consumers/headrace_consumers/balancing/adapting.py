"""A round of adaptive sampling on Kafka: what modules did and what examples there are become orders.

statistics of the last minutes, examples --planning--> orders and orders taken back --> control topic
"""

import threading
from collections.abc import Callable, Mapping
from typing import TypeAlias

import structlog

from headrace.config import Config
from headrace.control import SamplingOrder
from headrace_consumers.balancing.observing import Observed, observed
from headrace_consumers.balancing.planning import Limits, Planned, is_ours, planned, taken_back
from headrace_consumers.balancing.rates import Demand
from headrace_consumers.control import ControlTopic
from headrace_consumers.topics.reading import TopicReader
from headrace_schemas import HeadraceError

__all__ = ["Examples", "adapt", "keep_adapting", "take_all_back"]

Examples: TypeAlias = Callable[[], Mapping[tuple[str, str], int]]
"""Returns environment and signature -> examples that there are."""

log = structlog.get_logger("headrace.sampling")


def adapt(
    config: Config, limits: Limits, window_s: float, examples: Examples, *, now_ms: int, dry_run: bool = False
) -> list[Planned]:
    """Order what fits, take back what is no longer needed, and return what became of each module's rate.

    Args:
        config: the whole configuration.
        limits: what to keep to.
        window_s: calls are counted over so long.
        examples: counts what the table has.
        now_ms: Unix time.
        dry_run: order nothing.

    Raises:
        HeadraceError: Kafka or the table does not answer; orders that were given already hold.
    """
    reader = TopicReader(config, config.kafka.topics.statistics)
    found = [
        each for each in observed(reader.read(starts=reader.starts_at(now_ms - int(1000 * window_s)))) if each.calls
    ]
    there = examples()
    topic = ControlTopic(config)
    demands = [_demand(each, window_s, there) for each in found]
    rows = planned(demands, topic.read().orders.listed(), limits, now_ms)
    for row in rows:
        if row.order is not None and not dry_run:
            topic.write(row.order)
    return rows


def take_all_back(config: Config, now_ms: int) -> list[SamplingOrder]:
    """Take all orders back that were given here, and return them as they were.

    Raises:
        HeadraceError: Kafka does not answer.
    """
    topic = ControlTopic(config)
    ours = [order for order in topic.read().orders.listed() if is_ours(order)]
    for order in ours:
        topic.write(taken_back(order, now_ms))
    return ours


def keep_adapting(
    once: Callable[[], list[Planned]],
    *,
    every_s: float,
    stop: threading.Event,
    is_our_turn: Callable[[], bool],
    on_row: Callable[[str], None],
) -> None:
    """Do a round now and then until `stop` is set; what fails is told, and the next round may go well.

    Args:
        once: does a round.
        every_s: so often.
        stop: set it to end.
        is_our_turn: whether no other process does it now.
        on_row: told what became of each rate, and "failed" for a round that could not be done.
    """
    while not stop.wait(every_s):
        if not is_our_turn():
            continue
        try:
            rows = once()
        except HeadraceError as error:  # the orders that are in force stay
            log.warning("sampling rates are not adapted", reason=str(error))
            on_row("failed")
            continue
        for row in rows:
            on_row(row.what)
            if row.order is not None:
                log.info(
                    "sampling rate",
                    what=row.what,
                    scope=row.scope.name,
                    rate_pct=row.rate_pct,
                    before_pct=row.before_pct,
                )


def _demand(each: Observed, window_s: float, there: Mapping[tuple[str, str], int]) -> Demand:
    return Demand(
        environment=each.environment,
        service=each.service,
        module=each.module,
        calls_per_s=each.calls / window_s,
        failure_share=min(1.0, each.failures / each.calls),
        examples=min(there.get((each.environment, signature), 0) for signature in each.signatures),
        sampled_per_s=each.sampled / window_s,
    )
