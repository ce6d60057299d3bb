"""Producers are killed with SIGKILL, with the broker up and away: what was acknowledged or on disk is never lost."""

from collections.abc import Callable

import pytest

from tests.chaos.ground import Ground, rounds
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(3600)]

_EACH = 5
"""So many kills with the broker up, then as many with the broker away."""


def test_producers_are_killed(ground: Ground, report: Callable[[str], None]) -> None:
    kills = rounds(50, few=8)
    for kill in range(kills):
        if kill % (2 * _EACH) == 0:
            ground.broker.start()
        elif kill % _EACH == 0:
            ground.broker.kill()
        producer = ground.start()
        enough = ground.draw.randrange(1, 600)
        wait_until(
            lambda producer=producer, enough=enough: producer.look().acknowledged + producer.spooled >= enough,
            f"load before kill {kill}",
            240,
        )
        producer.kill()
    ledger = ground.drain()
    assert ledger["sampled"] + ledger["adopted"] == ledger["delivered"] + sum(ledger["dropped"].values())
    assert ledger["dropped"].keys() <= {"spool_torn"}, ground.logs()
    for producer in ground.producers:
        in_memory = producer.submitted - len({*producer.words["a"], *producer.words["s"]})
        assert in_memory <= 10_000 + 20_000
    report(f"{kills} kills of a producer: {ground.account()}")
