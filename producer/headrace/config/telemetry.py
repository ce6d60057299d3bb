"""What a service captures."""

from typing import Literal

from pydantic import Field

from headrace.config.section import Name, Positive, Section
from headrace_schemas.names import to_valid_name

__all__ = ["Keep", "Module", "Rotation", "Telemetry"]


class Rotation(Section):
    """When the JSON Lines log is rotated."""

    max_size_mb: Positive = Field(100, description="Rotate the log when it exceeds this size, MB of 10^6 bytes.")
    max_age_days: Positive = Field(90, description="Delete rotated logs older than this.")
    compression: Literal["gzip", "none"] = Field("gzip", description="How rotated logs are compressed.")


class Module(Section):
    """What differs for one module; an absent key keeps what holds for all."""

    enabled: bool | None = None
    sampling_rate_pct: float | None = Field(None, ge=0, le=100)


class Keep(Section):
    """Outcomes that are kept beyond the sample: how a call ended, how long it took, without inputs and outputs."""

    errors_per_s: float = Field(
        0, ge=0, allow_inf_nan=False, description="Failed calls a second and process that are kept, on average; 0: off."
    )
    slow_per_s: float = Field(0, ge=0, allow_inf_nan=False, description="... slow calls; 0: off.")
    slow_ms: Positive = Field(5000, description="A call that takes longer is slow, ms.")


class Telemetry(Section):
    """What a service captures."""

    enabled: bool = Field(default=False, description="Capture calls. Off: no thread, no socket, no file.")
    sampling_rate_pct: float = Field(10, ge=0, le=100, description="Percentage of requests that are captured.")
    modules: dict[str, Module] = Field(
        default_factory=dict, description="Module -> the rate and the switch that differ for it."
    )
    keep: Keep = Field(default_factory=Keep)
    follow_control: bool = Field(
        default=True,
        description="Follow the sampling orders of kafka.topics.control, where a broker is set: one more thread.",
    )
    log_file_path: str = Field(
        "logs/dspy_production.jsonl",
        min_length=1,
        description="JSON Lines log, written where kafka.bootstrap_servers is not set.",
    )
    rotation: Rotation = Field(default_factory=Rotation)
    service: Name | None = Field(None, description="Name of the service in each record.")
    environment: Name = Field(
        "production", description="E.g. staging, which does not train production: see filters.environments."
    )
    queue_max_records: int = Field(10_000, ge=1, description="Captured calls that may wait in memory.")
    queue_max_mb: Positive = Field(64, description="... and their memory, MB of 10^6 bytes, estimated.")
    max_field_bytes: int = Field(262_144, ge=1024, description="Longer inputs or outputs are cut and marked.")
    statistics_interval_s: float = Field(
        10, ge=0, allow_inf_nan=False, description="How often the exact counters of all calls are published; 0: never."
    )
    exit_timeout_s: float = Field(5, ge=0, allow_inf_nan=False, description="How long exit waits for delivery.")

    def of_module(self, module: str) -> tuple[str, Module] | None:
        """Return under which name a module, named as in its records, has settings of its own, and these."""
        return next((each for each in self.modules.items() if to_valid_name(each[0]) == module), None)
