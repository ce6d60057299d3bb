"""What all long-running consumers have in common for whoever watches them: the names of their metrics, and the page.

    catalogue/   the one list of all metrics, each with its type, labels, unit and meaning
    reference    docs/reference/metrics.md out of it

No room is imported here.
"""
