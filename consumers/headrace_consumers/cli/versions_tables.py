"""What the commands that cut have in common: the tables, opened for the room of versions, and what they show meanwhile.

The room imports nothing of the dataset's; here meets what it needs of it: who was erased, and where the tables are.
"""

import os
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace_consumers.cli.present import count

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from headrace.config import Config
    from headrace_consumers.versions.cutting.assembling import Progress
    from headrace_consumers.versions.reading.tables import Tables

__all__ = ["for_a_cut", "in_root", "opened_tables", "shown_progress"]


def for_a_cut() -> None:
    """Set the process up for millions of rows; before polars is imported."""
    from headrace_consumers.garbage import calm_collector
    from headrace_consumers.versions.files.ahead import AT_ONCE

    # As many as there are parts under way: one part is too small to be shared out among more.
    os.environ.setdefault("POLARS_MAX_THREADS", str(AT_ONCE))
    # A part's memory is the next one's; polars gives it back within half a second, which takes a twentieth of the time.
    os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:5000,muzzy_decay_ms:5000")
    calm_collector()


def in_root(config: "Config", root: Path | None) -> "Config":
    """Return the configuration with the versions in another folder, if one is given."""
    if root is None:
        return config
    return config.model_copy(update={"versions": config.versions.model_copy(update={"path": str(root)})})


@contextmanager
def opened_tables(config: "Config") -> "Iterator[Tables]":
    """Yield the tables of a dataset, those that there are, each at its newest version.

    Raises:
        TableReadError: one is there and cannot be read.
    """
    from deltalake import DeltaTable

    from headrace_consumers.cli.table_access import opened
    from headrace_consumers.dataset.side_tables import feedback_path, sightings_path
    from headrace_consumers.versions.reading.tables import Table, Tables

    dataset = config.dataset
    places = {
        "interactions": dataset.path,
        "sightings": sightings_path(dataset.path),
        "feedback": feedback_path(dataset),
    }
    found: dict[str, Table] = {}
    suppressed: dict[str, Any] = {}
    with ExitStack() as stack:
        for name, path in places.items():
            if DeltaTable.is_deltatable(path, dict(dataset.storage_options) or None):
                at = dataset.model_copy(update={"path": path})
                found[name], suppressed[name] = stack.enter_context(
                    opened(at, lambda table: (Table.of(table), _suppression(table)))
                )
    if not found and not _anything_waits(config):
        with opened(dataset, lambda _: None):  # says that there is no table
            pass
    yield Tables(
        found.get("interactions"),
        found.get("sightings"),
        found.get("feedback"),
        suppressed.get("interactions", _nobody),
        suppressed.get("feedback", _nobody),
    )


@contextmanager
def shown_progress() -> "Iterator[Progress]":
    """Yield what is told of the progress: on a terminal it is shown."""
    if not sys.stderr.isatty():
        yield lambda _what, _count: None
        return
    from rich.console import Console
    from rich.status import Status

    with Status("opening the tables", console=Console(stderr=True)) as line:
        yield lambda what, number: line.update(f"{what} {count(number)}" if number else what)


def _suppression(table: Any) -> Any:
    from headrace_consumers.cli.table_access import TableReadError
    from headrace_consumers.dataset.judging.suppression import Suppression

    try:
        known = Suppression.of(table.metadata().configuration)
    except ValueError as error:
        raise TableReadError(f"{table.table_uri}: the table's property {error}") from None
    return _nobody if known.is_empty else known.holds


def _nobody(_: "pl.DataFrame") -> "pl.Series | None":
    return None


def _anything_waits(config: "Config") -> bool:
    from headrace_schemas.dataset_files import SOURCES_FOLDER

    return any(Path(config.versions.path).glob(f"*/{SOURCES_FOLDER}/*.jsonl"))
