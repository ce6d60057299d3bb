"""What all tests share: one real Kafka, started when the first test asks for it."""

import logging
import os
import sys
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from hypothesis import settings

from tests.support import closing_lines, collecting, kafka_broker, prometheus_programs, versity
from tests.support.kafka import Kafka

# A machine that is busy elsewhere is no failure; `make properties` tries many more examples.
settings.register_profile("headrace", deadline=None, max_examples=int(os.environ.get("HEADRACE_TEST_EXAMPLES", "50")))
settings.load_profile("headrace")

# DSPy's litellm asks the network for prices when it is imported, in each of the many processes that are started here.
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")

# Hundreds of processes import the same files: each would compile them anew, and rewrite all asserts of the tests.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

_MOST_WORKERS = 4


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Say how many processes `-n auto` means: one more than cores, for many tests wait for a broker or a timeout.

    Each may have a broker and a handful of consumers beside it.
    """
    return min(len(os.sched_getaffinity(0)) + 1, _MOST_WORKERS)


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Collect faster, where many processes do."""
    with collecting.calm_collector():
        collecting.import_share(session.config)
        return (yield)


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest) -> Iterator[Kafka]:
    """Give the run's broker; each test makes topics of its own."""
    reasons = ""
    try:
        broker, closed = kafka_broker.start()
    except kafka_broker.NoKafkaError as error:
        reasons = str(error)
    if reasons:
        for line in reasons.splitlines():
            closing_lines.say(request.config, f"Kafka: {line}")
        pytest.fail(reasons, pytrace=False)
    ready = f"Kafka: via {broker.how}, {broker.bootstrap_servers}, ready in {broker.startup_s:.1f} s"
    for line in (ready, *(f"Kafka: not via {line}" for line in closed)):
        closing_lines.say(request.config, line)
    running = Kafka(broker)
    yield running
    running.close()


@pytest.fixture(scope="session")
def s3() -> Iterator[versity.S3Server]:
    """Give the run's S3-compatible server; each test takes a name of its own for its table."""
    try:
        server = versity.start(os.environ)
    except versity.NoServerError as error:
        reason = f"no S3-compatible server: {error}"
        server = None
    if server is None:
        pytest.fail(reason, pytrace=False)
    yield server
    server.lifeline.cut()


@pytest.fixture(scope="session")
def prometheus_tools() -> prometheus_programs.Programs:
    """Give the real Prometheus, promtool, Alertmanager and amtool."""
    try:
        return prometheus_programs.find(os.environ)
    except prometheus_programs.NoProgramsError as error:
        reason = f"no Prometheus: {error}"
    pytest.fail(reason, pytrace=False)


@pytest.fixture(autouse=True)
def _logging_restored() -> Iterator[None]:
    """Take back what a command that runs in this process does to its logging."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog = sys.modules.get("structlog")  # the consumers'; capture is tested where it is not installed, too
    if structlog is not None:
        structlog.reset_defaults()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs the broker, for `-m "not kafka"`; give whole systems time, and mix them with units."""
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if "kafka" in fixtures:
            item.add_marker(pytest.mark.kafka)
        if {"kafka", "s3"} & set(fixtures) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(900))
    if collecting.is_one_of_many():
        items[:] = collecting.mixed(items)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where this is one of several processes, hand over what it has to say."""
    closing_lines.hand_over(session.config)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take it over."""
    closing_lines.take_over(node.config, node)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say which Kafka it was, and why not another; and the figures of chaos."""
    for line in closing_lines.collected(config):
        terminalreporter.write_line(line)
