"""The fixtures of the capture tests, a hearing LM, and a world."""

from collections.abc import Iterator
from pathlib import Path

import dspy
import pytest

from tests.unit.headrace.capture.conftest import _offline, at, everything
from tests.unit.headrace.routing.world import Hearing, World
from tests.unit.headrace.ways.conftest import real_lm

__all__ = ["_offline", "at", "everything", "real_lm"]


@pytest.fixture
def lm() -> Iterator[Hearing]:
    hearing = Hearing()
    with dspy.context(lm=hearing):
        yield hearing


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)
