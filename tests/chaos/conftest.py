"""The ground of a chaos test, and its figures at the end of the run."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.chaos.ground import Ground
from tests.support.kafka_settings import UnavailableError

_FIGURES = pytest.StashKey[list[str]]()


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    reason = ""
    try:
        ground = Ground(tmp_path, seed=20)
    except UnavailableError as error:
        reason = f"These tests need a Kafka of their own, from its jars: {error}"
    if reason:
        pytest.fail(reason, pytrace=False)
    yield ground
    ground.close()


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Give a function that prints a line at the end of the run."""
    lines = request.config.stash.setdefault(_FIGURES, [])
    return lines.append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for line in config.stash.get(_FIGURES, []):
        terminalreporter.write_line(f"Chaos: {line}")
