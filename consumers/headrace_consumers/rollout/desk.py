"""The one desk at which decisions are written: state, log and orders in one transaction, by whoever sat down last.

    look       the state, while whoever writes goes on
    take_over  init_transactions: whoever wrote before can write no more, and what it had begun is undone or done
               -> the state, read to its end
    write      one transaction: the new state, entries of the log, orders to producers

A fixed `transactional.id` is the desk. So of two controllers, or of a controller and a command, the later one acts on
all that the earlier one has done, and the earlier one finds out when it writes: `Superseded`.
"""

import contextlib
import logging
import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Producer

from headrace.config import Config
from headrace.delivery.sinks.kafka_options import producer_options
from headrace.errors import ConfigError
from headrace_consumers.kafka_clients import QUIET, lacking
from headrace_consumers.kill_points import Hook, no_hook
from headrace_consumers.rollout.moves import Entry
from headrace_consumers.rollout.state import Found, Holder, State, entry_message, found_in, state_message
from headrace_consumers.rollout.steps import Step
from headrace_consumers.topics import Broker
from headrace_consumers.topics.reading import TopicReader
from headrace_schemas import HeadraceError
from headrace_schemas.rollouts import Rollout

__all__ = ["Desk", "DeskError", "Superseded", "look"]

_TIMEOUT_S: Final = 15.0
_TRANSACTION_MS: Final = 60_000
_SILENT: Final = logging.getLogger(f"{__name__}.librdkafka")
_SILENT.disabled = True  # what it would say of a transaction, the exception says
_FENCED: Final = frozenset({"_FENCED", "PRODUCER_FENCED", "INVALID_PRODUCER_EPOCH"})


class DeskError(HeadraceError):
    """Nothing could be written, or it is not known whether it was; what holds is read by the next `take_over`.

    Attributes:
        is_final: trying again does not help.
    """

    def __init__(self, message: str, *, is_final: bool = False) -> None:
        super().__init__(message)
        self.is_final = is_final


class Superseded(DeskError):  # noqa: N818  # it is no fault
    """Somebody else has taken over."""


class Desk:
    """Writes what is decided.

    Args:
        config: the whole configuration.
        is_command: it is a command's, which writes once.
        hook: for tests, see `Step`.
        timeout_s: how long the broker may take for each step.

    Raises:
        ConfigError: no broker is configured, or an option contradicts what the guarantees rest on.
    """

    def __init__(
        self, config: Config, *, is_command: bool, hook: Hook = no_hook, timeout_s: float = _TIMEOUT_S
    ) -> None:
        self._config = config
        self._is_command = is_command
        self._hook = hook
        self._timeout_s = timeout_s
        self._producer: Any = None
        self.holder = Holder("", is_command, config.rollout.transactional_id)
        self._options = {
            **producer_options(config),
            **QUIET,
            "linger.ms": 5,
            "message.timeout.ms": _TRANSACTION_MS,
            "transaction.timeout.ms": _TRANSACTION_MS,
            "transactional.id": config.rollout.transactional_id,
            "logger": _SILENT,
        }

    def look(self) -> State:
        """Return the state, taking nothing over.

        Raises:
            DeskError: a topic is missing, or this one could not fence whoever wrote the state.
            TopicError: the broker does not answer, or a right is missing.
            StateError: the topic holds something else.
        """
        _check_topics(self._config)
        state = look(self._config).state
        ours, holder = self._config.rollout.transactional_id, state.holder
        if holder is not None and holder.transactional_id not in {"", ours}:
            raise DeskError(
                f"rollout.transactional_id: found {ours}, but topic {self._config.kafka.topics.rollout} is written as "
                f"{holder.transactional_id}: two names could decide at the same time; set that one here too",
                is_final=True,
            )
        return state

    def take_over(self) -> State:
        """Return the state, after which nobody but this one can change it.

        Raises:
            DeskError: as `look`; and the broker does not answer.
            TopicError: likewise.
            StateError: likewise.
        """
        self.close()
        self.look()  # what cannot be taken over is left alone
        self._hook(f"before:{Step.TAKE_OVER}")
        try:
            self._producer = Producer(self._options)
        except KafkaException as error:
            raise ConfigError(f"kafka.options: librdkafka refuses them: {error.args[0].str()}") from error
        self._tried(lambda: self._producer.init_transactions(self._timeout_s))
        self.holder = Holder(uuid.uuid4().hex, self._is_command, self._config.rollout.transactional_id)
        state = self.look()
        self._hook(f"after:{Step.TAKE_OVER}")
        return state

    def write(self, state: State, now_ms: int, entries: Sequence[Entry] = (), orders: Sequence[Rollout] = ()) -> State:
        """Write all of it, or nothing; return the state as it was written.

        Raises:
            Superseded: somebody else has taken over; nothing was written.
            DeskError: it is not known whether it was written, and nothing more can be before the next `take_over`.
        """
        state = replace(state, holder=self.holder, written_at_ms=now_ms)
        topics = self._config.kafka.topics
        messages = [(topics.rollout, *entry_message(entry)) for entry in entries]
        messages += [(topics.control, order.key, order.encoded()) for order in orders]
        messages.append((topics.rollout, *state_message(state)))

        sent, committed = (Step.WRITE, Step.COMMIT) if entries else (Step.BEAT, Step.BEAT)

        def transaction() -> None:
            self._producer.begin_transaction()
            self._hook(f"before:{sent}")
            for topic, key, value in messages:
                self._producer.produce(topic, value, key, partition=0)
            self._producer.flush(self._timeout_s)
            if entries:
                self._hook(f"after:{sent}")
                self._hook(f"before:{committed}")
            self._producer.commit_transaction(self._timeout_s)
            self._hook(f"after:{committed}")

        self._tried(transaction)
        return state

    def close(self) -> None:
        """Let go; what was not committed is undone by whoever takes over."""
        if self._producer is not None:
            with contextlib.suppress(KafkaException):
                self._producer.purge()  # or its end waits for a broker that is away
        self._producer = None

    def _tried(self, step: Any) -> None:
        try:
            step()
        except KafkaException as error:
            cause: Any = error.args[0]
            if cause.name() in _FENCED:
                self.close()
                raise Superseded("another controller, or a command, has taken over") from None
            with contextlib.suppress(KafkaException):
                if cause.txn_requires_abort():
                    self._producer.abort_transaction(self._timeout_s)
            self.close()
            raise _described(self._config, cause) from None


def look(config: Config) -> Found:
    """Return the state and the log, taking nothing over.

    Raises:
        TopicError: the broker does not answer, or a right is missing.
        StateError: the topic holds something else.
    """
    return found_in(TopicReader(config, config.kafka.topics.rollout).read())


def _check_topics(config: Config) -> None:
    wanted = (config.kafka.topics.rollout, config.kafka.topics.control)
    existing = Broker(config).existing()
    if missing := [name for name in wanted if name not in existing]:
        raise DeskError(
            f"topic {missing[0]}: missing, or hidden from this user; `headrace topics create` makes it, "
            "an administrator's `headrace acls check` names a missing right",
            is_final=True,
        )


def _described(config: Config, error: KafkaError) -> DeskError:
    where = f"transactional id {config.rollout.transactional_id}"
    lacks = "AUTHORIZATION_FAILED" in error.name()
    advice = (
        (lacking(error) or "; this user lacks a right: an administrator's `headrace acls check` names it")
        if lacks
        else ""
    )
    return DeskError(f"{where}: {error.str().rstrip('.')}{advice}", is_final=lacks)
