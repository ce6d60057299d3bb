"""Tokens, cost and model are DSPy's figures; what it does not know is unknown, not zero."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.capture.usage import LMCall, Usage, total

COUNTS = st.integers(0, 10**9)
CALLS = st.builds(
    LMCall,
    model=st.sampled_from(["a", "b", ""]),
    tokens_input=st.none() | COUNTS,
    tokens_output=st.none() | COUNTS,
    cost_usd=st.none() | st.floats(0, 100),
    cache_hit=st.booleans(),
)


def entry(**values):
    return {"model": "openai/gpt", "usage": {"prompt_tokens": 5, "completion_tokens": 2}, "cost": 0.5, **values}


def test_an_entry_is_read():
    assert LMCall.from_history(entry()) == LMCall("openai/gpt", 5, 2, 0.5, cache_hit=False)


def test_the_responses_apis_names_are_read_too():
    call = LMCall.from_history(entry(usage={"input_tokens": 5, "output_tokens": 2}))
    assert (call.tokens_input, call.tokens_output) == (5, 2)


@pytest.mark.parametrize(
    "marks",
    [
        {"cache_hit": True},
        {"response": SimpleNamespace(cache_hit=True)},
        {"response": SimpleNamespace(usage=SimpleNamespace(input_tokens=5, output_tokens=2))},
        {"response": SimpleNamespace(usage={"prompt_tokens": 5})},
        {"response": {"usage": {"prompt_tokens": 5}}},
        {"response": (SimpleNamespace(usage=None), SimpleNamespace(usage=SimpleNamespace(total_tokens=7)))},
    ],
)
def test_a_cache_hit_costs_nothing_though_the_entry_names_the_first_calls_cost(marks):
    assert LMCall.from_history(entry(usage={}, **marks)) == LMCall("openai/gpt", 0, 0, 0.0, cache_hit=True)


@pytest.mark.parametrize("response", [None, SimpleNamespace(usage=None), SimpleNamespace(usage=SimpleNamespace())])
def test_an_lm_that_reports_no_usage_is_unknown_rather_than_cached(response):
    call = LMCall.from_history(entry(usage={}, cost=None, response=response))
    assert call == LMCall("openai/gpt", None, None, None, cache_hit=False)


@pytest.mark.parametrize("cost", [None, float("nan"), float("inf"), -1.0, "0.5", True])
def test_a_cost_that_is_no_amount_is_unknown(cost):
    assert LMCall.from_history(entry(cost=cost)).cost_usd is None


@pytest.mark.parametrize("count", [-1, 1.5, "5", True])
def test_a_token_count_that_is_no_count_is_unknown(count):
    assert LMCall.from_history(entry(usage={"prompt_tokens": count})).tokens_input is None


def test_no_lm_call_costs_nothing():
    assert total([]) == Usage(0, 0, 0.0, None, 0, 0)


@given(st.lists(CALLS, max_size=6))
def test_a_sum_is_known_exactly_when_all_its_parts_are(calls):
    usage = total(calls)
    assert usage.lm_calls == len(calls)
    assert usage.cache_hits == len([call for call in calls if call.cache_hit])
    for name in ("tokens_input", "tokens_output", "cost_usd"):
        parts = [getattr(call, name) for call in calls]
        assert getattr(usage, name) == (None if None in parts else pytest.approx(sum(parts)))
    assert set((usage.model or "").split(",")) - {""} == {call.model for call in calls} - {""}


@given(st.lists(CALLS, max_size=6))
def test_the_order_of_the_calls_does_not_matter(calls):
    assert total(calls) == total(list(reversed(calls)))
