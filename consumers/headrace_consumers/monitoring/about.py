"""What is known of a process before it has done anything."""

import platform
from importlib import metadata

from headrace_consumers.monitoring.catalogue import consumers
from headrace_consumers.monitoring.page import Page

__all__ = ["add_build"]


def add_build(page: Page, consumer: str) -> None:
    """Add what runs here.

    Args:
        page: takes the sample.
        consumer: metrics, dataset or feedback.
    """
    page.add(consumers.BUILD, 1, consumer, metadata.version("headrace"), platform.python_version())
