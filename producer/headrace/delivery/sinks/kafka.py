"""Records to Kafka: Avro, keyed by deduplication key, acknowledged by all replicas."""

import logging
import time
from collections.abc import Callable
from typing import Any, Final

from headrace.config import Config
from headrace.delivery import process
from headrace.delivery.complaints import Complaints
from headrace.delivery.outgoing import Kind, Outgoing
from headrace.delivery.sinks.kafka_options import producer_options
from headrace.delivery.sinks.protocol import TAKEN_BACK, Done, Returned
from headrace.delivery.sinks.send_errors import Fault, fault_of
from headrace_schemas import Codec, EncodeError, feedback_codec, interaction_codec, keys, statistics_codec
from headrace_schemas.topics import REQUEST_HEADER

__all__ = ["KafkaSink"]

_PURGE_S: Final = 0.2
_RETRY_S: Final = 10.0
"""How long after a client could not be made the next one is tried."""

_NO_RIGHT: Final = ", so this user lacks the right to write: an administrator's `headrace acls check` names it"


class KafkaSink:
    """Sends each kind of record to its topic.

    Args:
        config: the configuration; kafka.bootstrap_servers is set.
        make_producer: makes the client from its options; None: confluent-kafka's.
        clock: seconds, monotonic.

    Raises:
        ConfigError: an option contradicts what the guarantees rest on.
    """

    def __init__(
        self,
        config: Config,
        *,
        make_producer: Callable[[dict[str, Any]], Any] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._options = producer_options(config)
        topics = config.kafka.topics
        self._routes: dict[Kind, tuple[str, Codec[Any]]] = {
            "interaction": (topics.interactions, interaction_codec()),
            "feedback": (topics.feedback, feedback_codec()),
            "statistics": (topics.statistics, statistics_codec()),
        }
        self._make_producer = make_producer or _confluent_producer
        self._clock = clock
        self._complaints = Complaints(clock)
        self._producer: Any = None
        self._unusable: tuple[float, str] | None = None
        self._has_failed_for_good = False
        self._is_down = False

    def send(self, outgoing: Outgoing, done: Done) -> bool:
        """See `Sink.send`."""
        if self._has_failed_for_good:
            self._replace_client()
        topic, codec = self._routes[outgoing.kind]
        try:
            value = codec.encode(outgoing.record)
        except EncodeError as error:
            self._complaints.warn("encode", "headrace: a record was lost: %s", error)
            done("encode_failed")
            return True
        with process.unforked():  # the first time it takes a while
            from confluent_kafka import KafkaException

        kind = outgoing.kind  # the record itself is held once, by the client

        def on_delivery(error: Any, message: Any) -> None:
            if error is None:
                self._is_down = False
                done(None)
            else:
                self._came_back(error, done, lambda: self._read(kind, message))

        try:
            producer = self._open()
            if producer is None:
                done(self._unusable[1] if self._unusable else "kafka", lambda: outgoing)
                return True
            producer.produce(
                topic,
                value,
                _key(outgoing),
                headers=_headers(outgoing),
                on_delivery=on_delivery,
            )
        except BufferError:
            return False
        except KafkaException as error:
            return self._refused(error.args[0], done, outgoing)
        return True

    def poll(self, timeout_s: float) -> None:
        """See `Sink.poll`."""
        if self._producer is not None:
            self._serve(lambda: self._producer.poll(timeout_s))

    def push(self, timeout_s: float) -> None:
        """See `Sink.push`."""
        if self._producer is not None:
            self._serve(lambda: self._producer.flush(timeout_s))  # while it flushes, librdkafka does not linger

    def pending(self) -> int:
        """See `Sink.pending`."""
        return 0 if self._producer is None else len(self._producer)

    def is_down(self) -> bool:
        """See `Sink.is_down`. An acknowledgement ends it."""
        return self._is_down

    def take_back(self) -> None:
        """See `Sink.take_back`. What was sent is left to its acknowledgement: it may have arrived."""
        if self._producer is not None:
            self._producer.purge(in_flight=False)

    def settle(self, timeout_s: float) -> None:
        """See `Sink.settle`."""
        if self._producer is not None and self._producer.flush(timeout_s):
            self._purge()

    def close(self, timeout_s: float) -> None:
        """See `Sink.close`."""
        self.settle(timeout_s)
        self._producer = None

    def abandon(self) -> None:
        """See `Sink.abandon`.

        librdkafka's threads stayed in the parent. Freeing its client here would wait for them (measured: a second, in
        the fork), so it is never freed.
        """
        if self._producer is not None:
            import ctypes

            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._producer))
            self._producer = None

    def _open(self) -> Any:
        """Return the client, or None while none can be made."""
        if self._producer is None:
            from confluent_kafka import KafkaException

            if self._unusable is not None and self._clock() < self._unusable[0]:
                return None
            options = {**self._options, "error_cb": self._on_error, "logger": _Log(self._complaints)}
            try:
                self._producer = self._make_producer(options)
                self._unusable = None
            except KafkaException as error:
                cause = error.args[0]
                self._is_down = True
                self._unusable = (self._clock() + _RETRY_S, f"kafka:{cause.name()}")
                self._complaints.warn(
                    "client", "headrace: no Kafka client: %s; check kafka.options; records wait on disk", cause.str()
                )
        return self._producer

    def _serve(self, serve: Callable[[], object]) -> None:
        """Let the client tell; when it has failed for good it raises that, in place of calling back."""
        from confluent_kafka import KafkaException

        try:
            serve()
        except KafkaException as error:
            if not error.args[0].fatal():
                raise
            self._on_error(error.args[0])

    def _refused(self, error: Any, done: Done, outgoing: Outgoing) -> bool:
        if error.fatal() or error.name() == "_FATAL":
            self._has_failed_for_good = True
            return False
        self._came_back(error, done, lambda: outgoing)
        return True

    def _came_back(self, error: Any, done: Done, returned: Returned) -> None:
        if fault_of(error) is Fault.MESSAGE:  # all others may pass: a broker comes back, a topic is made
            self._complaints.warn(f"record {error.name()}", "headrace: a record was lost: %s", error.str())
            done(f"kafka:{error.name()}")
        elif error.name() == "TOPIC_AUTHORIZATION_FAILED":
            self._on_error(error)
            done(f"kafka:{error.name()}", returned)
        elif error.name() == "_PURGE_QUEUE":
            done(TAKEN_BACK, returned)
        else:
            done(f"kafka:{error.name()}", returned)

    def _read(self, kind: Kind, message: Any) -> Outgoing | None:
        """Make a record again from the client's message."""
        if message is None or (value := message.value()) is None:
            return None
        return Outgoing(kind, self._routes[kind][1].decode(value))

    def _replace_client(self) -> None:
        """After a fatal error an idempotent client refuses everything; a new one has a new producer id."""
        self._has_failed_for_good = False
        if self._producer is not None:
            self._purge()
            self._producer = None

    def _purge(self) -> None:
        self._producer.purge()
        left = len(self._producer) + 1
        while left > (left := self._producer.flush(_PURGE_S)) > 0:  # the purged records' callbacks
            pass

    def _on_error(self, error: Any) -> None:
        self._has_failed_for_good |= error.fatal()
        self._is_down |= error.name() == "_ALL_BROKERS_DOWN"
        lacks_right = error.name().endswith("_AUTHORIZATION_FAILED")  # to a topic, or, with none at all, to the cluster
        self._complaints.warn(
            "right" if lacks_right else error.name(),
            "Kafka: %s (%s)%s; calls go on, records wait on disk or are counted as dropped",
            error.str(),
            error.name(),
            _NO_RIGHT if lacks_right else "",
        )


def _key(outgoing: Outgoing) -> bytes:
    record: Any = outgoing.record
    if outgoing.kind == "interaction":
        return str(record["dedup_key"]).encode()
    if outgoing.kind == "feedback":
        return keys.request_id_hash(record["request_id"])
    return str(record["instance"]).encode()


def _headers(outgoing: Outgoing) -> list[tuple[str, bytes]]:
    record: Any = outgoing.record
    return [] if outgoing.kind == "statistics" else [(REQUEST_HEADER, keys.request_id_hash(record["request_id"]))]


class _Log:
    """Takes librdkafka's log in place of the host's standard error: one line of a kind a minute, as information.

    What needs attention comes through the error callback, too.
    """

    def __init__(self, complaints: Complaints) -> None:
        self._complaints = complaints

    def log(self, level: int, message: str, *values: object) -> None:
        """Log a line; the first value is its kind."""
        del level
        kind = f"librdkafka {values[0] if values else ''}"
        self._complaints.warn(kind, "librdkafka: " + message, *values, level=logging.INFO)


def _confluent_producer(options: dict[str, Any]) -> Any:
    from confluent_kafka import Producer

    return Producer(options)
