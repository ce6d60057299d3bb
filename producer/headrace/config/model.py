"""The whole configuration. One file serves producers, consumers and operators.

Its sections, with the defaults of absent keys: telemetry.py, kafka.py, spool.py, privacy.py, consumers.py,
metrics.py, web.py, alerts.py, versions.py, registry.py, rollout.py, optimization.py.
"""

from pydantic import Field

from headrace.config.alerts import Alerts
from headrace.config.consumers import Dataset, Dedup, Filters, QualityThresholds, Schemas
from headrace.config.kafka import Kafka
from headrace.config.metrics import Metrics
from headrace.config.optimization import Optimization
from headrace.config.privacy import Encryption, Redaction
from headrace.config.registry import ProgramRegistrySection
from headrace.config.rollout import Rollout
from headrace.config.section import Section
from headrace.config.spool import Spool
from headrace.config.telemetry import Telemetry
from headrace.config.versions import Versions
from headrace.config.web import Web

__all__ = ["Config"]


class Config(Section):
    """The whole configuration; immutable."""

    telemetry: Telemetry = Field(default_factory=Telemetry)
    quality_thresholds: QualityThresholds = Field(default_factory=QualityThresholds)
    alerts: Alerts = Field(default_factory=Alerts)
    optimization: Optimization = Field(default_factory=Optimization)
    kafka: Kafka = Field(default_factory=Kafka)
    spool: Spool = Field(default_factory=Spool)
    filters: Filters = Field(default_factory=Filters)
    dedup: Dedup = Field(default_factory=Dedup)
    dataset: Dataset = Field(default_factory=Dataset)
    versions: Versions = Field(default_factory=Versions)
    registry: ProgramRegistrySection = Field(default_factory=ProgramRegistrySection)
    metrics: Metrics = Field(default_factory=Metrics)
    rollout: Rollout = Field(default_factory=Rollout)
    web: Web = Field(default_factory=Web)
    redaction: Redaction = Field(default_factory=Redaction)
    encryption: Encryption = Field(default_factory=Encryption)
    schemas: Schemas = Field(default_factory=Schemas)
