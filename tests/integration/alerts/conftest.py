"""Rules on series that are written down."""

from collections.abc import Callable
from pathlib import Path

import pytest

from headrace.config import Config
from tests.support.prometheus_programs import Programs
from tests.support.prometheus_rules import Scene


@pytest.fixture
def scene(prometheus_tools: Programs, tmp_path: Path) -> Scene:
    """Give an empty scene with the rules of the default configuration."""
    return Scene(prometheus_tools, tmp_path)


@pytest.fixture
def scene_of(prometheus_tools: Programs, tmp_path: Path) -> Callable[[Config], Scene]:
    """Give an empty scene with the rules of a configuration."""
    return lambda config: Scene(prometheus_tools, tmp_path, config)
