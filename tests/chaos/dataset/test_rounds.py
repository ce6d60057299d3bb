"""Rounds of chaos for the dataset consumer: after each, nothing is missing and nothing is twice, row by row.

HEADRACE_TEST_CHAOS_SEED and HEADRACE_TEST_CHAOS_FIRST repeat what a failure prints; HEADRACE_TEST_CHAOS_ROUNDS=all
plays hundreds, =N so many; HEADRACE_TEST_CHAOS_AT_ONCE says how many side by side. With -s a line tells of each.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.chaos.dataset.lanes import Lanes
from tests.chaos.ground import ROUNDS_ENV
from tests.support.kafka_settings import UnavailableError

SEED_ENV: Final = "HEADRACE_TEST_CHAOS_SEED"
FIRST_ENV: Final = "HEADRACE_TEST_CHAOS_FIRST"
AT_ONCE_ENV: Final = "HEADRACE_TEST_CHAOS_AT_ONCE"
ALL: Final = 300
FEW: Final = 4

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(4 * 3600)]


def wanted_rounds() -> int:
    text = os.environ.get(ROUNDS_ENV, "")
    return ALL if text == "all" else int(text or FEW)


def side_by_side() -> int:
    return int(os.environ.get(AT_ONCE_ENV, "0")) or 2 * len(os.sched_getaffinity(0))


def said(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def test_whatever_happens_each_example_is_there_once(tmp_path: Path, report: Callable[[str], None]) -> None:
    seed, first = int(os.environ.get(SEED_ENV, "1")), int(os.environ.get(FIRST_ENV, "0"))
    lanes = Lanes(seed, tmp_path, side_by_side=side_by_side(), say=said)
    reason = ""
    try:
        lanes.play(range(first, first + wanted_rounds()))
    except UnavailableError as error:
        reason = f"These tests need a Kafka of their own, from its jars: {error}"
    finally:  # also of a long run that is interrupted
        report(str(lanes.figures))
    if reason:
        pytest.fail(reason, pytrace=False)
    again = f"{SEED_ENV}={seed} {FIRST_ENV}={{}} {ROUNDS_ENV}=1 plays it again"
    wrong = [f"{again.format(number)}\n{what}" for number, what in sorted(lanes.failures.items())]
    assert not wrong, "\n\n".join(wrong)
