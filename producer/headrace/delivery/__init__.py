"""What happens to a captured call after the caller's thread let go of it.

Pipeline: queue -> Finisher (redact, key, cap) -> Sink (Kafka, JSON Lines) -> Ledger
"""

from headrace.delivery.pipeline import Pipeline
from headrace.delivery.sinks import MemorySink, Sink

__all__ = ["MemorySink", "Pipeline", "Sink"]
