"""Follows the control topic in one daemon thread, from its first order to the newest, and goes on listening.

Nothing is applied before the newest was read: on the way there, orders are met that were replaced or taken back.

No consumer group: partition 0 is assigned as a whole to each process. The broker may be away at any time; what was
ordered last stays in force, and the log tells of it once for each cause.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from headrace.client_options import client_options
from headrace.config import Config
from headrace.control.overrides import ALL_MODULES, Orders, Override
from headrace.control.sampling_orders import OrderError, read_order
from headrace.delivery import process
from headrace.delivery.complaints import Complaints
from headrace.interruption import pass_on
from headrace_schemas.rollouts import Rollout, read_rollout

__all__ = ["Follower", "consumer_options"]

logger = logging.getLogger("headrace")

_POLL_S: Final = 1.0
_QUIET_S: Final = 0.1
"""No further order for so long, and it is asked whether the end is reached: the broker tells of it much later."""

_RETRY_S: Final = 60.0
"""How long after a client could not be made the next one is tried."""

_OPTIONS: Final[Mapping[str, Any]] = {
    "client.id": "headrace-control",
    "log_level": 2,
    # The broker answers at once when there is an order, and else only so often.
    "fetch.wait.max.ms": 10_000,
    "queued.max.messages.kbytes": 1024,
    "topic.metadata.refresh.interval.ms": 60_000,  # a topic that is made later is found
    "queued.min.messages": 100,
}
_PINNED: Final[Mapping[str, Any]] = {
    "group.id": "headrace-control",  # librdkafka wants one; no group is joined, and no offset committed
    "enable.auto.commit": False,
    "enable.partition.eof": True,
}
_NO_CONCERN: Final = frozenset({"GROUP_AUTHORIZATION_FAILED", "_ALL_BROKERS_DOWN"})


def consumer_options(config: Config) -> dict[str, Any]:
    """Return librdkafka's options for the follower.

    Raises:
        ConfigError: a secret cannot be read.
    """
    given = {**client_options(config.kafka), **config.kafka.consumer_options}
    given = {name: value for name, value in given.items() if not name.startswith("group.")}
    return {**_OPTIONS, **given, "bootstrap.servers": config.kafka.bootstrap_servers, **_PINNED}


class Follower:
    """Tells of every change in what holds for one service.

    Args:
        config: kafka.bootstrap_servers is set; `telemetry.environment` and `telemetry.service` say whose orders count.
        apply: called by the thread with module name -> override, whenever that may have changed; see
            `Orders.overrides`.
        apply_rollouts: likewise with the rollouts of all environments, by name.
        idle: called by the thread now and then, whether the broker is there or not; a second later again.
        make_consumer: makes the client from its options; None: confluent-kafka's.
        clock: seconds, monotonic.
        time_s: Unix time in seconds.
    """

    exit_timeout_s = 0.0
    _starting: threading.RLock
    _started: bool
    _is_starting: bool
    _is_at_work: bool
    _stopping: threading.Event
    _thread: threading.Thread | None

    def __init__(
        self,
        config: Config,
        apply: Callable[[Mapping[str, Override]], None],
        *,
        apply_rollouts: Callable[[Mapping[str, Rollout]], None] = lambda _: None,
        idle: Callable[[], None] = lambda: None,
        make_consumer: Callable[[dict[str, Any]], Any] | None = None,
        clock: Callable[[], float] = time.monotonic,
        time_s: Callable[[], float] = time.time,
    ) -> None:
        self._config = config
        self._apply = apply
        self._apply_rollouts = apply_rollouts
        self._idle = idle
        self._make_consumer = make_consumer or _confluent_consumer
        self._clock = clock
        self._time_s = time_s
        self._is_off = False
        self._begin()

    def start(self) -> None:
        """Start the thread unless it was started. Never raises; a process that can start no thread has no follower.

        What a signal handler raises meanwhile goes on to the service, and the next call starts the thread if it is due.
        """
        if self._has_begun():  # or another thread is just at it, or what a signal interrupted
            return
        # A signal handler may raise after any call: `with` lets go of the lock even then, and an assignment is no call.
        with self._starting:
            if self._has_begun():
                return
            try:
                self._is_starting = True
                process.watch(self)
                self._thread = threading.Thread(
                    target=self._run, args=(self._stopping,), name="headrace-control", daemon=True
                )
                self._thread.start()
                self._started = self._is_at_work = True
            except Exception as error:
                pass_on(error)
                self._started = True
                logger.warning("headrace: orders cannot be followed here (%s)", type(error).__name__)
            finally:
                self._is_starting = False

    def close(self, timeout_s: float = 0.0) -> bool:
        """Stop following, for good; wait for the thread at most so long, and tell whether it has ended."""
        self._started = True
        self._stopping.set()
        process.forget(self)
        thread = self._thread
        if thread is not None and thread is not threading.current_thread() and timeout_s > 0:
            thread.join(timeout_s)
        return not self._is_at_work

    def renew(self) -> None:
        """Begin anew in a forked child, which has the orders known so far and none of the parent's connections.

        It follows from its first call on; at once where all is ordered off, for then no call is counted.
        """
        process.forget(self)
        self._begin()
        if self._is_off:
            self.start()

    def _begin(self) -> None:
        self._starting = threading.RLock()
        self._started = self._is_starting = self._is_at_work = False
        self._stopping = threading.Event()
        self._thread = None
        self._complaints = Complaints(self._clock)
        self._told: set[str] = set()

    def _has_begun(self) -> bool:
        return self._started or self._is_starting

    def _run(self, stopping: threading.Event) -> None:
        """Follow, unless an interrupted start left this thread behind and another took its place."""
        with self._starting:
            if self._thread is not threading.current_thread():
                return
            self._started = self._is_at_work = True
        try:
            self._keep_following(stopping)
        finally:
            # Python's own `is_alive`, interrupted by a signal, takes a living thread for dead ever after.
            self._is_at_work = False

    def _keep_following(self, stopping: threading.Event) -> None:
        while not stopping.is_set():
            try:
                self._follow(stopping)
            except Exception as error:  # a client that cannot be made, say; the host goes on
                self._tell_once(type(error).__name__, "headrace: orders are not followed: %s", _described(error))
                stopping.wait(_RETRY_S)

    def _follow(self, stopping: threading.Event) -> None:
        """Read until `stopping`. Orders of an earlier connection are read again: some may be gone."""
        from confluent_kafka import OFFSET_BEGINNING, TopicPartition

        options = consumer_options(self._config)
        consumer = self._make_consumer({**options, "error_cb": self._on_error, "logger": _SILENT})
        _keep_forever(consumer)
        telemetry, orders = self._config.telemetry, Orders()
        rollouts: dict[str, Rollout] = {}
        partition = TopicPartition(self._config.kafka.topics.control, 0, OFFSET_BEGINNING)
        poll_s, has_news, is_first = _POLL_S, False, True
        try:
            consumer.assign([partition])
            while not stopping.is_set():
                message, is_end = consumer.poll(poll_s), False
                if message is None:  # librdkafka is silent at the end, and also when a fetch takes its time
                    is_end = has_news and _is_read_up(consumer, partition)
                elif message.error() is None:
                    has_news |= self._take(orders, rollouts, message)
                elif message.error().name() == "_PARTITION_EOF":
                    is_end = has_news or is_first
                else:
                    self._on_error(message.error())
                if is_end:
                    overrides = orders.overrides(telemetry.environment, telemetry.service or "")
                    self._is_off = overrides.get(ALL_MODULES, Override()).enabled is False
                    self._apply(overrides)
                    self._apply_rollouts(dict(rollouts))
                    has_news = is_first = False
                    self._told.clear()
                poll_s = _QUIET_S if has_news and message is not None else _POLL_S
                if message is None or not has_news:
                    self._idle()
        finally:
            with contextlib.suppress(Exception):
                consumer.close()

    def _take(self, orders: Orders, rollouts: dict[str, Rollout], message: Any) -> bool:
        key, value, now_ms = message.key(), message.value(), int(self._time_s() * 1000)
        try:
            order = read_order(key, value, now_ms)
            rollout = read_rollout(key, value) if order is None else None
        except OrderError as error:
            self._complaints.warn(
                "order",
                "headrace: an order is ignored (%s, offset %s): %s; `headrace %s` shows those in force",
                self._config.kafka.topics.control,
                message.offset(),
                error,
                "rollout status" if (key or b"").startswith(b"rollout/") else "sampling list",
            )
            return False
        if rollout is not None:
            name, said = rollout
            if said is None:
                rollouts.pop(name, None)
            else:
                rollouts[name] = said
            return True
        if order is None:
            self._complaints.warn(
                "kind", "headrace: an order of a kind that this release does not know is ignored", level=logging.INFO
            )
            return False
        orders.take(order)
        return True

    def _on_error(self, error: Any) -> None:
        if error.name() in _NO_CONCERN:
            return
        if error.name() == "UNKNOWN_TOPIC_OR_PART":
            message = "headrace: no topic %s: rates cannot be changed at run time; `headrace topics create` makes it"
            self._tell_once(error.name(), message, self._config.kafka.topics.control)
        else:
            self._tell_once(error.name(), "headrace: orders are not followed: %s (%s)", error.str(), error.name())

    def _tell_once(self, cause: str, message: str, *values: object) -> None:
        """Log a cause once until orders arrive again: the sink, too, tells of a broker that is away."""
        if cause not in self._told:
            self._told.add(cause)
            logger.warning(message, *values)


def _is_read_up(consumer: Any, partition: Any) -> bool:
    """Tell whether all is read that the broker had when it answered last; asks nobody, and never raises.

    Both offsets are behind the end of a transaction, too, which no client is given as a message.
    """
    try:
        (read,) = consumer.position([partition])
        _, end_offset = consumer.get_watermark_offsets(partition, cached=True)
    except Exception as error:
        pass_on(error)
        return False
    return bool(0 <= end_offset <= read.offset)


def _described(error: Exception) -> str:
    """Return librdkafka's words; of other errors the type only."""
    cause: Any = error.args[0] if error.args else None
    return str(cause.str()) if hasattr(cause, "str") else type(error).__name__


def _keep_forever(consumer: Any) -> None:
    """Never free the client's object: a forked child would wait, in that, for threads that it does not have.

    `close` frees all that is large.
    """
    import ctypes

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(consumer))


def _confluent_consumer(options: dict[str, Any]) -> Any:
    from confluent_kafka import Consumer

    return Consumer(options)


class _Silent:
    """Takes librdkafka's log in place of the host's standard error; the error callback tells what matters."""

    def log(self, level: int, message: str, *values: object) -> None:
        """Log nothing."""


_SILENT: Final = _Silent()
