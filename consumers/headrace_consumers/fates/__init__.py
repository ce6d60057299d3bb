"""What became of records, told afterwards: from the topic's newest messages, the table, and what its commits tell.

    messages --decode, filter--> Readings  |
    the table ------------------> Rows     |--> Fates --> `headrace dataset why`    a signature's, and what to do
    the table's log ------------> Facts    |         `--> `headrace dataset trace`  one record, from offset to row

The same decoder and filter as the consumer's, with the configuration of now. Nothing is changed, no group is joined.
"""

from headrace_consumers.fates.trace import trace
from headrace_consumers.fates.why import why

__all__ = ["trace", "why"]
