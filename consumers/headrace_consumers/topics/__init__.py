"""The topics on a broker: made as the guarantees need them, and checked against that.

    TOPICS + config --wanted--> specs --Broker.create--> broker --Broker.describe--> states --compare--> findings

`compare` is pure; `Broker` is the edge.
"""

from headrace_consumers.topics.broker import Broker, TopicError, bootstrap_servers
from headrace_consumers.topics.finding import Finding, TopicState
from headrace_consumers.topics.findings import DEAD_LETTER_OVERHEAD_BYTES, compare, wanted

__all__ = [
    "DEAD_LETTER_OVERHEAD_BYTES",
    "Broker",
    "Finding",
    "TopicError",
    "TopicState",
    "bootstrap_servers",
    "compare",
    "wanted",
]
