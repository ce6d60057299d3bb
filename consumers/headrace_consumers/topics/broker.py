"""The administrative side of a broker: topics described, created, deleted."""

import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but not in its __all__
    AdminClient,
    ConfigResource,
    NewTopic,
)

from headrace.client_options import client_options
from headrace.config import Config
from headrace.errors import ConfigError
from headrace_consumers.kafka_clients import NOT_LET_IN, lacking, said_by
from headrace_consumers.topics.copies import COPIES
from headrace_consumers.topics.finding import TopicState
from headrace_consumers.topics.findings import settings_of_new
from headrace_schemas import HeadraceError
from headrace_schemas.topics import TopicSpec

if TYPE_CHECKING:
    from concurrent.futures import Future

__all__ = ["Broker", "TopicError", "bootstrap_servers"]

_TIMEOUT_S: Final = 8.0
_REFUSED_S: Final = 2.0
_log: Final = logging.getLogger(__name__)


class TopicError(HeadraceError):
    """The broker cannot be reached, or refused what was asked of it.

    Attributes:
        is_not_let_in: a broker is there and refuses this client, or this client the broker.
    """

    def __init__(self, message: str, *, is_not_let_in: bool = False) -> None:
        super().__init__(message)
        self.is_not_let_in = is_not_let_in


def bootstrap_servers(config: Config) -> str:
    """Return the brokers' addresses.

    Raises:
        ConfigError: none is configured.
    """
    if config.kafka.bootstrap_servers is None:
        raise ConfigError(
            "kafka.bootstrap_servers: not set; give HOST:PORT in the file "
            "or as HEADRACE_KAFKA__BOOTSTRAP_SERVERS=HOST:PORT"
        )
    return config.kafka.bootstrap_servers


class Broker:
    """The administrative side of the configured Kafka.

    Args:
        config: `kafka.bootstrap_servers` and `kafka.options` are used.
        timeout_s: for each request.

    Raises:
        ConfigError: no broker is configured, or librdkafka refuses an option.
    """

    def __init__(self, config: Config, timeout_s: float = _TIMEOUT_S) -> None:
        self.bootstrap_servers = bootstrap_servers(config)
        self._timeout_s = timeout_s
        self._last_error: str | None = None
        self._all_down = False
        self._is_not_let_in = False
        options: dict[str, Any] = {
            **client_options(config.kafka),
            "bootstrap.servers": self.bootstrap_servers,
            "error_cb": self._remember,
            "log_level": 2,
        }
        self._protocol = options.get("security.protocol", "PLAINTEXT")
        try:
            self._admin = AdminClient(options, logger=_log)
        except KafkaException as error:
            raise ConfigError(f"kafka.options: librdkafka refuses them: {error.args[0].str()}") from error

    def existing(self) -> frozenset[str]:
        """Return the names of the topics that exist, as far as this client may see them.

        Raises:
            TopicError: the broker does not answer.
        """
        return frozenset(name for name, topic in self._list().topics.items() if topic.error is None)

    def brokers(self) -> int:
        """Return how many brokers there are.

        Raises:
            TopicError: the broker does not answer.
        """
        return len(self._list().brokers)

    def describe(self, names: Sequence[str]) -> dict[str, TopicState]:
        """Return name -> state of those topics that exist.

        Raises:
            TopicError: the broker does not answer or refuses.
        """
        listed = self._list().topics
        found = [name for name in names if name in listed and listed[name].error is None]
        if not found:
            return {}
        resources = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in found]
        described = self._admin.describe_configs(resources, request_timeout=self._timeout_s)
        states = {}
        for resource, future in described.items():
            entries = self._result(future, f"topic {resource.name}: cannot read its settings")
            partitions = listed[resource.name].partitions.values()
            states[resource.name] = TopicState(
                name=resource.name,
                partitions=len(partitions),
                replication_factor=min((len(partition.replicas) for partition in partitions), default=0),
                config={key: entry.value for key, entry in entries.items() if entry.value is not None},
            )
        return states

    def create(
        self, specs: Sequence[TopicSpec], partitions: int = 8, replication_factor: int | None = None
    ) -> list[str]:
        """Create the topics that are missing; existing ones are left as they are.

        Args:
            specs: the topics.
            partitions: of each new topic whose spec does not say.
            replication_factor: of each new topic; by default 3, or the number of brokers if that is less.

        Returns:
            The names of the created topics.

        Raises:
            TopicError: the broker does not answer or refuses.
        """
        listed = self._list()
        replicas = replication_factor or min(COPIES, len(listed.brokers))
        missing = [spec for spec in specs if spec.name not in listed.topics]
        if not missing:
            return []
        new = [
            NewTopic(
                spec.name,
                num_partitions=spec.partitions or partitions,
                replication_factor=replicas,
                config=settings_of_new(spec, replicas),
            )
            for spec in missing
        ]
        created = []
        for name, future in self._admin.create_topics(new, request_timeout=self._timeout_s).items():
            try:
                future.result()
            except KafkaException as error:
                if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:  # somebody was faster: the same to us
                    continue
                lack = (
                    "; this user lacks the right to create it: an administrator's `headrace acls check` names it"
                    if "AUTHORIZATION_FAILED" in error.args[0].name()
                    else ""
                )
                raise TopicError(f"topic {name}: cannot be created: {self._reason(error)}{lack}") from error
            created.append(name)
        return created

    def delete(self, names: Sequence[str]) -> None:
        """Delete topics; those that do not exist are passed over.

        Raises:
            TopicError: the broker does not answer or refuses.
        """
        for name, future in self._admin.delete_topics(list(names), request_timeout=self._timeout_s).items():
            try:
                future.result()
            except KafkaException as error:
                if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise TopicError(f"topic {name}: cannot be deleted: {self._reason(error)}") from error

    def _list(self) -> Any:
        started = time.monotonic()
        while True:
            try:
                return self._admin.list_topics(timeout=1)
            except KafkaException as error:
                self._admin.poll(0)  # the error callback knows the cause
                waited_s = time.monotonic() - started
                # Refused by all is clear soon, and a broker that is just starting has a moment; silence takes longer.
                if waited_s < (_REFUSED_S if self._all_down else self._timeout_s):
                    continue
                raise TopicError(
                    f"kafka.bootstrap_servers: no broker answers at {self.bootstrap_servers} ({self._reason(error)}); "
                    "check the address, that the broker runs, and kafka.options for its security",
                    is_not_let_in=self._is_not_let_in,
                ) from error

    def _result(self, future: "Future[Any]", what: str) -> Any:
        try:
            return future.result()
        except KafkaException as error:
            raise TopicError(f"{what}: {self._reason(error)}{lacking(error.args[0])}") from error

    def _remember(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001  # librdkafka's own codes are named so
            self._all_down = True  # it follows the error that explains it
        else:
            self._last_error = said_by(error)
            self._is_not_let_in = error.name() in NOT_LET_IN

    def _reason(self, error: KafkaException) -> str:
        if self._all_down and self._last_error is None:  # connected, and hung up on without a word
            protocol = self._protocol
            return f"it hangs up on {protocol}: does that listener want another security.protocol, say SASL_SSL?"
        return self._last_error or said_by(error.args[0])
