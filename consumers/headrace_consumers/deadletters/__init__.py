"""What could not be read: written with its original bytes before the batch it stood in is committed."""

from headrace_consumers.deadletters.reasons import REASONS
from headrace_consumers.deadletters.writer import DeadLetterError, DeadLetterWriter, KafkaDeadLetterWriter

__all__ = ["REASONS", "DeadLetterError", "DeadLetterWriter", "KafkaDeadLetterWriter"]
