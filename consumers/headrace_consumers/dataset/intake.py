"""One topic into one table until it is told to stop, whatever is made of its messages.

admitted -> loop -> fenced: a loop from the table on, anew | offsets gone: admitted again | stopped: the end
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Final

import structlog
from confluent_kafka import KafkaError, TopicPartition

from headrace.config import Config
from headrace_consumers.dataset.batches import BatchCommitter, BatchLimits
from headrace_consumers.dataset.delta.facts import read_facts
from headrace_consumers.dataset.delta.known_topics import KnownTopic
from headrace_consumers.dataset.delta.layout import Layout
from headrace_consumers.dataset.delta.local_store import LocalStore
from headrace_consumers.dataset.delta.store import Store
from headrace_consumers.dataset.delta.store_at import store_of
from headrace_consumers.dataset.delta.table import InteractionTable
from headrace_consumers.dataset.errors import Fenced, OffsetsGoneError
from headrace_consumers.dataset.figures import Figures, TimedCommitter
from headrace_consumers.dataset.health import health_of
from headrace_consumers.dataset.judging.breaker import Breaker
from headrace_consumers.dataset.kafka.admin import TopicAdmin
from headrace_consumers.dataset.kafka.admission import admit
from headrace_consumers.dataset.kafka.assignment import Assignment
from headrace_consumers.dataset.kafka.kafka_errors import ClientErrors
from headrace_consumers.dataset.kafka.source import make_consumer, make_dead_letter_producer
from headrace_consumers.dataset.kafka.watch import TopicWatch
from headrace_consumers.dataset.landing import Landing
from headrace_consumers.dataset.last_words import telling_of_the_breaker
from headrace_consumers.dataset.loop import Loop
from headrace_consumers.dataset.seen.index import Index
from headrace_consumers.dataset.status import Status
from headrace_consumers.dataset.steps import Hook
from headrace_consumers.dataset.tally import Tally
from headrace_consumers.dataset.upkeep.host_clock import HostClock
from headrace_consumers.dataset.upkeep.upkeep import Forgetful, Upkeep, maintenances_of
from headrace_consumers.deadletters import KafkaDeadLetterWriter
from headrace_consumers.kafka_clients import close_consumer
from headrace_consumers.monitoring.broker_silence import BrokerSilence

__all__ = ["Control", "Intake"]

RECALLED_COMMITS: Final = 200
_CONSUMERS: Final = {"interactions": "dataset"}
"""Purpose of a topic -> its consumer's name, where they differ."""

log = structlog.get_logger("headrace.dataset")


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """How whoever runs a consumer steers it, and what it is told.

    Attributes:
        stop: set it to commit what is buffered, leave the group and end.
        idle_exit_s: also end when nothing has come for so long.
        on_progress: called with the tally so far, several times a second.
        on_status: called with how the loop stands, about twice a second.
        accept_gap: go on where Kafka no longer holds what the table has not read, or where the topic is another.
    """

    stop: threading.Event
    idle_exit_s: float | None = None
    on_progress: Callable[[Tally], None] | None = None
    on_status: Callable[[Status], None] | None = None
    accept_gap: bool = False


class Intake:
    """A topic that was admitted to its table.

    Args:
        config: of this consumer: its table, its group.
        purpose: of the topic, a name in `kafka.topics`.
        layout: the table's.
        hook: called around each step of a commit.
        control: see there.
        health_setting: the name of its health port in the configuration.

    Attributes:
        source: the topic.
        table: this member's handle.

    Raises:
        HeadraceError: one line that says what, where and what to do.
    """

    def __init__(
        self,
        config: Config,
        purpose: str,
        layout: Layout,
        hook: Hook,
        control: Control,
        *,
        health_setting: str = "health_port",
    ) -> None:
        self._config = config
        self._hook = hook
        self._control = control
        self._health_setting = health_setting
        self._topic = TopicAdmin(config, control.stop, purpose)
        self.source = self._topic.describe()
        store = store_of(config.dataset)
        self.table = InteractionTable(store, layout, sleep=control.stop.wait)
        self._known = self._admitted()
        self._figures = Figures(_CONSUMERS.get(purpose, purpose), self.source.topic, _disks(config, purpose, store))
        self._breaker = Breaker(config.dataset.dead_letter_limits, self.source.topic)
        self._breaker.recall(filter(None, map(read_facts, reversed(self.table.history(RECALLED_COMMITS)))))

    def run(
        self,
        total: Tally,
        index: Index,
        make_committer: Callable[[Landing], BatchCommitter],
        *,
        side_tables: Sequence[InteractionTable] = (),
        forgetful: Forgetful | None = None,
    ) -> None:
        """Consume until told to stop.

        Args:
            total: what was committed is added to it.
            index: derived from the table.
            make_committer: given what lands its batches.
            side_tables: kept healthy beside the table.
            forgetful: the seen-set; None: there is none.

        Raises:
            HeadraceError: nothing is lost by it.
        """
        config, control = self._config, self._control
        tables = [self.table, *side_tables]
        gone_at = -1
        figures = self._figures
        host_clock = HostClock.of_this_host(config.dataset.maintenance.keep_replaced_h)
        shown_s = config.dataset.dead_letter_limits.shown_s if config.dataset.health_port is not None else 0.0
        with (
            health_of(config, time.monotonic, figures, self._health_setting) as health,
            telling_of_the_breaker(figures, control.stop.wait, shown_s),
        ):

            def tell(status: Status) -> None:
                figures.note_tally(total)
                figures.note_tables(upkeep.health())
                figures.note_seen(index.facts)
                health.tell(status)
                if control.on_status is not None:
                    control.on_status(status)

            while True:
                upkeep = Upkeep(
                    maintenances_of(tables, config.dataset, self._hook, host_clock),
                    self.table,
                    forgetful,
                    time.monotonic,
                )
                with self._loop(total, index, make_committer, upkeep, tell) as loop:
                    try:
                        loop.run(control.stop, control.idle_exit_s)
                    except Fenced as fenced:
                        log.warning("fenced, starting again from the table", reason=str(fenced))
                        figures.note_fence()
                    except OffsetsGoneError:
                        commits = total.commits
                        self._known = self._admitted()  # says which, or passes over
                        if gone_at == commits:
                            raise
                        gone_at = commits
                    else:
                        break

    def _admitted(self) -> KnownTopic:
        return admit(self.source, self.table, self._topic, accept_gap=self._control.accept_gap, now=_now)

    @contextlib.contextmanager
    def _loop(
        self,
        total: Tally,
        index: Index,
        make_committer: Callable[[Landing], BatchCommitter],
        upkeep: Upkeep,
        on_status: Callable[[Status], None],
    ) -> Iterator[Loop]:
        config = self._config
        dead_letters = KafkaDeadLetterWriter(
            lambda: make_dead_letter_producer(config),
            config.kafka.topics.dead_letters,
            is_hurried=self._control.stop.is_set,
        )
        client_errors = ClientErrors()
        silence = BrokerSilence()
        consumer = make_consumer(config, error_cb=client_errors, on_commit=_on_commit, **silence.options)
        topic_watch = TopicWatch(self._topic, self._known, self.table.path, clock=time.monotonic)

        def landing(report_offsets: Callable[[Mapping[int, int]], None]) -> BatchCommitter:
            committer = make_committer(
                Landing(
                    source=self.source,
                    table=self.table,
                    dead_letters=dead_letters,
                    report_offsets=report_offsets,
                    breaker=self._breaker,
                    insist_on_topic=topic_watch.look_now,
                    consumer_name=f"{config.dataset.group_id} headrace/{metadata.version('headrace')}",
                    hook=self._hook,
                )
            )
            return TimedCommitter(committer, time.monotonic, self._figures.note_commit)

        loop = Loop(
            consumer=consumer,
            source=self.source,
            assignment=Assignment(
                consumer, self.source, self._known, self.table, note_rebalance=self._figures.note_rebalance
            ),
            client_errors=client_errors,
            topic_watch=topic_watch,
            table=self.table,
            index=index,
            make_committer=landing,
            limits=BatchLimits(
                max_records=config.dataset.max_batch_records,
                max_bytes=int(config.dataset.max_batch_mb * 1e6),
                interval_s=config.dataset.commit_interval_s,
                give_up_after_s=config.dataset.give_up_after_s,
            ),
            tally=total,
            clock=time.monotonic,
            on_progress=self._control.on_progress or (lambda _: None),
            on_status=on_status,
            upkeep=upkeep,
            kafka_silent_s=lambda: silence.seconds,
        )
        try:
            yield loop
        finally:
            upkeep.close()
            close_consumer(consumer)
            dead_letters.close()


def _disks(config: Config, purpose: str, store: Store) -> dict[str, Path]:
    """Return the folders whose disk may fill up: of a local table, and of the seen-set, which feedback has not."""
    table = {"dataset": Path(config.dataset.path)} if isinstance(store, LocalStore) else {}
    return table | ({"state": Path(config.dataset.state_path)} if purpose == "interactions" else {})


def _on_commit(error: KafkaError | None, places: Sequence[TopicPartition]) -> None:
    if error is not None:
        offsets = {place.partition: place.offset for place in places}
        log.warning("offsets not reported to Kafka", offsets=offsets, reason=error.str())


def _now() -> datetime:
    return datetime.now(UTC)
