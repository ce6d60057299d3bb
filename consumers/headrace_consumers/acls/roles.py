"""The roles, and the least that each needs; `tests/secure/test_rights.py` holds every line to a real broker.

| role     | who it is                                                              |
|----------|------------------------------------------------------------------------|
| producer | an instrumented service                                                |
| dataset  | `headrace consume dataset` and `feedback`, and rebuilds beside them    |
| metrics  | `headrace consume metrics`                                             |
| rollout  | `headrace consume rollout`                                             |
| operator | people: topics, dead letters, orders and rollouts, import, erasure     |

Nobody has a right to delete a topic, to change its settings, or to give rights: that is an administrator's.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from headrace.config import Config
from headrace_consumers.acls.right import Kind, Pattern, Right

__all__ = ["Role", "principal_of", "rights_of", "user_of"]


class Role(StrEnum):
    """A kind of program, with a user of its own."""

    producer = "producer"
    dataset = "dataset"
    metrics = "metrics"
    rollout = "rollout"
    operator = "operator"


def user_of(role: Role) -> str:
    """Return the name that a role's programs log in with, unless another was chosen."""
    return f"headrace-{role.value}"


def principal_of(user: str) -> str:
    """Return a user as ACLs name it."""
    return f"User:{user}"


def rights_of(role: Role, config: Config) -> frozenset[Right]:
    """Return what a role may do.

    Args:
        role: the role.
        config: names topics and groups; with `metrics.samples` the metrics consumer reads interactions too.
    """
    return frozenset(_RIGHTS[role](config))


def _producer(config: Config) -> Iterable[Right]:
    topics = config.kafka.topics
    for name in (topics.interactions, topics.statistics, topics.feedback):
        yield _topic(name, "WRITE")
    yield _topic(topics.control, "READ")


def _dataset(config: Config) -> Iterable[Right]:
    topics, group = config.kafka.topics, config.dataset.group_id
    yield _topic(topics.interactions, "READ")
    yield _topic(topics.feedback, "READ")
    yield _topic(topics.dead_letters, "WRITE")
    yield Right(Kind.group, group, "READ")
    yield Right(Kind.group, f"{group}-", "READ", Pattern.prefixed)  # the feedback consumer's, and rebuilds'


def _metrics(config: Config) -> Iterable[Right]:
    topics = config.kafka.topics
    yield _topic(topics.statistics, "READ")
    if config.metrics.samples:
        yield _topic(topics.interactions, "READ")
    yield Right(Kind.group, config.metrics.group_id, "READ")


def _rollout(config: Config) -> Iterable[Right]:
    topics = config.kafka.topics
    yield _topic(topics.statistics, "READ")
    if config.rollout.feedback:
        yield _topic(topics.feedback, "READ")
    yield _topic(topics.control, "READ")
    yield from _desk(config)


def _desk(config: Config) -> Iterable[Right]:
    """Return what it takes to write decisions: see `headrace_consumers.rollout.desk`."""
    topics = config.kafka.topics
    yield _topic(topics.rollout, "READ")
    yield _topic(topics.rollout, "WRITE")
    yield _topic(topics.control, "WRITE")
    yield Right(Kind.transactional_id, config.rollout.transactional_id, "WRITE")


def _operator(config: Config) -> Iterable[Right]:
    topics = config.kafka.topics
    for _, name in topics:
        for operation in (
            "CREATE",
            "DESCRIBE",
            "DESCRIBE_CONFIGS",
        ):  # topics create and check; erase asks for retention
            yield _topic(name, operation)
    for name in (topics.interactions, topics.feedback, topics.dead_letters, topics.control):
        yield _topic(name, "READ")
        yield _topic(name, "WRITE")  # import; replays, and their marks; orders
    yield from _desk(config)


_RIGHTS: Final = {
    Role.producer: _producer,
    Role.dataset: _dataset,
    Role.metrics: _metrics,
    Role.rollout: _rollout,
    Role.operator: _operator,
}


def _topic(name: str, operation: str) -> Right:
    return Right(Kind.topic, name, operation)
