"""What all tests share: one real Kafka, started when the first test asks for it."""

import logging
import os
import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.support import kafka_broker, prometheus_programs, versity
from tests.support.kafka import Kafka

# A machine that is busy elsewhere is no failure.
settings.register_profile("headrace", deadline=None)
settings.load_profile("headrace")

_REPORT = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest) -> Iterator[Kafka]:
    """Give the run's broker; each test makes topics of its own."""
    report = request.config.stash.setdefault(_REPORT, [])
    reasons = ""
    try:
        broker, closed = kafka_broker.start()
    except kafka_broker.NoKafkaError as error:
        reasons = str(error)
    if reasons:
        report.extend(reasons.splitlines())
        pytest.fail(reasons, pytrace=False)
    report.append(f"via {broker.how}, {broker.bootstrap_servers}, ready in {broker.startup_s:.1f} s")
    report.extend(f"not via {line}" for line in closed)
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
    """Mark what needs the broker, for `-m "not kafka"`; and give time to what may have to build the S3 server."""
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if "kafka" in fixtures:
            item.add_marker(pytest.mark.kafka)
        if "s3" in fixtures:
            item.add_marker(pytest.mark.timeout(900))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say which Kafka it was, and why not another."""
    for line in config.stash.get(_REPORT, []):
        terminalreporter.write_line(f"Kafka: {line}")
