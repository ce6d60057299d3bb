"""The demo: the main job, whole and real, on one machine.

    service process --Kafka (embedded or given)--> headrace consume dataset --> Delta table --check--> summary

`run` is all that the command line needs. The service imports dspy; nothing else here does.
"""

from headrace_consumers.demo.run import DemoError, run
from headrace_consumers.demo.summary import Check, Summary

__all__ = ["Check", "DemoError", "Summary", "run"]
