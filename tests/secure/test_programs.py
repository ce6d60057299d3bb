"""Each role's real program does its work on the secured broker; as anybody else it says in one line what it lacks."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest
from confluent_kafka import Producer

from tests.secure.conftest import Secured
from tests.support.metrics_consumer import MetricsConsumer, ask
from tests.support.waiting import wait_until

_ROOT = Path(__file__).parents[2]
QUESTION = "a question that no log may show"
SERVICE = f"""
import json, logging, sys, dspy, headrace
from tests.unit.headrace.capture.offline import OfflineLM, Program
logging.basicConfig(level=logging.INFO)
dspy.configure(lm=OfflineLM(cost_usd=0.001), adapter=dspy.ChatAdapter())
headrace.configure(sys.argv[1])
program = headrace.instrument(Program(), "qa")
for number in range(5):
    with headrace.request(f"r-{{number}}"):
        program(question=f"{QUESTION} {{number}}")
headrace.feedback("r-0", score=1.0)
headrace.flush(30)
headrace.shutdown(20)
stats = headrace.stats()
print(json.dumps([stats.sampled, stats.delivered, stats.spooled, stats.dropped]))
"""
LACKS = "an administrator's `headrace acls check` names it"


def service(secured: Secured, config: Path) -> "tuple[list[object], str]":
    """Run an instrumented service; return (sampled, delivered, spooled, dropped) and what it logged."""
    done = subprocess.run(
        [sys.executable, "-c", SERVICE, str(config)],
        cwd=_ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    secured.said.append(done.stderr)
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


def warnings_of(log: str) -> list[str]:
    return [line for line in log.splitlines() if line.startswith("WARNING:headrace:")]


def spoil_one(secured: Secured, topic: str = "headrace.interactions.v1") -> None:
    """Write, as an administrator, what nobody can read."""
    kafka = secured.broker.admin_options()
    producer = Producer({"bootstrap.servers": kafka["bootstrap_servers"], **kafka["options"]})
    producer.produce(topic, b"no record", b"no key")
    assert producer.flush(30) == 0


@pytest.mark.timeout(600)
def test_each_program_does_its_work(secured: Secured) -> None:
    config = {role: secured.config(role) for role in ("producer", "dataset", "metrics", "rollout", "operator")}

    ordered = secured.run(config["rollout"], "sampling", "set", "--module", "qa", "--rate", "100")
    assert ordered.returncode == 0, ordered.stderr

    (sampled, delivered, spooled, dropped), log = service(secured, config["producer"])
    assert (delivered, spooled, dropped) == (sampled, 0, {})
    assert warnings_of(log) == []

    spoil_one(secured)

    def consume(what: str) -> "subprocess.CompletedProcess[str]":
        return secured.run(config["dataset"], "consume", what, "--idle-exit-s", "2", "--json", timeout_s=200)

    with ThreadPoolExecutor() as side_by_side:
        ended = list(side_by_side.map(consume, ("dataset", "feedback")))
    for done in ended:
        assert done.returncode == 0, done.stderr
        assert "uthorization failed" not in done.stderr
    rows = pl.scan_delta(str(secured.folder / "table")).collect()
    assert rows.height >= 5, done.stdout
    assert pl.scan_delta(str(secured.folder / "table-feedback")).collect().height == 1

    metrics = MetricsConsumer(secured.folder, json.loads(config["metrics"].read_text()), "metrics-member")
    metrics.start()
    try:
        wait_until(lambda: "headrace_calls_total{" in ask(metrics.port, "/metrics")[1], "the calls on the page", 180)
    finally:
        metrics.stop()
    secured.said.append(metrics.log.read_text())

    operator = config["operator"]
    for command in (["topics", "check"], ["sampling", "list"], ["deadletter", "ls"], ["dataset", "ls"]):
        done = secured.run(operator, *command)
        assert done.returncode == 0, (command, done.stderr)
    doctor = secured.run(operator, "doctor", "--json")
    # The service's own spool and table are somewhere else; what concerns the broker is well.
    wrong = [each for each in json.loads(doctor.stdout)["results"] if each["state"] == "wrong"]
    assert [each for each in wrong if each["check"].startswith(("broker", "topic", "orders", "dead letters"))] == []
    replayed = secured.run(operator, "deadletter", "replay", "--reason", "undecodable", "--apply", "--json")
    assert replayed.returncode == 0, replayed.stderr
    assert QUESTION not in "\n".join(secured.said)


def test_the_rollout_consumer_decides_and_needs_no_right_to_a_group(secured: Secured) -> None:
    """The client asks for a group's coordinator all the same, and the refusal comes among the records."""
    values = json.loads(secured.config("rollout").read_text())
    consumer = MetricsConsumer(secured.folder, values, "rollout-member", what="rollout")
    topic = ("topic", "headrace.stats.v1")

    def read() -> float:
        found = consumer.scrape().items()
        return sum(
            value for (name, labels), value in found if name == "headrace_unreadable_records_total" and topic in labels
        )

    consumer.start()
    try:
        for number in (1, 2):  # what comes after the refusal is read too
            spoil_one(secured, "headrace.stats.v1")
            wait_until(lambda number=number: read() >= number, f"record {number} to be read", 120)
        assert consumer.scrape()["headrace_rollout_acting", ()] == 1
        assert consumer.stop() == 0
    finally:
        consumer.kill()
    said = consumer.log.read_text()
    secured.said.append(said)
    assert "uthorization" not in said


@pytest.mark.parametrize("role", ["metrics", "dataset"])
def test_a_service_without_the_right_to_write_goes_on_and_says_so_once(secured: Secured, role: str) -> None:
    config = secured.config(role, f"service-as-{role}")
    (sampled, delivered, spooled, dropped), log = service(secured, config)
    assert (delivered, dropped) == (0, {})
    assert spooled == sampled
    (line,) = [line for line in warnings_of(log) if "_AUTHORIZATION_FAILED" in line and "orders" not in line]
    assert LACKS in line
    assert QUESTION not in log


@pytest.mark.parametrize(
    ("role", "arguments", "expected"),
    [
        (
            "producer",
            ("consume", "dataset"),
            "Group authorization failed; this user lacks a right to its consumer group",
        ),
        (
            "metrics",
            ("consume", "feedback"),
            "headrace.feedback.v1: Broker: Topic authorization failed; this user lacks",
        ),
        ("dataset", ("consume", "metrics", "--port", "0"), "this user lacks a right to its consumer group"),
        (
            "producer",
            ("deadletter", "ls"),
            "headrace.deadletter.v1: Broker: Topic authorization failed; this user lacks",
        ),
        (
            "producer",
            ("sampling", "set", "--module", "a", "--off"),
            "Topic authorization failed; this user lacks a right",
        ),
        ("dataset", ("sampling", "list"), "headrace.control.v1: missing, or hidden from this user"),
        (
            "metrics",
            ("topics", "check"),
            "cannot read its settings: Topic authorization failed; this user lacks a right",
        ),
        (
            "metrics",
            ("consume", "rollout", "--port", "0"),
            "topic headrace.rollout.v1: missing, or hidden from this user",
        ),
    ],
)
def test_a_program_as_somebody_else_says_in_one_line_what_it_lacks(
    secured: Secured, role: str, arguments: tuple[str, ...], expected: str
) -> None:
    line = secured.refusal(secured.config(role), *arguments)
    assert expected in line
    assert "headrace acls check" in line
