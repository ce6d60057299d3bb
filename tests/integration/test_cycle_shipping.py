"""What the cycle finds out and starts through a real Kafka: the version that is served, and its own rollout."""

import pytest

from headrace.config import Config, load
from headrace_consumers.cli.cycle_shipping import CycleShipping
from headrace_consumers.cycle.errors import CycleError
from headrace_consumers.cycle.rolling_out import Served
from headrace_consumers.rollout.commands import order
from headrace_schemas.programs import Program
from tests.support.kafka import Kafka
from tests.support.rollout_consumer import Ground
from tests.support.waiting import wait_until


def test_the_last_rollout_tells_what_is_served_and_one_under_way_is_waited_for(
    kafka: Kafka, tmp_path_factory: pytest.TempPathFactory
) -> None:
    ground = Ground(kafka, tmp_path_factory.mktemp("shipping"))
    first, second = (ground.put("triage", version) for version in ("optimized_v1", "optimized_v2"))
    shipping = CycleShipping(ground.config)
    assert shipping.served("triage") == Served("baseline", None)

    def serves(version: Served) -> None:  # a transaction that is committed can be read a moment later
        wait_until(lambda: shipping.served("triage") == version, f"{version} is served")

    begun = shipping.start("triage", first)
    assert begun is not None
    serves(Served("baseline", None, begun.rollout_id))
    assert shipping.start("triage", first) == begun  # a run that was killed finds its own
    with pytest.raises(CycleError) as refused:
        shipping.start("triage", second)
    told = f"production/triage: rollout {begun.rollout_id} is running at 10%, so that none is started; the run stands"
    assert str(refused.value).startswith(told)

    def decide(what: str, **more: bool) -> None:
        order(ground.config, what, environment="production", module="triage", by="ann", reason="so", **more)  # type: ignore[arg-type]

    decide("promote", to_all=True)
    serves(Served("optimized_v1", first))
    assert Program.decoded(shipping.program(first)).version == "optimized_v1"
    following = shipping.start("triage", second)
    assert following is not None
    assert following.details["baseline"] == "optimized_v1"
    serves(Served("optimized_v1", first, following.rollout_id))
    decide("rollback")
    serves(Served("optimized_v1", first))

    # In another environment nothing was ever rolled out.
    staging = CycleShipping(load(overrides={**ground.values, "telemetry": {"environment": "staging"}}, environ={}))
    assert staging.served("triage") == Served("baseline", None)
    other = staging.start("triage", second)
    assert other is not None
    wait_until(lambda: staging.served("triage") == Served("baseline", None, other.rollout_id), "it began in staging")
    assert shipping.served("triage") == Served("optimized_v1", first)
    assert staging.command("triage", "optimized_v2").endswith("--candidate optimized_v2 --environment staging")
    assert CycleShipping(Config()).served("triage") is None
