"""Putting the dataset consumer together from a configuration, and starting anew when it is fenced."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Final

import structlog
from confluent_kafka import KafkaError, TopicPartition

from headrace.config import Config
from headrace.key_material import reading_keys
from headrace_consumers.dataset.admin import TopicAdmin
from headrace_consumers.dataset.admission import admit
from headrace_consumers.dataset.assignment import Assignment
from headrace_consumers.dataset.breaker import Breaker
from headrace_consumers.dataset.columnar import ColumnarDecoder
from headrace_consumers.dataset.commit import Committer
from headrace_consumers.dataset.decode import FastavroDecoder
from headrace_consumers.dataset.errors import Fenced, OffsetsGoneError, Stopped
from headrace_consumers.dataset.facts import read_facts
from headrace_consumers.dataset.filter import Filter
from headrace_consumers.dataset.health import health_of
from headrace_consumers.dataset.kafka_errors import ClientErrors
from headrace_consumers.dataset.known_topics import KnownTopic
from headrace_consumers.dataset.loop import BatchLimits, Loop
from headrace_consumers.dataset.member_folder import lock_member_folder
from headrace_consumers.dataset.memory import MemoryWatch
from headrace_consumers.dataset.rejection_watch import RejectionWatch
from headrace_consumers.dataset.seen_file import Origin
from headrace_consumers.dataset.seen_set import DuckDbSeenSet
from headrace_consumers.dataset.select import FrameDecoder
from headrace_consumers.dataset.side_tables import sightings_path
from headrace_consumers.dataset.sightings import SIGHTINGS
from headrace_consumers.dataset.sightings_table import SightingsTable
from headrace_consumers.dataset.source import Source, close_consumer, make_consumer, make_dead_letter_producer
from headrace_consumers.dataset.status import Status
from headrace_consumers.dataset.steps import Hook, hook_from_environment
from headrace_consumers.dataset.table import InteractionTable
from headrace_consumers.dataset.tally import Tally
from headrace_consumers.dataset.upkeep import Upkeep, maintenances_of
from headrace_consumers.dataset.watch import TopicWatch
from headrace_consumers.deadletters import KafkaDeadLetterWriter
from headrace_schemas import Registry

__all__ = ["run"]

RECALLED_COMMITS: Final = 200

log = structlog.get_logger("headrace.dataset")


def run(
    config: Config,
    *,
    stop: threading.Event,
    idle_exit_s: float | None = None,
    on_progress: Callable[[Tally], None] | None = None,
    on_status: Callable[[Status], None] | None = None,
    accept_gap: bool = False,
) -> Tally:
    """Consume interactions into the table until `stop` is set; return what became of them.

    Args:
        config: the whole configuration.
        stop: set it to commit what is buffered, leave the group and return.
        idle_exit_s: also stop when nothing has come for so long.
        on_progress: called with the tally so far, several times a second.
        on_status: called with how the loop stands, about twice a second.
        accept_gap: go on where Kafka no longer holds what the table has not read, or where the topic is another.

    Raises:
        HeadraceError: one line that says what, where and what to do. Nothing is lost by it.
    """
    total = Tally()
    with contextlib.suppress(Stopped):
        _run(
            config,
            total,
            stop,
            idle_exit_s=idle_exit_s,
            on_progress=on_progress,
            on_status=on_status,
            accept_gap=accept_gap,
        )
    return total


def _run(
    config: Config,
    total: Tally,
    stop: threading.Event,
    *,
    idle_exit_s: float | None,
    on_progress: Callable[[Tally], None] | None,
    on_status: Callable[[Status], None] | None,
    accept_gap: bool,
) -> None:
    hook = hook_from_environment()
    keys = reading_keys(config)
    filter_ = Filter(config.filters)
    registry = Registry([Path(config.schemas.path)] if config.schemas.path else [])
    topic = TopicAdmin(config, stop)
    source = topic.describe()
    table = InteractionTable(Path(config.dataset.path), sleep=stop.wait)
    known = admit(source, table, topic, accept_gap=accept_gap, now=_now)
    sightings = (
        InteractionTable(Path(sightings_path(config.dataset.path)), SIGHTINGS, sleep=stop.wait)
        if config.dataset.sightings
        else None
    )
    breaker = Breaker(config.dataset.dead_letter_limits, source.topic)
    breaker.recall(filter(None, map(read_facts, reversed(table.history(RECALLED_COMMITS)))))
    watch = RejectionWatch(time.monotonic)
    folder, lock = lock_member_folder(Path(config.dataset.state_path))
    with (
        lock,
        health_of(config, time.monotonic) as health,
        contextlib.closing(_seen_set(config, folder, table, source)) as seen,
    ):

        def tell(status: Status) -> None:
            health.tell(status)
            if on_status is not None:
                on_status(status)

        log.info("consuming", topic=source.topic, table=str(table.path), state=str(folder))
        gone_at = -1
        while True:
            with _loop(
                config,
                source=source,
                known=known,
                topic_watch=TopicWatch(topic, known, table.path, clock=time.monotonic),
                table=table,
                sightings=sightings,
                seen=seen,
                decoder=ColumnarDecoder(FastavroDecoder(registry, keys)),
                filter_=filter_,
                breaker=breaker,
                watch=watch,
                hook=hook,
                total=total,
                stop=stop,
                on_progress=on_progress,
                on_status=tell,
            ) as loop:
                try:
                    loop.run(stop, idle_exit_s)
                except Fenced as fenced:
                    log.warning("fenced, starting again from the table", reason=str(fenced))
                except OffsetsGoneError:
                    commits = total.commits
                    known = admit(source, table, topic, accept_gap=accept_gap, now=_now)  # says which, or passes over
                    if gone_at == commits:
                        raise
                    gone_at = commits
                else:
                    break


@contextlib.contextmanager
def _loop(
    config: Config,
    *,
    source: Source,
    known: KnownTopic,
    topic_watch: TopicWatch,
    table: InteractionTable,
    sightings: InteractionTable | None,
    seen: DuckDbSeenSet,
    decoder: FrameDecoder,
    filter_: Filter,
    breaker: Breaker,
    watch: RejectionWatch,
    hook: Hook,
    total: Tally,
    stop: threading.Event,
    on_progress: Callable[[Tally], None] | None,
    on_status: Callable[[Status], None],
) -> Iterator[Loop]:
    dead_letters = KafkaDeadLetterWriter(
        lambda: make_dead_letter_producer(config), config.kafka.topics.dead_letters, is_hurried=stop.is_set
    )
    client_errors = ClientErrors()
    consumer = make_consumer(config, error_cb=client_errors, on_commit=_on_commit)

    def make_committer(report_offsets: Callable[[Mapping[int, int]], None]) -> Committer:
        return Committer(
            source=source,
            table=table,
            seen=seen,
            decoder=decoder,
            filter_=filter_,
            dead_letters=dead_letters,
            report_offsets=report_offsets,
            sightings=None if sightings is None else SightingsTable(sightings, source),
            breaker=breaker,
            watch=watch,
            consumer_name=f"{config.dataset.group_id} headrace/{metadata.version('headrace')}",
            hook=hook,
        )

    tables = [table] if sightings is None else [table, sightings]
    upkeep = Upkeep(maintenances_of(tables, config.dataset, hook), table, seen, time.monotonic)
    loop = Loop(
        consumer=consumer,
        source=source,
        assignment=Assignment(consumer, source, known, table),
        client_errors=client_errors,
        topic_watch=topic_watch,
        table=table,
        seen=seen,
        make_committer=make_committer,
        limits=BatchLimits(
            max_records=config.dataset.max_batch_records,
            max_bytes=int(config.dataset.max_batch_mb * 1e6),
            interval_s=config.dataset.commit_interval_s,
            give_up_after_s=config.dataset.give_up_after_s,
        ),
        tally=total,
        clock=time.monotonic,
        on_progress=on_progress or (lambda _: None),
        on_status=on_status,
        upkeep=upkeep,
    )
    try:
        yield loop
    finally:
        upkeep.close()
        close_consumer(consumer)
        dead_letters.close()


def _on_commit(error: KafkaError | None, places: Sequence[TopicPartition]) -> None:
    if error is not None:
        offsets = {place.partition: place.offset for place in places}
        log.warning("offsets not reported to Kafka", offsets=offsets, reason=error.str())


def _now() -> datetime:
    return datetime.now(UTC)


def _seen_set(config: Config, folder: Path, table: InteractionTable, source: Source) -> DuckDbSeenSet:
    origin = Origin(table.id, source.topic_id, source.partition_count)
    return DuckDbSeenSet(folder, origin, MemoryWatch(config.dataset.seen_set_max_mb * 1e6))
