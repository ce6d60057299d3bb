"""Rounds of chaos for the dataset consumer: after each, nothing is missing and nothing is twice, row by row.

HEADRACE_TEST_CHAOS_SEED and HEADRACE_TEST_CHAOS_FIRST repeat what a failure prints; HEADRACE_TEST_CHAOS_ROUNDS=all
plays hundreds, =N so many.
"""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.chaos.dataset.figures import Figures
from tests.chaos.dataset.plan import draw
from tests.chaos.dataset.round import played
from tests.chaos.ground import ROUNDS_ENV
from tests.support.kafka import Kafka
from tests.support.kafka_settings import UnavailableError
from tests.support.kafka_unruly import UnrulyBroker

SEED_ENV: Final = "HEADRACE_TEST_CHAOS_SEED"
FIRST_ENV: Final = "HEADRACE_TEST_CHAOS_FIRST"
ALL: Final = 300
FEW: Final = 4

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(4 * 3600)]


def wanted_rounds() -> int:
    text = os.environ.get(ROUNDS_ENV, "")
    return ALL if text == "all" else int(text or FEW)


@pytest.fixture
def broker():
    reason = ""
    try:
        broker = UnrulyBroker(os.environ)
        broker.start()
    except UnavailableError as error:
        reason = f"These tests need a Kafka of their own, from its jars: {error}"
    if reason:
        pytest.fail(reason, pytrace=False)
    yield broker
    broker.remove()


def test_whatever_happens_each_example_is_there_once(
    broker: UnrulyBroker, tmp_path: Path, report: Callable[[str], None]
) -> None:
    seed, first = int(os.environ.get(SEED_ENV, "1")), int(os.environ.get(FIRST_ENV, "0"))
    kafka = Kafka(broker.broker())
    figures = Figures(seed)
    try:
        for number in range(first, first + wanted_rounds()):
            plan = draw(seed, number)
            with played(broker, kafka, tmp_path / f"round-{number}", plan) as round_:
                again = f"{SEED_ENV}={seed} {FIRST_ENV}={number} {ROUNDS_ENV}=1"
                try:
                    outcome = round_.play()
                except (TimeoutError, subprocess.TimeoutExpired) as error:
                    pytest.fail(f"{again} plays it again\n{plan}\n{error}\n{round_.logs()}", pytrace=False)
                assert not outcome.problems, f"{again} plays it again\n{plan}\n{outcome.problems}\n{round_.logs()}"
            figures.add(plan, outcome)
    finally:  # also of a long run that is interrupted
        report(str(figures))
