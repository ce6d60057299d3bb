"""What can be configured, with the defaults of an absent key. One file serves producers, consumers and operators."""

from typing import Annotated, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator

from headrace_schemas import topics

__all__ = [
    "NO_EFFECT_YET",
    "Config",
    "Dataset",
    "Dedup",
    "Filters",
    "Kafka",
    "QualityThresholds",
    "Redaction",
    "RedactionKind",
    "Rotation",
    "Schemas",
    "Telemetry",
    "ThresholdChanges",
    "Thresholds",
]

NO_EFFECT_YET: Final = frozenset({"quality_thresholds", "optimization"})
"""Sections that are accepted and checked, but that nothing in this release acts on."""

Options: TypeAlias = dict[str, str | int | float | bool]
RedactionKind: TypeAlias = Literal["email", "phone", "card", "ip", "secret"]
Positive: TypeAlias = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Name: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,128}$")]

TopicName: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")]


class _Section(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Rotation(_Section):
    """When the JSON Lines log is rotated."""

    max_size_mb: Positive = Field(100, description="Rotate the log when it exceeds this size, MB of 10^6 bytes.")
    max_age_days: Positive = Field(90, description="Delete rotated logs older than this.")
    compression: Literal["gzip", "none"] = Field("gzip", description="How rotated logs are compressed.")


class Telemetry(_Section):
    """What a service captures."""

    enabled: bool = Field(default=False, description="Capture calls. Off: no thread, no socket, no file.")
    sampling_rate_pct: float = Field(10, ge=0, le=100, description="Percentage of requests that are captured.")
    log_file_path: str = Field(
        "logs/dspy_production.jsonl",
        min_length=1,
        description="JSON Lines log, written where kafka.bootstrap_servers is not set.",
    )
    rotation: Rotation = Field(default_factory=Rotation)
    service: Name | None = Field(None, description="Name of the service in each record.")
    environment: Name = Field("production", description="E.g. staging, which must never train production.")
    queue_max_records: int = Field(10_000, ge=1, description="Captured calls that may wait in memory.")
    max_field_bytes: int = Field(262_144, ge=1024, description="Longer inputs or outputs are cut and marked.")
    exit_timeout_s: float = Field(5, ge=0, allow_inf_nan=False, description="How long exit waits for delivery.")


class QualityThresholds(_Section):
    """When an alert fires."""

    min_success_rate: Share = Field(0.95, description="Alert if the success rate drops below.")
    max_latency_p99_ms: Positive = Field(3000, description="Alert if the p99 latency exceeds this, ms.")
    max_cost_p99_usd: Positive = Field(0.05, description="Alert if the p99 cost of a call exceeds this, USD.")


class Optimization(_Section):
    """The monthly cycle."""

    schedule: Literal["monthly"] = Field("monthly", description="How often a cycle runs.")
    telemetry_target: int = Field(0, ge=0, description="Examples from telemetry per signature and cycle.")
    git_target: int = Field(100, ge=0, description="Examples from git commits per signature and cycle.")
    synthetic_target: int = Field(20, ge=0, description="Synthetic examples per signature and cycle.")


class Topics(_Section):
    """Topic names, for brokers with naming rules of their own."""

    interactions: TopicName = topics.INTERACTIONS
    dead_letters: TopicName = topics.DEAD_LETTERS

    @model_validator(mode="after")
    def _differ(self) -> "Topics":
        if self.interactions == self.dead_letters:
            raise ValueError("kafka.topics: interactions and dead_letters name one topic; they must differ")
        return self


class Kafka(_Section):
    """The broker. Options are librdkafka's own and pass through."""

    bootstrap_servers: str | None = Field(None, description="HOST:PORT[,HOST:PORT...].", min_length=1)
    topics: Topics = Field(default_factory=Topics)
    options: Options = Field(default_factory=dict, description="librdkafka options for every client.")
    producer_options: Options = Field(default_factory=dict, description="... for producers.")
    consumer_options: Options = Field(default_factory=dict, description="... for consumers.")
    embedded_id: str | None = Field(
        None, min_length=1, description="Stands for the topic ids that an embedded broker lacks; for demos and tests."
    )


class Thresholds(_Section):
    """What an example must meet; a value equal to a threshold passes, an unknown value too (and is counted)."""

    require_success: bool = Field(default=True, description="Only successful calls.")
    max_latency_ms: Positive = Field(5000, description="Slower calls are rejected, ms.")
    max_cost_usd: float = Field(0.10, ge=0, allow_inf_nan=False, description="Dearer calls are rejected, USD.")
    min_quality_score: Share = Field(0.70, description="Lower scores are rejected.")
    scorer: Literal["fields", "legacy"] = Field(
        "fields",
        description="fields: the share of output fields that are there and not empty. "
        "legacy: the first implementation's heuristic, which rejects short answers.",
    )


class ThresholdChanges(_Section):
    """What differs for one signature; an absent key keeps the default's value."""

    require_success: bool | None = None
    max_latency_ms: Positive | None = None
    max_cost_usd: float | None = Field(None, ge=0, allow_inf_nan=False)
    min_quality_score: Share | None = None
    scorer: Literal["fields", "legacy"] | None = None


class Filters(_Section):
    """Thresholds for all signatures, and per signature what differs."""

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


class DedupPolicy(_Section):
    """Which inputs make two calls the same."""

    fields: tuple[str, ...] = Field(min_length=1, description="Only these input fields count.")


class Dedup(_Section):
    """Deduplication, a producer's policy: the key is made there. By default all inputs count."""

    signatures: dict[str, DedupPolicy] = Field(default_factory=dict, description="Signature -> its policy.")


class Dataset(_Section):
    """The dataset consumer and its Delta table."""

    path: str = Field("data/interactions", min_length=1, description="The Delta table.")
    state_path: str = Field("state", min_length=1, description="Folder of the seen-set; rebuilt if lost.")
    group_id: str = Field("headrace-dataset", min_length=1, description="Kafka consumer group.")
    commit_interval_s: Positive = Field(5, description="At most this long between commits.")
    max_batch_records: int = Field(50_000, ge=1, description="Commit earlier at this many records.")
    max_batch_mb: Positive = Field(64, description="Commit earlier at this much, MB of 10^6 bytes.")
    storage_options: dict[str, str] = Field(default_factory=dict, description="delta-rs storage options.")


class Redaction(_Section):
    """What is replaced before a record leaves the process."""

    kinds: tuple[RedactionKind, ...] = Field(
        ("email", "phone", "card", "ip", "secret"), description="What is looked for; empty switches it off."
    )


class Schemas(_Section):
    """Newer schemas, for a consumer that is older than its producers."""

    path: str | None = Field(None, min_length=1, description="An .avsc file, or a folder of them.")


class Config(_Section):
    """The whole configuration; immutable."""

    telemetry: Telemetry = Field(default_factory=Telemetry)
    quality_thresholds: QualityThresholds = Field(default_factory=QualityThresholds)
    optimization: Optimization = Field(default_factory=Optimization)
    kafka: Kafka = Field(default_factory=Kafka)
    filters: Filters = Field(default_factory=Filters)
    dedup: Dedup = Field(default_factory=Dedup)
    dataset: Dataset = Field(default_factory=Dataset)
    redaction: Redaction = Field(default_factory=Redaction)
    schemas: Schemas = Field(default_factory=Schemas)
