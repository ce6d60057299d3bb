"""Each role has exactly the rights of its list, as a real broker sees it; and the commands that give and check them."""

import json
from itertools import product
from typing import Any

import pytest
from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from headrace.client_options import client_options
from headrace.config import load
from headrace_consumers.acls import Role, rights_of
from tests.secure.conftest import Secured

ROLES = [role.value for role in Role]
_IMPLIED = {"READ": "DESCRIBE", "WRITE": "DESCRIBE", "ALTER": "DESCRIBE", "DELETE": "DESCRIBE"}


def options_of(secured: Secured, role: str) -> dict[str, Any]:
    kafka = load(secured.config(role), environ={}).kafka
    return {**client_options(kafka, {}), "bootstrap.servers": kafka.bootstrap_servers, "log_level": 0}


def with_implied(operations: set[str]) -> set[str]:
    return operations | {_IMPLIED[each] for each in operations if each in _IMPLIED}


@pytest.mark.parametrize("role", ROLES)
def test_the_broker_grants_a_role_what_its_list_says_and_nothing_else(secured: Secured, role: str) -> None:
    config = load(secured.config(role), environ={})
    admin = AdminClient(options_of(secured, role))
    wanted = rights_of(Role(role), config)
    names = [name for _, name in config.kafka.topics]
    asked = admin.describe_topics(TopicCollection(names), include_authorized_operations=True, request_timeout=20)
    for name in names:
        expected = with_implied({right.operation for right in wanted if (right.kind, right.name) == ("topic", name)})
        try:
            found = {each.name for each in asked[name].result().authorized_operations}
        except KafkaException as error:
            is_hidden = error.args[0].name() == "TOPIC_AUTHORIZATION_FAILED"
            found = set() if is_hidden else {str(error)}
        assert found == expected, name
    groups = [
        "headrace-dataset",
        "headrace-dataset-feedback",
        "headrace-metrics",
        "headrace-rollout",
        "headrace-datase",
    ]
    described: Any = admin.describe_consumer_groups(groups, include_authorized_operations=True, request_timeout=20)
    for group in groups:
        expected = with_implied(
            {
                right.operation
                for right in wanted
                if right.kind == "group"
                and (group == right.name or (right.pattern == "prefixed" and group.startswith(right.name)))
            }
        )
        try:
            found = {each.name for each in described[group].result().authorized_operations or ()}
        except KafkaException as error:
            is_hidden = error.args[0].name() == "GROUP_AUTHORIZATION_FAILED"
            found = set() if is_hidden else expected  # there is no such group yet, and this user may know that
        assert found == expected, group
    cluster = admin.describe_cluster(include_authorized_operations=True, request_timeout=20).result()
    assert not cluster.authorized_operations


@pytest.mark.parametrize(("role", "what"), list(product(ROLES, ["create", "delete", "alter"])))
def test_nobody_makes_or_removes_what_is_not_its_own(secured: Secured, role: str, what: str) -> None:
    from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic, ResourceType

    admin = AdminClient(options_of(secured, role))
    name = "headrace.interactions.v1"
    entry = ConfigEntry("retention.ms", "1", incremental_operation=AlterConfigOpType.SET)
    asked: Any = {
        "create": lambda: admin.create_topics([NewTopic("somebody-elses", 1, 1)], request_timeout=20),
        "delete": lambda: admin.delete_topics([name], request_timeout=20),
        "alter": lambda: admin.incremental_alter_configs(
            [ConfigResource(ResourceType.TOPIC, name, incremental_configs=[entry])], request_timeout=20
        ),
    }[what]()
    (future,) = asked.values()
    with pytest.raises(KafkaException) as caught:
        future.result()
    assert caught.value.args[0].name() == "TOPIC_AUTHORIZATION_FAILED"


def test_applying_again_changes_nothing_and_check_is_content(secured: Secured) -> None:
    admin = secured.config("admin")
    again = secured.run(admin, "acls", "apply", "--json")
    assert again.returncode == 0
    assert all(
        not (each["given"] or each["taken"] or each["password_set"]) for each in json.loads(again.stdout)["applied"]
    )
    checked = secured.run(admin, "acls", "check")
    assert checked.returncode == 0
    assert checked.stdout.splitlines() == [f"User:headrace-{role}: ok" for role in ROLES]


def test_check_tells_what_is_missing_and_what_is_too_much_and_apply_mends_it(secured: Secured) -> None:
    admin = secured.config("admin")
    other = secured.config("admin", "renamed", metrics={"group_id": "other-group", "samples": False})
    of_second = ("--role", "metrics", "--user", "second")
    try:
        assert secured.run(other, "acls", "apply", *of_second).returncode == 0
        checked = secured.run(admin, "acls", "check", *of_second)
        assert checked.returncode == 1
        command = "headrace acls apply --role metrics --user second"
        assert checked.stdout.splitlines() == [
            f"User:second: may not READ on group headrace-metrics; to change it: {command}",
            f"User:second: may not READ on topic headrace.interactions.v1; to change it: {command}",
            f"User:second: has more than its role: READ on group other-group; to change it: {command} --exact",
            "User:second: note: has no SCRAM password, so it comes otherwise or not",
        ]
        assert secured.run(admin, "acls", "apply", *of_second).returncode == 1  # given, and still too much
        assert secured.run(admin, "acls", "apply", *of_second, "--exact").returncode == 0
        assert secured.run(admin, "acls", "check", *of_second).stdout.startswith("User:second: ok\n")
    finally:
        removed = secured.run(admin, "acls", "remove", "--user", "second")
    assert removed.stdout.splitlines()[-1] == "User:second: it had no SCRAM password"
    assert len(removed.stdout.splitlines()) == 4
    assert secured.run(admin, "acls", "check", *of_second).returncode == 1


def test_what_everybody_may_is_told_for_all(secured: Secured) -> None:
    admin = secured.config("admin")
    try:
        assert secured.run(admin, "acls", "apply", "--role", "producer", "--user", "*").returncode == 1
        checked = secured.run(admin, "acls", "check", "--role", "metrics")
        assert checked.returncode == 1
        assert (
            "User:*: everybody has READ on topic headrace.control.v1; to change it: headrace acls remove --user '*'"
            in checked.stdout.splitlines()
        )
    finally:
        assert secured.run(admin, "acls", "remove", "--user", "*").returncode == 0
    assert secured.run(admin, "acls", "check").returncode == 0


@pytest.mark.parametrize("arguments", [("check",), ("apply",), ("remove", "--user", "headrace-producer")])
def test_who_is_no_administrator_is_told_so_in_one_line(secured: Secured, arguments: tuple[str, ...]) -> None:
    line = secured.refusal(secured.config("operator"), "acls", *arguments)
    assert line == (
        "this user may not read rights and passwords: it lacks DESCRIBE on the cluster; "
        "come as an administrator (super.users)"
    )


def test_passwords_that_are_not_there_stop_before_anything_is_given(secured: Secured) -> None:
    (secured.folder / "few").mkdir()
    done = secured.run(secured.config("admin"), "acls", "apply", "--passwords", "few")
    assert done.returncode == 2
    assert done.stderr.startswith(
        "headrace: --passwords: cannot read few/producer.password (No such file or directory)"
    )
