"""The administrative side of a broker: rights and passwords, given and taken."""

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but not all in its __all__
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)

from headrace.client_options import client_options
from headrace.config import Config
from headrace.errors import ConfigError
from headrace_consumers.acls.right import Kind, Pattern, Right
from headrace_consumers.topics import bootstrap_servers
from headrace_consumers.topics.broker import Broker
from headrace_schemas import HeadraceError

if TYPE_CHECKING:
    from concurrent.futures import Future

__all__ = ["AclError", "Authority"]

_TIMEOUT_S: Final = 8.0
_ITERATIONS: Final = 8192
_MECHANISM: Final = ScramMechanism.SCRAM_SHA_512
_CLUSTER: Final = "kafka-cluster"
_log: Final = logging.getLogger(__name__)
_ADVICE: Final = {
    "SECURITY_DISABLED": "; the broker has no authorizer: set authorizer.class.name "
    "(org.apache.kafka.metadata.authorizer.StandardAuthorizer)",
}


class AclError(HeadraceError):
    """The broker refused to tell, give or take a right."""


class Authority:
    """Rights and passwords on the configured Kafka; the client has to be an administrator's.

    Args:
        config: `kafka.bootstrap_servers`, `kafka.options` and `kafka.secret_options` are used.
        timeout_s: for each request.

    Raises:
        ConfigError: no broker is configured, or librdkafka refuses an option.
        TopicError: it does not answer.
    """

    def __init__(self, config: Config, timeout_s: float = _TIMEOUT_S) -> None:
        servers = bootstrap_servers(config)
        Broker(config, timeout_s).brokers()  # tells in one line why it does not answer
        self._timeout_s = timeout_s
        options = {**client_options(config.kafka), "bootstrap.servers": servers, "log_level": 2}
        try:
            self._admin = AdminClient(options, logger=_log)
        except KafkaException as error:
            raise ConfigError(f"kafka.options: librdkafka refuses them: {error.args[0].str()}") from error
        self._may = self._own_rights()

    def held(self, principal: str) -> frozenset[Right]:
        """Return the rights of a user, as ACLs name it; those that it has as one of everybody are not among them.

        Raises:
            AclError: the broker does not tell.
        """
        self._insist_on("DESCRIBE")
        found = self._result(
            self._admin.describe_acls(_filter(principal), request_timeout=self._timeout_s), "the ACLs cannot be read"
        )
        return frozenset(_right(binding) for binding in found)

    def allow(self, principal: str, rights: Iterable[Right]) -> None:
        """Give rights; a right that is there already is none more.

        Raises:
            AclError: the broker refused one.
        """
        bindings = [_binding(principal, right) for right in sorted(rights)]
        if not bindings:
            return
        self._insist_on("ALTER")
        for binding, made in self._admin.create_acls(bindings, request_timeout=self._timeout_s).items():
            self._result(made, f"{principal}: cannot be given {_right(binding)}")

    def take(self, principal: str, rights: Iterable[Right]) -> None:
        """Take rights away; those that are not there, or of a kind that librdkafka does not know, are passed over.

        Raises:
            AclError: the broker refused.
        """
        filters = [_filter(principal, right) for right in sorted(rights) if right.kind is not Kind.other]
        if not filters:
            return
        self._insist_on("ALTER")
        for taken in self._admin.delete_acls(filters, request_timeout=self._timeout_s).values():
            self._result(taken, f"{principal}: a right cannot be taken")

    def has_password(self, user: str) -> bool:
        """Tell whether a user has a SCRAM password.

        Raises:
            AclError: the broker does not tell.
        """
        self._insist_on("DESCRIBE")
        asked: Any = self._admin.describe_user_scram_credentials([user], request_timeout=self._timeout_s)
        try:
            return bool(asked[user].result().scram_credential_infos)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.RESOURCE_NOT_FOUND:
                return False
            raise self._refused(error, f"user {user}: whether it has a password cannot be read") from None

    def set_password(self, user: str, password: str) -> None:
        """Give a user a SCRAM password, or another one; connections that are open stay.

        Raises:
            AclError: the broker refused.
        """
        change = UserScramCredentialUpsertion(user, ScramCredentialInfo(_MECHANISM, _ITERATIONS), password.encode())
        self._alter(user, change, "cannot be given its password")

    def take_password(self, user: str) -> None:
        """Take a user's SCRAM password, so that it cannot log in; connections that are open stay.

        Raises:
            AclError: the broker refused.
        """
        if self.has_password(user):
            self._alter(user, UserScramCredentialDeletion(user, _MECHANISM), "its password cannot be taken")

    def _alter(self, user: str, change: Any, what: str) -> None:
        self._insist_on("ALTER")
        altered = self._admin.alter_user_scram_credentials([change], request_timeout=self._timeout_s)[user]
        self._result(altered, f"user {user}: {what}")

    def _own_rights(self) -> frozenset[str]:
        """Return what this client may do to the cluster.

        Asked first, since librdkafka (2.16) takes a refusal to tell ACLs for "there are none", and crashes on a refusal
        to tell passwords.
        """
        asked = self._admin.describe_cluster(include_authorized_operations=True, request_timeout=self._timeout_s)
        operations = self._result(asked, "the broker does not say what this user may do").authorized_operations
        return frozenset(operation.name for operation in operations or ())

    def _insist_on(self, operation: str) -> None:
        if operation not in self._may:
            raise AclError(
                f"this user may not {'read' if operation == 'DESCRIBE' else 'change'} rights and passwords: it lacks "
                f"{operation} on the cluster; come as an administrator (super.users)"
            )

    def _result(self, future: "Future[Any]", what: str) -> Any:
        try:
            return future.result()
        except KafkaException as error:
            raise self._refused(error, what) from None

    def _refused(self, error: KafkaException, what: str) -> AclError:
        reason = error.args[0]
        return AclError(f"{what}: {reason.str()}{_ADVICE.get(reason.name(), '')}")


_KINDS: Final = {
    Kind.topic: ResourceType.TOPIC,
    Kind.group: ResourceType.GROUP,
    Kind.cluster: ResourceType.BROKER,  # librdkafka calls it so
    Kind.transactional_id: ResourceType.TRANSACTIONAL_ID,
}
_KINDS_BACK: Final = {theirs: ours for ours, theirs in _KINDS.items()}
_PATTERNS: Final = {Pattern.literal: ResourcePatternType.LITERAL, Pattern.prefixed: ResourcePatternType.PREFIXED}


def _binding(principal: str, right: Right) -> AclBinding:
    name = _CLUSTER if right.kind is Kind.cluster else right.name
    permission = AclPermissionType.DENY if right.is_denied else AclPermissionType.ALLOW
    operation = AclOperation[right.operation]
    return AclBinding(_KINDS[right.kind], name, _PATTERNS[right.pattern], principal, right.host, operation, permission)


def _filter(principal: str, right: Right | None = None) -> AclBindingFilter:
    any_: Any = None
    if right is None:
        return AclBindingFilter(
            ResourceType.ANY, any_, ResourcePatternType.ANY, principal, any_, AclOperation.ANY, AclPermissionType.ANY
        )
    exact = _binding(principal, right)
    return AclBindingFilter(
        exact.restype,
        exact.name,
        exact.resource_pattern_type,
        exact.principal,
        exact.host,
        exact.operation,
        exact.permission_type,
    )


def _right(binding: Any) -> Right:
    prefixed = binding.resource_pattern_type is ResourcePatternType.PREFIXED
    return Right(
        _KINDS_BACK.get(binding.restype, Kind.other),
        binding.name,
        binding.operation.name,
        Pattern.prefixed if prefixed else Pattern.literal,
        is_denied=binding.permission_type is AclPermissionType.DENY,
        host=binding.host,
    )
