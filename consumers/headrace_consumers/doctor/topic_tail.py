"""The newest records of a topic, read without a group: nothing is committed, no consumer is disturbed."""

import logging
import time
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from headrace.config import Config
from headrace.control.follower import consumer_options
from headrace_consumers.dataset.judging.placement import misplaced
from headrace_consumers.dataset.kafka.message import Message
from headrace_consumers.dataset.kafka.messages import Messages
from headrace_consumers.dataset.records.decode import Decoded, FastavroDecoder
from headrace_consumers.doctor.traffic import Sample
from headrace_consumers.kafka_clients import NO_GROUP, lacking
from headrace_consumers.topics import TopicError
from headrace_schemas import Registry

__all__ = ["Newest", "read_newest", "sample_of"]

_TIMEOUT_S: Final = 10.0
_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest messages of a topic.

    Attributes:
        messages: in no order.
        total: how many offsets the topic holds.
        partitions: how many it has.
    """

    messages: list[Message]
    total: int
    partitions: int


def read_newest(config: Config, topic: str, most: int) -> Newest:
    """Return the newest messages of a topic, about `most` over all partitions.

    Raises:
        TopicError: they cannot be read in time.
    """
    options = {**consumer_options(config), "fetch.wait.max.ms": 100, "log_level": 2, "logger": _log}
    consumer = Consumer(options)
    deadline = time.monotonic() + _TIMEOUT_S
    messages: list[Message] = []
    try:
        partitions = consumer.list_topics(topic, timeout=_TIMEOUT_S).topics[topic].partitions
        marks: dict[int, Any] = {
            partition: consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=_TIMEOUT_S)
            for partition in partitions
        }
        each = -(-most // max(1, len(marks)))
        starts = {partition: max(low, high - each) for partition, (low, high) in marks.items() if high > low}
        consumer.assign([TopicPartition(topic, partition, start) for partition, start in starts.items()])
        unread = set(starts)
        while unread and time.monotonic() < deadline:
            message = consumer.poll(0.1)
            if message is None:
                continue
            error = message.error()
            if error is None:
                messages.append(Message.from_kafka(message))
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  # librdkafka's own codes are named so
                unread.discard(message.partition())
            elif error.name() not in NO_GROUP:
                raise TopicError(f"topic {topic}: cannot be read: {error.str()}{lacking(error)}")
    except KafkaException as error:
        raise TopicError(f"topic {topic}: cannot be read: {error.args[0].str()}; check its access rights") from error
    finally:
        consumer.close()
    if unread:
        raise TopicError(f"topic {topic}: not read to its end in {_TIMEOUT_S:g} s; run the command again")
    return Newest(messages, sum(high - low for low, high in marks.values()), len(marks))


def sample_of(topic: str, newest: Newest, registry: Registry) -> Sample:
    """Return the messages decoded, as the dataset consumer decodes them."""
    sample = Sample(topic, total=newest.total)
    found = FastavroDecoder(registry).decode(newest.messages)
    for place, why in misplaced(Messages.of(newest.messages), newest.partitions).items():
        found[place] = why
    for message, decoded in zip(newest.messages, found, strict=True):
        if isinstance(decoded, Decoded):
            sample.readable.append(decoded)
            sample.append_times_ms.append(message.append_time_ms or 0)
        else:
            sample.unreadable[decoded.reason] += 1
    return sample
