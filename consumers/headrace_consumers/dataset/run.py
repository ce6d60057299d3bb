"""Putting the dataset consumer together from a configuration."""

import contextlib
import time
from pathlib import Path

import structlog

from headrace.config import Config
from headrace.key_material import reading_keys
from headrace_consumers.dataset.chunks import chunk_records_of
from headrace_consumers.dataset.commit import Committer
from headrace_consumers.dataset.delta.opening import is_table
from headrace_consumers.dataset.delta.rows import INTERACTIONS
from headrace_consumers.dataset.delta.store_at import store_at
from headrace_consumers.dataset.delta.table import InteractionTable
from headrace_consumers.dataset.errors import Stopped
from headrace_consumers.dataset.intake import Control, Intake
from headrace_consumers.dataset.judging.filter import Filter
from headrace_consumers.dataset.judging.rejection_watch import RejectionWatch
from headrace_consumers.dataset.landing import Landing
from headrace_consumers.dataset.records.columnar import ColumnarDecoder
from headrace_consumers.dataset.records.decode import FastavroDecoder
from headrace_consumers.dataset.seen.index import KeyIndex
from headrace_consumers.dataset.seen.member_folder import lock_member_folder
from headrace_consumers.dataset.seen.memory import MemoryWatch
from headrace_consumers.dataset.seen.seen_file import Origin
from headrace_consumers.dataset.seen.seen_set import DuckDbSeenSet
from headrace_consumers.dataset.side_tables import sightings_path
from headrace_consumers.dataset.sightings import SIGHTINGS
from headrace_consumers.dataset.sightings_table import SightingsTable
from headrace_consumers.dataset.steps import hook_from_environment
from headrace_consumers.dataset.tally import Tally
from headrace_schemas import Registry

__all__ = ["run", "side_tables"]

log = structlog.get_logger("headrace.dataset")


def run(config: Config, control: Control) -> Tally:
    """Consume interactions into the table until told to stop; return what became of them.

    Args:
        config: the whole configuration.
        control: see there.

    Raises:
        HeadraceError: one line that says what, where and what to do. Nothing is lost by it.
    """
    total = Tally()
    with contextlib.suppress(Stopped):
        _run(config, total, control)
    return total


def _run(config: Config, total: Tally, control: Control) -> None:
    hook = hook_from_environment()
    keys = reading_keys(config)
    filter_ = Filter(config.filters)
    registry = Registry([Path(config.schemas.path)] if config.schemas.path else [])
    intake = Intake(config, "interactions", INTERACTIONS, hook, control)
    table, source = intake.table, intake.source
    beside = side_tables(config, control)
    watch = RejectionWatch(time.monotonic)
    folder, lock = lock_member_folder(Path(config.dataset.state_path))
    origin = Origin(table.id, source.topic_id, source.partition_count)
    memory = MemoryWatch(config.dataset.seen_set_max_mb * 1e6)
    with lock, contextlib.closing(DuckDbSeenSet(folder, origin, memory)) as seen:

        def make_committer(landing: Landing) -> Committer:
            return Committer(
                landing=landing,
                source=source,
                seen=seen,
                decoder=ColumnarDecoder(FastavroDecoder(registry, keys)),
                filter_=filter_,
                sightings=SightingsTable(beside[0], source) if config.dataset.sightings else None,
                watch=watch,
                chunk_records=chunk_records_of(config.dataset.max_batch_records),
            )

        log.info("consuming", topic=source.topic, table=str(table.path), state=str(folder))
        index = KeyIndex(table, seen, source)
        intake.run(total, index, make_committer, side_tables=beside, forgetful=seen)


def side_tables(config: Config, control: Control) -> list[InteractionTable]:
    """Return the tables beside the dataset that are kept healthy with it: the sightings, first."""
    store = store_at(sightings_path(config.dataset.path), config.dataset.storage_options)
    if not (config.dataset.sightings or is_table(store)):  # one from before is maintained: its rows have a retention
        return []
    return [InteractionTable(store, SIGHTINGS, sleep=control.stop.wait)]
