"""What keeps the table healthy: merging, retention, deleting, erasures."""
