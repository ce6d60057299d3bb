"""Configuration: what can be set (model), where it comes from (load), how it is explained to people (explain)."""

from headrace.config.consumers import Filters, Thresholds
from headrace.config.explain import shown
from headrace.config.kafka import Kafka
from headrace.config.load import ENV_FILE, load
from headrace.config.model import Config
from headrace.config.privacy import Encryption, Redaction
from headrace.config.thresholds import check_latency_thresholds

__all__ = [
    "ENV_FILE",
    "Config",
    "Encryption",
    "Filters",
    "Kafka",
    "Redaction",
    "Thresholds",
    "check_latency_thresholds",
    "load",
    "shown",
]
