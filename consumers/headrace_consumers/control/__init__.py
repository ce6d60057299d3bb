"""The control topic as an operator sees it: the orders in force, and new ones.

headrace sampling set --> ControlTopic.write --acknowledged--> topic --> headrace.control.Follower in each producer
headrace sampling list <-- ControlTopic.read <--
"""

from headrace_consumers.control.topic import ControlError, ControlTopic, InForce, Written

__all__ = ["ControlError", "ControlTopic", "InForce", "Written"]
