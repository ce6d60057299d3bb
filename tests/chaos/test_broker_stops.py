"""The broker is killed and started again, again and again, under load: nothing is lost, nothing is twice."""

from collections.abc import Callable

import pytest

from tests.chaos.ground import Ground, rounds
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(3600)]


def test_the_broker_stops_and_starts_under_load(ground: Ground, report: Callable[[str], None]) -> None:
    stops = rounds(20, few=2)
    producers = [ground.start(), ground.start()]

    def acknowledged() -> int:
        return sum(producer.look().acknowledged for producer in producers)

    def spooled() -> int:
        return sum(producer.look().spooled for producer in producers)

    for stop in range(stops):
        enough = acknowledged() + ground.draw.randrange(50, 800)
        wait_until(lambda enough=enough: acknowledged() >= enough, f"load before stop {stop}", 240)
        enough = spooled() + ground.draw.randrange(50, 1500)
        ground.broker.kill()
        wait_until(lambda enough=enough: spooled() >= enough, f"records on disk in stop {stop}", 240)
        ground.broker.start()
    for producer in producers:
        producer.stop()
    ledgers = [producer.finish() for producer in producers]
    for ledger, producer in zip(ledgers, producers, strict=True):
        assert ledger["dropped"] == {}, ground.logs()
        assert (ledger["spooled"], ledger["in_flight"]) == (0, 0)
        assert ledger["sampled"] == producer.submitted
        assert ledger["sampled"] + ledger["adopted"] == ledger["delivered"]
        assert set(producer.words["a"]) == {f"{producer.name}-{number}" for number in range(producer.submitted)}
    report(f"{stops} stops of the broker under load: {ground.account()}")
