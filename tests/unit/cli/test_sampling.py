"""`headrace sampling set|list|unset` on the embedded broker, and what it refuses."""

import uuid

import pytest
from confluent_kafka import Producer

from headrace_consumers.embedded import EmbeddedBroker
from headrace_schemas.topics import CONTROL
from tests.support.kafka_settings import quiet_client
from tests.unit.headrace.test_sinks import refusing_address


@pytest.fixture(scope="module")
def cluster():
    with EmbeddedBroker() as running:
        yield running


@pytest.fixture
def sampling(cluster, command, config_file):
    """Run the command on a control topic of the test's own."""
    topic = f"control-{uuid.uuid4().hex}"
    Producer(quiet_client(cluster.bootstrap_servers)).list_topics(topic, timeout=60)  # makes it
    kafka = {"bootstrap_servers": cluster.bootstrap_servers, "topics": {"control": topic}}
    path = config_file({"kafka": kafka})

    def run(*arguments):
        return command("sampling", *arguments, "--config", path)

    run.topic, run.config = topic, path
    return run


def orders(sampling):
    listed = sampling("list", "--json")
    assert listed.code == 0, listed.err
    return {order["name"]: (order["rate_pct"], order["enabled"]) for order in listed.json["orders"]}


def test_set_says_what_it_wrote_and_list_shows_it(sampling):
    ended = sampling("set", "--module", "support", "--rate", "25", "--environment", "production")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines() == [
        f"production/*/support: rate 25 %; written to {sampling.topic}, offset 0",
        "Running producers follow within a second or two; those cut off from the broker, when it is back.",
    ]
    header, row = sampling("list").out.splitlines()
    assert header.split() == ["environment/service/module", "says", "since", "by"]
    assert row.startswith("production/*/support")
    assert "rate 25 %" in row
    assert "@" in row


def test_what_is_not_given_stays_as_it_was_said_before(sampling):
    sampling("set", "--module", "*", "--off")
    sampling("set", "--module", "*", "--rate", "0.5")
    ended = sampling("set", "--module", "a", "--service", "shop", "--on", "--rate", "0", "--json")
    assert ended.json["name"] == "*/shop/a"
    assert (ended.json["topic"], ended.json["offset"]) == (sampling.topic, 2)
    assert orders(sampling) == {"*/*/*": (0.5, False), "*/shop/a": (0, True)}
    sampling("set", "--module", "*", "--on")
    assert orders(sampling)["*/*/*"] == (0.5, True)


def test_unset_takes_an_order_back_once(sampling):
    sampling("set", "--module", "a", "--rate", "1")
    sampling("set", "--module", "b", "--rate", "2")
    assert sampling("unset", "--module", "a").out.startswith("*/*/a: taken back; written to ")
    assert orders(sampling) == {"*/*/b": (2, None)}
    again = sampling("unset", "--module", "a")
    assert again.code == 1
    hint = f"`headrace sampling list --config {sampling.config}` shows them"
    assert again.error == f"sampling unset: no order */*/a is in force; {hint}"
    assert sampling("unset", "--module", "b", "--json").json["name"] == "*/*/b"
    assert "no orders; each service's configuration holds" in sampling("list").out


def test_list_tells_of_what_producers_ignore_until_it_is_replaced(sampling, cluster):
    producer = Producer(quiet_client(cluster.bootstrap_servers))
    producer.produce(sampling.topic, b"?", b"sampling/*/*/a", partition=0)
    assert producer.flush(60) == 0
    assert "offset 0: ignored by producers: it is unreadable (not_single_object)" in sampling("list").out
    assert sampling("list", "--json").json["ignored"][0]["offset"] == 0
    sampling("set", "--module", "a", "--rate", "1")
    assert sampling("list", "--json").json["ignored"] == []


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--module", "a"], "nothing to set; give --rate PCT, --on or --off"),
        (["--module", "a", "--rate", "101"], "--rate: found 101, expected a percentage from 0 to 100"),
        (["--module", "a", "--rate", "-1"], "--rate: found -1, expected"),
        (["--module", "a", "--rate", "nan"], "--rate: found nan, expected"),
        (["--module", "a b", "--rate", "1"], "--module: found 'a b', expected '*' or at most 128 of A-Z a-z 0-9"),
        (["--module", "a", "--service", "a/b", "--rate", "1"], "--service: found 'a/b'"),
        (["--module", "a", "--environment", "", "--rate", "1"], "--environment: found ''"),
        (["--module", "", "--rate", "1"], "--module: found ''"),
        (["--module", "a", "--rate", "many"], "--rate"),
        (["--rate", "1"], "--module"),
    ],
)
def test_what_cannot_be_used_is_one_line_and_writes_nothing(sampling, arguments, complaint):
    ended = sampling("set", *arguments)
    assert ended.code == 2
    assert complaint in ended.error
    assert orders(sampling) == {}


def test_a_name_that_records_write_otherwise_is_hinted_at(sampling):
    assert "records name it a_b-" in sampling("set", "--module", "a b", "--rate", "1").error


@pytest.mark.parametrize("arguments", [["list"], ["set", "--module", "a", "--rate", "1"], ["unset", "--module", "a"]])
def test_a_broker_that_is_away_is_one_line(command, config_file, arguments):
    address = refusing_address()
    path = config_file({"kafka": {"bootstrap_servers": address}})
    ended = command("sampling", *arguments, "--config", path)
    assert ended.code == 1
    assert ended.error.startswith(f"kafka.bootstrap_servers: no broker answers at {address}")


@pytest.mark.parametrize("arguments", [["list"], ["set", "--module", "a", "--rate", "1"]])
def test_a_topic_that_is_missing_is_not_made_by_the_way(cluster, command, config_file, arguments):
    kafka = {"bootstrap_servers": cluster.bootstrap_servers, "topics": {"control": "no-such-topic"}}
    path = config_file({"kafka": kafka})
    for _ in range(2):
        ended = command("sampling", *arguments, "--config", path)
        assert ended.code == 1
        assert ended.error == (
            "topic no-such-topic: missing, or hidden from this user; "
            f"`headrace topics create --config {path}` makes it, "
            f"an administrator's `headrace acls check --config {path}` names a missing right"
        )


def test_without_a_broker_it_says_where_to_name_one(command):
    ended = command("sampling", "list")
    assert ended.code == 2
    assert "HEADRACE_KAFKA__BOOTSTRAP_SERVERS=HOST:PORT" in ended.error


def test_options_that_librdkafka_refuses_are_one_line(command, config_file):
    path = config_file({"kafka": {"bootstrap_servers": "127.0.0.1:9", "options": {"no.such.option": 1}}})
    ended = command("sampling", "list", "--config", path)
    assert ended.code == 2
    assert "kafka.options: librdkafka refuses them" in ended.error
    assert CONTROL not in ended.error
