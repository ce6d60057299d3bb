"""The metrics consumer."""

from pydantic import Field

from headrace.config.section import Section

__all__ = ["Metrics"]


class Metrics(Section):
    """The metrics consumer, which Prometheus scrapes."""

    port: int = Field(9464, ge=1, le=65_535, description="Port of /metrics, /healthz and /readyz.")
    host: str = Field("127.0.0.1", min_length=1, description="The address that it listens on.")
    group_id: str = Field("headrace-metrics", min_length=1, description="Kafka consumer group.")
    group_instance_id: str | None = Field(
        None, min_length=1, description="Static membership: one for each member, kept over restarts."
    )
    samples: bool = Field(
        default=True,
        description="Read the sampled records too: distributions of cost and tokens, estimates, exemplars. They hold "
        "what was said, and the group needs the right to read them.",
    )
    max_series: int = Field(
        2_000,
        ge=1,
        description="Modules, versions and signatures that a metric tells apart; the rest is added up under other.",
    )
    max_producers: int = Field(
        10_000, ge=1, description="Producer processes that are remembered for each partition; the silent ones go first."
    )
