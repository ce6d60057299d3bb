"""Tables with rows of several people, and erasing some of them, without a broker."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import polars as pl

from headrace.config import Config, load
from headrace_consumers.dataset.delta.files import write_files
from headrace_consumers.dataset.delta.moves import Move
from headrace_consumers.dataset.delta.rows import to_rows
from headrace_consumers.dataset.delta.table import InteractionTable
from headrace_consumers.dataset.errors import SuppressionChanged, TableError
from headrace_consumers.dataset.steps import Hook, no_hook
from headrace_consumers.erasure.choices import Wanted
from headrace_consumers.erasure.run import Erasure
from headrace_schemas import Interaction
from tests.support.interactions import NOW_MS, interaction, kept, message_of

__all__ = ["append", "config_of", "erasure", "holds_anywhere", "of_person", "person", "rows_of"]

DAY_MS = 86_400_000


def person(number: object) -> str:
    """A pseudonym."""
    return f"sha256:{number!s:0>32}"


def of_person(number: object, question: object, **changes: object) -> Interaction:
    """A record of a person, or of nobody."""
    subject = None if number is None else person(number)
    return interaction(question, subject_id=subject, **{"request_id": f"r {number} {question}", **changes})


def append(table: InteractionTable, records: Sequence[Interaction], *, partition: int = 0, day: int = 0) -> None:
    """Commit the records as the consumer does, judged by the table's suppression, so many days from now."""
    while True:
        start = table.position(f"id/{partition}")
        first = start or 0
        suppression = table.suppression()
        messages = [message_of(record, first + i, partition) for i, record in enumerate(records)]
        frame = kept(records, messages).with_columns(append_time_ms=pl.lit(NOW_MS + day * DAY_MS, pl.Int64))
        suppressed = suppression.holds(frame)
        rows = to_rows(frame if suppressed is None else frame.filter(~suppressed), "topic", "id")
        try:
            files = write_files(table.store, rows, table.layout) if rows.num_rows else []
        except TableError:  # an erasure that waits for nobody found it; the batch is tried again
            continue
        try:
            table.commit(files, [Move(f"id/{partition}", start, first + len(records))], suppression=suppression)
        except SuppressionChanged:
            for file in files:
                table.store.discard(file.path)
        else:
            return


def rows_of(path: Path | str) -> pl.DataFrame:
    """The whole table, in the order of Kafka."""
    return pl.scan_delta(str(path)).collect().sort("topic_id", "partition", "offset")


def config_of(path: Path | str, options: Mapping[str, str] | None = None, **settings: object) -> Config:
    """A configuration of a table, without a broker."""
    return load(None, {"dataset": {"path": str(path), "storage_options": dict(options or {}), **settings}}, {})


def erasure(
    path: Path | str,
    *numbers: object,
    options: Mapping[str, str] | None = None,
    requests: Sequence[str] = (),
    hook: Hook = no_hook,
    sleep: Callable[[float], object] = lambda _: None,
    **settings: object,
) -> Erasure:
    """The erasure of some people."""
    wanted = Wanted(frozenset(person(number) for number in numbers), frozenset(requests))
    return Erasure(
        config_of(path, options, **settings), wanted, now=lambda: dt.datetime.now(dt.UTC), sleep=sleep, hook=hook
    )


def holds_anywhere(path: Path, number: object) -> list[Path]:
    """The files under a folder in which a person's pseudonym stands, named by the table or not."""
    found = []
    for file in sorted(path.rglob("*")):
        if file.is_file():
            is_row_file = file.suffix == ".parquet" and "_delta_log" not in file.parts
            read = str(pl.read_parquet(file).rows()).encode() if is_row_file else file.read_bytes()
            if person(number).encode() in read:
                found.append(file)
    return found
