"""While rates change, the weighted number of sampled calls stays an estimate of the exact counters."""

from collections import defaultdict
from math import sqrt

import dspy
import pytest

import headrace
from headrace import runtime
from headrace.control import Orders, read_order
from headrace.testing import capture
from headrace_consumers.balancing.planning import Limits, planned
from headrace_consumers.balancing.rates import Demand

_ROUNDS = ((10.0, 60.0), (35.0, 5.0), (2.0, 100.0), (60.0, 25.0), (100.0, 2.0), (15.0, 40.0))
"""The rates of both modules, percent, one round after the other."""
_CALLS = 400


class Echo(dspy.Module):
    def forward(self, question: str) -> dspy.Prediction:
        return dspy.Prediction(answer=question)


def test_the_weighted_total_of_calls_is_within_three_standard_errors_of_the_exact_counters() -> None:
    exact: dict[str, int] = {}
    estimated: dict[str, float] = defaultdict(float)
    variance: dict[str, float] = defaultdict(float)
    with capture() as captured:
        modules = {name: headrace.instrument(Echo(), name) for name in ("short", "failing")}
        for number, rates in enumerate(_ROUNDS):
            for (name, module), rate_pct in zip(modules.items(), rates, strict=True):
                headrace.set_sampling(name, rate_pct=rate_pct)
                for call in range(_CALLS):
                    with headrace.request(f"request-{number}-{call}"):
                        module(question="why?")
                variance[name] += (
                    _CALLS * (100 - rate_pct) / rate_pct
                )  # Horvitz and Thompson's, of independent requests
        for record in captured.records:
            estimated[record["module_name"]] += 1 / record["inclusion_probability"]
        headrace.flush(60)
        for row in captured.statistics[-1]["calls"]:
            exact[row["module_name"]] = row["calls"]
    assert exact == {"short": _CALLS * len(_ROUNDS), "failing": _CALLS * len(_ROUNDS)}
    for name, calls in exact.items():
        assert estimated[name] == pytest.approx(calls, abs=3 * sqrt(variance[name]))
        assert sqrt(variance[name]) < calls / 10  # else it would hold for anything


def test_it_is_while_rates_are_ordered_and_withdrawn() -> None:
    """The orders go the way that they go on the control topic, and where one is withdrawn the configuration holds."""
    orders, rates, variance = Orders(), [], 0.0
    with capture(telemetry={"sampling_rate_pct": 20}) as captured:
        module = headrace.instrument(Echo(), "support")
        rounds = ((0, 7.5), (150, 5.0), (250, 5.0), (250, 5.0), (40, 3.5))
        for number, (examples, budget_per_s) in enumerate(rounds):
            demand = Demand(
                environment="production",
                service="",
                module="support",
                calls_per_s=10,
                failure_share=0,
                examples=examples,
            )
            limits = Limits(budget_per_s=budget_per_s, wanted=200)
            for row in planned([demand], orders.listed(), limits, number):
                if (order := row.order) is not None:
                    read = read_order(order.scope.key, None if order.is_empty else order.encoded(), number)
                    assert read is not None
                    orders.take(read)
            runtime.apply_orders(runtime.current(), orders.overrides("production", ""))
            rate_pct = runtime.current().policy.sampling("support").rate_pct
            rates.append(rate_pct)
            for call in range(_CALLS):
                with headrace.request(f"request-{number}-{call}"):
                    module(question="why?")
            variance += _CALLS * (100 - rate_pct) / rate_pct
        estimated = sum(1 / record["inclusion_probability"] for record in captured.records)
        headrace.flush(60)
        exact = sum(row["calls"] for row in captured.statistics[-1]["calls"])
    assert rates == [75, 50, 20, 20, 35]
    assert exact == 5 * _CALLS
    assert estimated == pytest.approx(exact, abs=3 * sqrt(variance))
    assert sqrt(variance) < exact / 10
