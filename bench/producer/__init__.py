"""What Headrace costs the service it runs in, beside the others: one command a question, ratios within one run.

    call_path     microseconds that a call takes longer, for its caller
    broker_away   p50 and p99 of a call while Kafka is refused, silent, unreachable, slow
    footprint     import, memory, and the time to exit while Kafka is away
    full_queue    what is lost when a process ends with a full queue
    outage        minutes of full load without Kafka: memory, and what became of every record

Each way of watching has a process of its own (`worker`), for some of them patch DSPy for good; the processes take
turns, round by round, so that what slows the machine slows all. `fleet` runs them, `ways` sets them up.
"""

import os

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # or litellm asks the network for prices, at import
os.environ.setdefault("PYTHONHASHSEED", "0")  # for the workers: one order of every set and dictionary
