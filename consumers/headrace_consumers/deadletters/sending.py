"""Messages handed to Kafka together, and its answer to each of them.

A broker refuses a batch as a whole for one message in it, so what was refused is sent once more, each message alone,
up to the first that is not answered: what comes then would wait as long, one by one.
"""

import functools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from confluent_kafka import KafkaException

from headrace.delivery.sinks.send_errors import Fault, fault_of
from headrace_consumers.kafka_clients import lacking, said_by

__all__ = ["Answer", "Closed", "Refused", "Silence", "Written", "send"]


@dataclass(frozen=True, slots=True)
class Written:
    """Acknowledged; it stands at ``topic/partition/offset``."""

    target: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """The client or the broker does not take this very message."""

    reason: str


@dataclass(frozen=True, slots=True)
class Closed:
    """Its topic takes nothing from this user; others may."""

    reason: str


@dataclass(frozen=True, slots=True)
class Silence:
    """Not acknowledged, for a reason that every message would meet."""

    reason: str


Answer: TypeAlias = Written | Refused | Closed | Silence


def send(producer: Any, messages: Sequence[dict[str, Any]], timeout_s: float) -> list[Answer]:
    """Return the answer to each message, in their order.

    Args:
        producer: a `confluent_kafka.Producer` with acks=all.
        messages: keyword arguments of its `produce`.
        timeout_s: how long to wait for all answers; for one that is sent alone, again.
    """
    answers = _together(producer, messages, timeout_s)
    if len(messages) > 1:
        silence: Silence | None = None
        for number, message in enumerate(messages):
            if isinstance(answers[number], Refused):
                answers[number] = answer = silence or _together(producer, [message], timeout_s)[0]
                silence = answer if isinstance(answer, Silence) else None
    return answers


def _together(producer: Any, messages: Sequence[dict[str, Any]], timeout_s: float) -> list[Answer]:
    answers: list[Answer] = [Silence(f"no answer within {timeout_s:g} s")] * len(messages)

    def on_delivery(number: int, error: Any, message: Any) -> None:
        answers[number] = _written(message) if error is None else _failed(error)

    deadline = time.monotonic() + timeout_s
    for number, message in enumerate(messages):
        while True:
            try:
                producer.produce(**message, on_delivery=functools.partial(on_delivery, number))
            except BufferError:
                if time.monotonic() <= deadline:
                    producer.poll(0.1)
                    continue
            except KafkaException as error:  # e.g. larger than the client may send
                answers[number] = _failed(error.args[0])
            break
    producer.flush(max(0.0, deadline - time.monotonic()))
    return list(answers)  # what is answered later changes nothing any more


def _written(message: Any) -> Written:
    return Written(f"{message.topic()}/{message.partition()}/{message.offset()}".encode())


def _failed(error: Any) -> Refused | Closed | Silence:
    match fault_of(error):
        case Fault.BROKER:
            return Silence(said_by(error))
        case Fault.TOPIC:
            return Closed(said_by(error) + lacking(error))
        case _:  # an error that nobody knows is the message's if it meets it alone, too
            return Refused(said_by(error))
