"""While rates change, the weighted number of sampled calls stays an estimate of the exact counters."""

from collections import defaultdict
from math import sqrt

import dspy
import pytest

import headrace
from headrace.testing import capture

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
