"""How many files a table may have: maintenance, the dashboards and an alert go by it."""

from typing import Final

__all__ = ["MOST_FILES"]

MOST_FILES: Final = 5_000
"""A table should have fewer active files: every commit and every reader pays for each."""
