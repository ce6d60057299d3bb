"""The tables as any reader reads them: a pinned version of each, a batch of rows at a time.

    interactions    a row an example                  sightings    a row a copy of one
    feedback        what people said of either

Only the newest version is opened; a replay asks it for the rows whose places in Kafka a manifest names.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from headrace_consumers.versions.errors import VersionsError
from headrace_consumers.versions.files.ahead import ahead
from headrace_schemas.dataset_manifest import OffsetRange

if TYPE_CHECKING:
    from deltalake import DeltaTable

__all__ = ["IsSuppressed", "Ranges", "Table", "Tables", "nobody", "where"]

BATCH_ROWS: Final = 32_768
_MANY: Final = 10

IsSuppressed = Callable[[pl.DataFrame], "pl.Series | None"]
"""Given rows with `subject_id` and `request_id`, tells of each whether it is of an erased person; None: of none."""


def nobody(_: pl.DataFrame) -> pl.Series | None:
    """Tell that no row is of somebody who was erased."""
    return None


class Table:
    """One version of a table.

    Args:
        rows: reads its files.
        place: for people.
        id_: see below.
        version: see below.

    Attributes:
        id: the table's unique id.
        version: which version it is.
    """

    def __init__(self, rows: ds.Dataset, place: str, id_: str, version: int) -> None:
        self.id: Final = id_
        self.version: Final = version
        self._place: Final = place
        self._dataset: Final = rows

    @classmethod
    def of(cls, table: "DeltaTable") -> Self:
        """Return the version of a Delta table that delta-rs' handle shows; its errors pass through."""
        return cls(table.to_pyarrow_dataset(), table.table_uri, str(table.metadata().id), int(table.version()))

    def batches(
        self,
        columns: Sequence[str],
        condition: pc.Expression | None = None,
        ranges: Sequence[OffsetRange] | None = None,
    ) -> Iterator[pl.DataFrame]:
        """Yield rows, at most BATCH_ROWS at once, in no certain order.

        Args:
            columns: which.
            condition: which rows.
            ranges: only rows from these places; None: from all.

        Raises:
            VersionsError: a file cannot be read, or has no such column.
        """
        wanted = condition
        if ranges is not None:
            inside = _inside(ranges)
            wanted = inside if wanted is None else wanted & inside
        batches = (batch for part in ahead(self._parts(columns, wanted)) for batch in part)
        while True:
            try:
                batch = next(batches, None)
            except (pa.ArrowException, OSError) as error:
                why = " ".join(str(error).split())[:300]
                raise VersionsError(
                    f"{self._place}: cannot read the table ({why}); headrace dataset verify tells what is wrong"
                ) from error
            if batch is None:
                return
            if batch.num_rows:
                yield pl.DataFrame(pa.Table.from_batches([batch]))

    def _parts(self, columns: Sequence[str], condition: pc.Expression | None) -> Iterator[list[pa.RecordBatch]]:
        """Yield the rows a row group at a time: a scan of all files reads ahead as much as a gigabyte."""
        schema = self._dataset.schema
        for fragment in self._dataset.get_fragments(filter=condition):
            is_file = isinstance(fragment, ds.ParquetFileFragment)
            for part in fragment.split_by_row_group(condition, schema) if is_file else [fragment]:
                wanted = None if condition is None or _is_whole(part, condition, columns) else condition
                scanner = part.scanner(schema=schema, columns=list(columns), filter=wanted, batch_size=BATCH_ROWS)
                yield list(scanner.to_batches())


def _is_whole(part: ds.Fragment, condition: pc.Expression, columns: Sequence[str]) -> bool:
    """Tell whether all rows of a part are wanted, as most often; then none of its wide columns has to be copied."""
    return len(columns) >= _MANY and part.count_rows(filter=condition) == part.count_rows()


def _inside(ranges: Sequence[OffsetRange]) -> pc.Expression:
    found = pc.scalar(value=False)
    for each in ranges:
        found = found | (
            (pc.field("topic_id") == each["topic_id"])
            & (pc.field("partition") == each["partition"])
            & (pc.field("offset") >= each["first"])
            & (pc.field("offset") <= each["last"])
        )
    return found


@dataclass(frozen=True, slots=True)
class Tables:
    """What there is of a dataset.

    Attributes:
        interactions: None: no table yet.
        sightings: None: there is none.
        feedback: likewise.
        is_suppressed: tells rows of erased people from others.
        is_suppressed_feedback: likewise of feedback.
    """

    interactions: Table | None
    sightings: Table | None = None
    feedback: Table | None = None
    is_suppressed: IsSuppressed = nobody
    is_suppressed_feedback: IsSuppressed = nobody


@dataclass(slots=True)
class Ranges:
    """The places that rows came from, gathered.

    Attributes:
        found: (topic, topic id, partition) -> least and greatest offset.
    """

    found: dict[tuple[str, str, int], tuple[int, int]] = field(default_factory=dict)

    def add(self, rows: pl.DataFrame) -> None:
        """Take up rows with `topic`, `topic_id`, `partition` and `offset`."""
        bounds = rows.group_by("topic", "topic_id", "partition").agg(
            pl.col("offset").min().alias("first"), pl.col("offset").max().alias("last")
        )
        for topic, topic_id, partition, first, last in bounds.iter_rows():
            known = self.found.get((topic, topic_id, partition), (first, last))
            self.found[topic, topic_id, partition] = min(first, known[0]), max(last, known[1])

    def as_list(self) -> list[OffsetRange]:
        """Return them for the manifest, in order."""
        return [
            OffsetRange(topic=topic, topic_id=topic_id, partition=partition, first=first, last=last)
            for (topic, topic_id, partition), (first, last) in sorted(self.found.items())
        ]


def where(values: Mapping[str, str]) -> pc.Expression:
    """Return the condition that columns have these values."""
    found: pc.Expression | None = None
    for name, value in values.items():
        equal = pc.field(name) == value
        found = equal if found is None else found & equal
    return found
