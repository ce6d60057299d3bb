"""What all long-running consumers have in common for whoever watches them: the names of their metrics, and the page.

    catalogue/   the one list of all metrics, each with its type, labels, unit and meaning
    reference    docs/reference/metrics.md out of it
    page         samples under these names, as text or OpenMetrics
    server       /metrics, /healthz and /readyz over HTTP
    lag          what lag in seconds means
    broker_silence  for how long no broker has answered
    about, disk  what any process can tell of itself and of its disks

No room is imported here.
"""
