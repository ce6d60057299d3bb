"""What may be wrong with a set-up, looked at from where a service, a consumer or an operator stands.

    configuration, places on disk, broker, log, table --look--> facts --judge--> Results --> `headrace doctor`

Judging is pure; looking changes nothing: no topic is made, no group joined, no file left behind.
"""

from headrace_consumers.doctor.examination import examine
from headrace_consumers.doctor.result import Result, State

__all__ = ["Result", "State", "examine"]
