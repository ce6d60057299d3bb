"""The producer, embedded in a DSPy service."""
