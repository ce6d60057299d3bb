"""Whether the table is what the consumer promises: every file readable, every key once, no offset passed over.

    one version of the table --read once--> Contents --judge--> Results --> `headrace dataset verify`
    its log, Kafka, the seen-set ---------> facts    --judge-->

Judging is pure; looking changes nothing, and no consumer is disturbed.
"""

from headrace_consumers.verification.examination import verify

__all__ = ["verify"]
