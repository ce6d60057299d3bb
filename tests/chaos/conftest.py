"""The ground of a chaos test, and its figures at the end of the run."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.chaos.ground import Ground
from tests.support import closing_lines
from tests.support.kafka_settings import UnavailableError


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
    return lambda figures: closing_lines.say(request.config, f"Chaos: {figures}")
