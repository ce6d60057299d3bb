"""What a service captures."""

from typing import Literal

from pydantic import Field

from headrace.config.section import Name, Positive, Section

__all__ = ["Rotation", "Telemetry"]


class Rotation(Section):
    """When the JSON Lines log is rotated."""

    max_size_mb: Positive = Field(100, description="Rotate the log when it exceeds this size, MB of 10^6 bytes.")
    max_age_days: Positive = Field(90, description="Delete rotated logs older than this.")
    compression: Literal["gzip", "none"] = Field("gzip", description="How rotated logs are compressed.")


class Telemetry(Section):
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
    statistics_interval_s: float = Field(
        10, ge=0, allow_inf_nan=False, description="How often the exact counters of all calls are published; 0: never."
    )
    exit_timeout_s: float = Field(5, ge=0, allow_inf_nan=False, description="How long exit waits for delivery.")
