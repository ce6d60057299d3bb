"""What consumers do with the records: filters, deduplication, the table, thresholds."""

import re
from typing import Annotated, Final, TypeAlias

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from headrace.config.section import Name, Positive, Section, Share

__all__ = [
    "Dataset",
    "DeadLetterLimits",
    "Dedup",
    "DedupPolicy",
    "Filters",
    "Maintenance",
    "QualityThresholds",
    "Schemas",
    "ThresholdChanges",
    "Thresholds",
]


_OWN: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_SCORERS: Final = frozenset({"fields", "legacy"})


def _own(text: str) -> str:
    if not _OWN.fullmatch(text):
        raise PydanticCustomError("own_callable", "package.module:object")
    return text


def _scorer(text: str) -> str:
    if text not in _SCORERS and not _OWN.fullmatch(text):
        raise PydanticCustomError("scorer", "fields, legacy or package.module:object")
    return text


OwnCallable: TypeAlias = Annotated[str, AfterValidator(_own)]
Scorer: TypeAlias = Annotated[str, AfterValidator(_scorer)]


class QualityThresholds(Section):
    """When an alert fires."""

    min_success_rate: Share = Field(0.95, description="Alert if the success rate drops below.")
    max_latency_p99_ms: Positive = Field(3000, description="Alert if the p99 latency exceeds this, ms.")
    max_cost_p99_usd: Positive = Field(0.05, description="Alert if the p99 cost of a call exceeds this, USD.")


class Thresholds(Section):
    """What an example must meet; a value equal to a threshold passes, an unknown value too (and is counted)."""

    require_success: bool = Field(default=True, description="Only successful calls.")
    max_latency_ms: Positive = Field(5000, description="Slower calls are rejected, ms.")
    max_cost_usd: float = Field(0.10, ge=0, allow_inf_nan=False, description="Dearer calls are rejected, USD.")
    min_quality_score: Share = Field(0.70, description="Lower scores are rejected.")
    scorer: Scorer = Field(
        "fields",
        description="fields: the share of output fields that are there and not empty. "
        "legacy: the first implementation's heuristic, which rejects short answers. "
        "package.module:object: your own, given the record, returns 0 to 1.",
    )
    own_filters: tuple[OwnCallable, ...] = Field(
        (), description="package.module:object each, given a record that passes all else; False rejects it."
    )


class ThresholdChanges(Section):
    """What differs for one signature; an absent key keeps the default's value."""

    require_success: bool | None = None
    max_latency_ms: Positive | None = None
    max_cost_usd: float | None = Field(None, ge=0, allow_inf_nan=False)
    min_quality_score: Share | None = None
    scorer: Scorer | None = None
    own_filters: tuple[OwnCallable, ...] | None = None


class Filters(Section):
    """Whose records become examples; thresholds for all signatures, and per signature what differs."""

    environments: tuple[Name, ...] = Field(
        ("production",),
        min_length=1,
        description="Only records of these environments (telemetry.environment) become examples.",
    )
    default: Thresholds = Field(default_factory=Thresholds)
    signatures: dict[str, ThresholdChanges] = Field(
        default_factory=dict, description="Signature -> the thresholds that differ for it."
    )

    def for_signature(self, signature: str) -> Thresholds:
        """Return the thresholds of a signature: the default with what differs for it."""
        changes = self.signatures.get(signature)
        return (
            self.default if changes is None else self.default.model_copy(update=changes.model_dump(exclude_none=True))
        )


class DedupPolicy(Section):
    """Which calls of a signature are the same."""

    enabled: bool = Field(default=True, description="Off: each call is an example of its own.")
    fields: tuple[str, ...] | None = Field(None, min_length=1, description="Only these input fields count; null: all.")
    ignore_case: bool = Field(default=False, description="Texts that differ in case only are the same.")
    ignore_white_space: bool = Field(
        default=False, description="Texts that differ in white space only are the same: runs of it, and at the ends."
    )


class Dedup(Section):
    """Deduplication, a producer's policy: the key is made there. By default all inputs count, as they are."""

    signatures: dict[str, DedupPolicy] = Field(
        default_factory=dict, description="Signature -> its policy; * is all signatures that have none."
    )


class DeadLetterLimits(Section):
    """When so much is unreadable that the consumer stops: a wrong deployment must not drain a topic."""

    max_share: Share = Field(0.5, description="Stop if more of the window than this share is unreadable; 1: never.")
    window_records: int = Field(10_000, ge=1, description="The records read last, over which the share is taken.")
    max_run_records: int = Field(
        1_000, ge=0, description="Stop at so many unreadable records without a readable one in between; 0: never."
    )
    shown_s: float = Field(
        60,
        ge=0,
        allow_inf_nan=False,
        description="Where dataset.health_port is set, it ends once a scrape of /metrics was told, or after this, s.",
    )


class Maintenance(Section):
    """How the table is kept healthy while it is written."""

    enabled: bool = Field(
        default=True, description="Whether the owner of partition 0 merges small files and removes what has expired."
    )
    target_file_mb: float = Field(
        128, ge=1, le=2000, description="Small files are merged up to this much, MB of 10^6 bytes."
    )
    keep_replaced_h: int = Field(
        24, ge=2, le=8760, description="How long files that were replaced, or never committed, stay on disk, hours."
    )


class Dataset(Section):
    """The dataset consumer and its Delta table."""

    path: str = Field("data/interactions", min_length=1, description="The Delta table.")
    sightings: bool = Field(
        default=True,
        description="Note each copy of a row's key in the table <path>-sightings: how often it came, and its request, "
        "so that feedback on a copy finds the row.",
    )
    feedback_path: str | None = Field(
        None, min_length=1, description="The feedback table, kept when path changes; null: <path>-feedback."
    )
    state_path: str = Field("state", min_length=1, description="Folder of the seen-set; rebuilt if lost.")
    seen_set_max_mb: Positive = Field(
        2000, description="Memory planned for a member's seen-set, MB of 10^6 bytes; a warning at 80% of it."
    )
    group_id: str = Field("headrace-dataset", min_length=1, description="Kafka consumer group.")
    group_instance_id: str | None = Field(
        None,
        min_length=1,
        description="Static membership: one for each member, kept over restarts.",
    )
    commit_interval_s: Positive = Field(
        5, description="Time between commits, s; longer where many members or a slow store need it."
    )
    max_batch_records: int = Field(50_000, ge=1, description="Commit earlier at this many records.")
    max_batch_mb: Positive = Field(64, description="Commit earlier at this much, MB of 10^6 bytes.")
    retention_days: int = Field(
        90, ge=1, le=36_500, description="Rows go this many days after Kafka took them in; duplicates count until then."
    )
    maintenance: Maintenance = Field(default_factory=Maintenance)
    storage_options: dict[str, str] = Field(default_factory=dict, description="delta-rs storage options.")
    dead_letter_limits: DeadLetterLimits = Field(default_factory=DeadLetterLimits)
    give_up_after_s: Positive = Field(600, description="End when commits have failed for so long; until then, retry.")
    health_port: int | None = Field(None, ge=1, le=65_535, description="Port of /healthz and /readyz; null: none.")
    feedback_health_port: int | None = Field(
        None, ge=1, le=65_535, description="That of the feedback consumer, which may run on the same host; null: none."
    )
    health_host: str = Field("127.0.0.1", min_length=1, description="The address that it listens on.")
    health_stalled_s: Positive = Field(120, description="Unhealthy when the loop has not turned for so long.")
    health_failing_s: Positive = Field(300, description="Unhealthy when commits have failed for so long.")

    @model_validator(mode="after")
    def _written_files_outlast_their_commit(self) -> "Dataset":
        """A file is written up to an interval before its commit, which may be tried again for as long as is allowed."""
        longest_s, kept_s = self.commit_interval_s + self.give_up_after_s, self.maintenance.keep_replaced_h * 3600
        if longest_s > kept_s / 2:
            raise ValueError(
                f"dataset: commit_interval_s + give_up_after_s is {longest_s:g} s, expected at most half of "
                f"maintenance.keep_replaced_h ({kept_s / 2:g} s): another member would remove files not yet committed"
            )
        return self

    @model_validator(mode="after")
    def _feedback_has_a_table_of_its_own(self) -> "Dataset":
        path = self.path.rstrip("/")
        if self.feedback_path is not None and self.feedback_path.rstrip("/") in {path, f"{path}-sightings"}:
            raise ValueError(
                f"dataset.feedback_path: found {self.feedback_path}, which is another table of the dataset"
            )
        return self


class Schemas(Section):
    """Newer schemas, for a consumer that is older than its producers."""

    path: str | None = Field(None, min_length=1, description="An .avsc file, or a folder of them.")
