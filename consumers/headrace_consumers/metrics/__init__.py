"""The metrics consumer: statistics and sampled records from Kafka become a page that Prometheus scrapes.

    loop --> state: counting (a producer's increase, once), samples (weighed by 1/p) --> totals
    scrape --> state.show --> exposition --> its offsets, committed by the loop --> sent
    assigned: beginning (where to read from, from where on it counts)       alerts/: rules over the same names

How the totals stay true over kills and rebalances: docs/metrics.md. Names: `names`, shared with the other consumers.
"""
