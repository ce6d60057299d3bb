"""Where records wait on disk while Kafka is away."""

from pydantic import Field

from headrace.config.section import Positive, Section
from headrace.config.telemetry import Rotation

__all__ = ["Spool"]


class Spool(Section):
    """Records wait here while Kafka is away; used where kafka.bootstrap_servers is set."""

    path: str | None = Field(
        None, min_length=1, description="Folder; by default `spool` beside telemetry.log_file_path."
    )
    max_total_mb: Positive = Field(
        1000, description="Cap on what all processes have in the folder, MB of 10^6 bytes; beyond it records are lost."
    )
    rotation: Rotation = Field(default_factory=Rotation, description="When a file is closed, compressed, deleted.")
