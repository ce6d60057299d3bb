"""Orders that reach a running producer: the control topic, followed by one quiet thread.

    topic --Follower--> key, value --read_order--> SamplingOrder --Orders--> Override a module --> the sampling policy
                                   `--read_rollout--> Rollout a module --> headrace.routing

Orders are read (sampling_orders) and resolved (overrides) by pure functions; the follower is the edge. A broker that is
away has no effect: what was ordered last stays in force.
"""

from headrace.control.follower import Follower
from headrace.control.overrides import ALL_MODULES, Orders, Override
from headrace.control.sampling_orders import ANY, KIND, OrderError, SamplingOrder, SamplingScope, read_order

__all__ = [
    "ALL_MODULES",
    "ANY",
    "KIND",
    "Follower",
    "OrderError",
    "Orders",
    "Override",
    "SamplingOrder",
    "SamplingScope",
    "read_order",
]
