"""Writes dead letters and returns when the broker has acknowledged all of them."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from confluent_kafka import KafkaException

from headrace.errors import HeadraceError
from headrace_schemas import DeadLetter, dead_letter_codec

__all__ = ["DeadLetterError", "DeadLetterWriter", "KafkaDeadLetterWriter"]

TIMEOUT_S: Final = 30.0
HURRIED_S: Final = 2.0
_SLICE_S: Final = 0.2


class DeadLetterError(HeadraceError):
    """Dead letters were not acknowledged; the batch is not committed, so nothing is lost."""


class DeadLetterWriter(Protocol):
    """Where dead letters go."""

    def write(self, letters: Sequence[DeadLetter]) -> None:
        """Return when all letters are safe.

        Raises:
            DeadLetterError: they are not.
        """
        ...

    def close(self) -> None:
        """Release the connection."""
        ...


class KafkaDeadLetterWriter:
    """Writes to the dead-letter topic, at least once; a letter's key is its source, so copies can be told.

    Args:
        make_producer: makes a `confluent_kafka.Producer` with acks=all; called at the first letter.
        topic: the dead-letter topic.
        timeout_s: how long to wait for the acknowledgements.
        is_hurried: tells whether the process is to end, so that there is little time to wait.
    """

    def __init__(
        self,
        make_producer: Callable[[], Any],
        topic: str,
        *,
        timeout_s: float = TIMEOUT_S,
        is_hurried: Callable[[], bool] = lambda: False,
    ) -> None:
        self._make_producer = make_producer
        self._topic = topic
        self._timeout_s = timeout_s
        self._is_hurried = is_hurried
        self._codec = dead_letter_codec()
        self._producer: Any = None

    def write(self, letters: Sequence[DeadLetter]) -> None:
        """See `DeadLetterWriter.write`."""
        if not letters:
            return
        if self._producer is None:
            self._producer = self._make_producer()
        failures: list[str] = []
        acknowledged = 0

        def on_delivery(error: Any, message: Any) -> None:
            nonlocal acknowledged
            del message
            if error is None:
                acknowledged += 1
            else:
                failures.append(error.str())

        deadline = time.monotonic() + self._timeout_s
        for letter in letters:
            self._produce(letter, on_delivery, deadline)
        self._flush(deadline)
        if failures or acknowledged < len(letters):
            why = failures[0] if failures else f"no answer within {self._timeout_s:g} s"
            raise DeadLetterError(
                f"{self._topic}: {len(letters) - acknowledged} of {len(letters)} dead letters were not acknowledged "
                f"({why}); nothing is lost: see `headrace topics check` and start again"
            )

    def close(self) -> None:
        """See `DeadLetterWriter.close`."""
        self._producer = None

    def _flush(self, deadline: float) -> None:
        began = time.monotonic()
        while (now := time.monotonic()) < deadline and self._producer.flush(min(_SLICE_S, deadline - now)):
            if self._is_hurried():
                deadline = min(deadline, began + HURRIED_S)

    def _produce(self, letter: DeadLetter, on_delivery: Callable[[Any, Any], None], deadline: float) -> None:
        key = f"{letter['topic']}/{letter['partition']}/{letter['offset']}".encode()
        value = self._codec.encode(letter)
        while True:
            try:
                self._producer.produce(self._topic, value, key, on_delivery=on_delivery)
            except BufferError:
                if time.monotonic() > deadline:
                    return  # flush will find it unacknowledged
                self._producer.poll(0.1)
            except KafkaException as error:  # e.g. larger than the client may send
                raise DeadLetterError(
                    f"{self._topic}: the dead letter of {key.decode()}, {len(value):,} bytes, cannot be sent "
                    f"({error.args[0].str()}); nothing is lost: see kafka.producer_options and start again"
                ) from error
            else:
                return
