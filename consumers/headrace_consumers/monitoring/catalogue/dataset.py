"""What the consumers of tables count of their own work."""

from typing import Final

from headrace_consumers.monitoring.metric import Kind, Metric, Server, Source
from headrace_consumers.table_files import MOST_FILES

__all__ = [
    "COMMITS",
    "COMMIT_DURATION",
    "COMMIT_FAILING",
    "DATASET",
    "DUPLICATES",
    "EXAMPLES",
    "FENCES",
    "FILES_MERGED",
    "MAINTENANCE_FAILING",
    "OUTCOMES",
    "REJECTED",
    "SEEN_SET_BYTES",
    "SEEN_SET_KEYS",
    "TABLE_FILES",
    "UNKNOWN",
    "UNMERGEABLE_FILES",
]

_BOTH: Final = (Server.dataset, Server.feedback)
_COMMIT_BOUNDS_S: Final = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)


def _metric(
    name: str,
    kind: Kind,
    text: str,
    unit: str,
    *labels: str,
    comment: str = "",
    served_by: tuple[Server, ...] = (Server.dataset,),
    bounds: tuple[float, ...] = (),
) -> Metric:
    return Metric(
        name=name,
        kind=kind,
        help=text,
        comment=comment,
        unit=unit,
        labels=labels,
        bounds=bounds,
        source=Source.own,
        served_by=served_by,
    )


EXAMPLES: Final = _metric(
    "headrace_dataset_examples_total",
    Kind.counter,
    "Rows written to the table.",
    "rows",
    "signature",
    comment="Dataset growth. Feedback has no signature of its own: there it is empty.",
    served_by=_BOTH,
)
DUPLICATES: Final = _metric(
    "headrace_dataset_duplicates_total",
    Kind.counter,
    "Records whose key the table or the batch already held.",
    "records",
    comment="Deduplication rate: this over headrace_consumer_records_total. Not decoded: of no known signature.",
    served_by=_BOTH,
)
OUTCOMES: Final = _metric(
    "headrace_dataset_outcomes_total", Kind.counter, "Records without payload; never rows.", "records", "signature"
)
REJECTED: Final = _metric(
    "headrace_dataset_rejected_total",
    Kind.counter,
    "Records that the filter rejected, by reason.",
    "records",
    "signature",
    "reason",
    served_by=_BOTH,
)
UNKNOWN: Final = _metric(
    "headrace_dataset_unknown_total",
    Kind.counter,
    "Records that passed although the field of a threshold is missing.",
    "records",
    "field",
)
COMMITS: Final = _metric(
    "headrace_table_commits_total", Kind.counter, "Commits to the table.", "commits", served_by=_BOTH
)
COMMIT_DURATION: Final = _metric(
    "headrace_table_commit_duration_seconds",
    Kind.histogram,
    "How long a commit took, from the batch to the acknowledged offsets.",
    "seconds",
    served_by=_BOTH,
    bounds=_COMMIT_BOUNDS_S,
)
COMMIT_FAILING: Final = _metric(
    "headrace_table_commit_failing_seconds",
    Kind.gauge,
    "For how long commits have failed; 0: they do not.",
    "seconds",
    served_by=_BOTH,
)
FENCES: Final = _metric(
    "headrace_table_fences_total",
    Kind.counter,
    "How often it began again from the table, since another member was faster.",
    "fences",
    comment="A few at a rebalance (headrace_consumer_rebalances_total). Many: members that are slower than the group's "
    "timeouts.",
    served_by=_BOTH,
)
TABLE_FILES: Final = _metric(
    "headrace_table_files",
    Kind.gauge,
    "Files that a table names.",
    "files",
    "table",
    comment="Of the member that maintains it, and so are the next three. "
    f"Over {MOST_FILES:,} every commit and reader is slow.",
    served_by=_BOTH,
)
FILES_MERGED: Final = _metric(
    "headrace_table_files_merged_total",
    Kind.counter,
    "Small files that became fewer.",
    "files",
    "table",
    served_by=_BOTH,
)
UNMERGEABLE_FILES: Final = _metric(
    "headrace_table_unmergeable_files",
    Kind.gauge,
    "Files that maintenance could not read, and leaves as they are.",
    "files",
    "table",
    served_by=_BOTH,
)
MAINTENANCE_FAILING: Final = _metric(
    "headrace_table_maintenance_failing_seconds",
    Kind.gauge,
    "For how long maintenance has failed; 0: it does not.",
    "seconds",
    "table",
    served_by=_BOTH,
)
SEEN_SET_KEYS: Final = _metric("headrace_seen_set_keys", Kind.gauge, "Keys that the member knows.", "keys")
SEEN_SET_BYTES: Final = _metric("headrace_seen_set_bytes", Kind.gauge, "Memory of the seen-set.", "bytes")

DATASET: Final = (
    EXAMPLES,
    DUPLICATES,
    OUTCOMES,
    REJECTED,
    UNKNOWN,
    COMMITS,
    COMMIT_DURATION,
    COMMIT_FAILING,
    FENCES,
    TABLE_FILES,
    FILES_MERGED,
    UNMERGEABLE_FILES,
    MAINTENANCE_FAILING,
    SEEN_SET_KEYS,
    SEEN_SET_BYTES,
)
