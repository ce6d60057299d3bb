"""What can stop the dataset consumer; each is one line that says what, where and what to do.

HeadraceError
  DatasetError
    TableError              the Delta table cannot be opened, read or written
    SourceError             the topic or the broker is not what the consumer needs
      OffsetsGoneError      Kafka no longer holds what the table has not seen
      OtherTopicError       a topic of the same name, deleted and created again
      NoAnswerError         Kafka does not answer; nothing else is known to be wrong
    StateError              the folder of the seen-set cannot be used
    OwnCallableError        a filter or scorer of the user's own failed
    CircuitOpenError        nearly everything is unreadable; the deployment is wrong
  Stopped                   not a fault: the consumer was told to stop while it waited for Kafka
  Fenced                    not a fault: another consumer has moved a partition on; the batch is dropped
    SuppressionChanged      somebody was erased since the batch was judged; it is judged again
"""

from headrace.errors import HeadraceError

__all__ = [
    "CircuitOpenError",
    "DatasetError",
    "Fenced",
    "NoAnswerError",
    "OffsetsGoneError",
    "OtherTopicError",
    "OwnCallableError",
    "SourceError",
    "StateError",
    "Stopped",
    "SuppressionChanged",
    "TableError",
]


class DatasetError(HeadraceError):
    """Root of what can stop the dataset consumer."""


class TableError(DatasetError):
    """The Delta table cannot be opened, read or written."""


class SourceError(DatasetError):
    """The topic or the broker is not what the consumer needs."""


class OffsetsGoneError(SourceError):
    """Kafka's retention has removed records that the table has not seen."""


class OtherTopicError(SourceError):
    """The topic has the name of the one that the table was built from, and another id."""


class NoAnswerError(SourceError):
    """Kafka does not answer; nothing else is known to be wrong."""


class StateError(DatasetError):
    """The folder of the seen-set cannot be used."""


class OwnCallableError(DatasetError):
    """A filter or scorer of the user's own failed; the batch is not committed."""


class CircuitOpenError(DatasetError):
    """Too many of the records read lately are unreadable; the batch is not committed."""


class Stopped(HeadraceError):  # noqa: N818  # not an error
    """The consumer was told to stop while it waited for Kafka; nothing was under way."""


class Fenced(HeadraceError):  # noqa: N818  # the field's term, and not an error
    """The table's offset of a partition is not the one that the batch was read from."""


class SuppressionChanged(Fenced):
    """Somebody was erased since the batch was judged; it is judged again before it is committed."""
