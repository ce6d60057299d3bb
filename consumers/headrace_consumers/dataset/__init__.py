"""The dataset consumer: interactions from Kafka to a Delta table, exactly once, with the table as the authority.

    loop (assign, poll, buffer)  ->  select (known keys dropped -> decode -> filter -> first passing copy)
      -> commit (dead letters -> sightings -> files -> table -> seen-set -> Kafka offset)
    catch_up: table -> seen-set, when a partition is assigned

Why each rule is as it is: docs/architecture.md.
"""

from headrace_consumers.dataset.run import run
from headrace_consumers.dataset.tally import Tally

__all__ = ["Tally", "run"]
