"""What stands beside rows of the dataset: how often their keys were seen, and the feedback that there is."""

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import polars as pl

    from headrace.config.consumers import Dataset

__all__ = ["FEEDBACK", "SEEN", "add_what_stands_beside"]

SEEN: Final = "seen"
FEEDBACK: Final = "feedback"

_ORDER: Final = ("timestamp_ms", "feedback_id")
_SAID: Final = (
    "score", "label", "comment", "correction", "module_name", "timestamp_ms", "request_id", "to_a_copy",
)  # fmt: skip


def add_what_stands_beside(dataset: "Dataset", rows: list[dict[str, Any]]) -> None:
    """Give each row `seen`, how often its key came, and `feedback`, a list, the oldest first; where the tables are.

    Args:
        dataset: the configuration of the table.
        rows: of it; `dedup_key`, `request_id` and `module_name` are looked at.

    Raises:
        TableReadError: a table beside it is there and cannot be read.
    """
    import polars as pl

    from headrace_consumers.dataset.side_tables import feedback_path, sightings_path
    from headrace_consumers.joins import copies_of, feedback_on

    keys = [row.get("dedup_key") for row in rows]
    sightings = _some(dataset, sightings_path(dataset.path), pl.col("dedup_key").is_in(keys))
    if sightings is not None:
        copies = dict(copies_of(sightings.lazy()).collect().iter_rows())
        for row in rows:
            row[SEEN] = 1 + copies.get(row["dedup_key"], 0)
    concerns = pl.col("request_id").is_in([row.get("request_id") for row in rows])
    if sightings is not None:
        concerns |= pl.col("request_hash").is_in(sightings["request_hash"].drop_nulls().unique().to_list())
    feedback = _some(dataset, feedback_path(dataset), concerns)
    if feedback is None:
        return
    links = pl.LazyFrame(schema=_LINKS) if sightings is None else sightings.lazy()
    named = pl.LazyFrame([{name: row[name] for name in _NAMES} for row in rows], schema=_NAMES)
    said: dict[str | None, list[dict[str, Any]]] = {key: [] for key in keys}
    for found in feedback_on(named, links, feedback.lazy()).collect().sort(_ORDER).to_dicts():
        said[found["dedup_key"]].append({name: _value(name, found[name]) for name in _SAID})
    for row in rows:
        row[FEEDBACK] = said[row["dedup_key"]]


_NAMES: Final = {"dedup_key": str, "request_id": str, "module_name": str}
_LINKS: Final = {"dedup_key": str, "request_hash": str}


def _some(dataset: "Dataset", path: str, wanted: "pl.Expr") -> "pl.DataFrame | None":
    """Return some rows of a table, or None where it is not there."""
    from deltalake import DeltaTable

    from headrace_consumers.cli.table_access import opened, scan_of

    if not DeltaTable.is_deltatable(path, dict(dataset.storage_options) or None):
        return None
    with opened(dataset.model_copy(update={"path": path}), scan_of) as table:
        return table.filter(wanted).collect()


def _value(name: str, value: Any) -> Any:
    return json.loads(value) if name == "correction" and value else value
