"""Tokens, cost and model of a call: DSPy's own figures from its LM history, summed, never estimated.

DSPy appends an entry for each LM call to every owner in ``settings.caller_modules``; a recording is one of them.
An unknown part makes the sum unknown: a total that is silently too low would pass for a cheap call.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["UNKNOWN", "LMCall", "Usage", "total"]

_TOKEN_COUNTS: Final = ("input_tokens", "prompt_tokens", "total_tokens")


@dataclass(frozen=True, slots=True)
class LMCall:
    """One LM call as DSPy's history tells of it; None is unknown."""

    model: str
    tokens_input: int | None
    tokens_output: int | None
    cost_usd: float | None
    cache_hit: bool

    @classmethod
    def from_history(cls, entry: Mapping[str, Any]) -> "LMCall":
        """Return what an entry says. A cache hit used nothing, though its entry still carries the first call's cost."""
        model = str(entry.get("model") or "")
        usage = entry.get("usage") or {}
        if not usage and _is_cache_hit(entry):
            return cls(model, 0, 0, 0.0, cache_hit=True)
        tokens_input, tokens_output = usage.get("prompt_tokens"), usage.get("completion_tokens")
        # As nearly always there are both; a look at what else they may be costs two calls.
        if not (type(tokens_input) is type(tokens_output) is int and tokens_input >= 0 <= tokens_output):
            tokens_input = _count(usage, "prompt_tokens", "input_tokens")
            tokens_output = _count(usage, "completion_tokens", "output_tokens")
        return cls(model, tokens_input, tokens_output, _cost(entry.get("cost")), cache_hit=False)


@dataclass(frozen=True, slots=True)
class Usage:
    """The sum over a call's LM calls; None is unknown, and `model` is None where no LM was called."""

    tokens_input: int | None
    tokens_output: int | None
    cost_usd: float | None
    model: str | None
    lm_calls: int | None
    cache_hits: int | None


UNKNOWN: Final = Usage(None, None, None, None, None, None)


def total(calls: Iterable[LMCall]) -> Usage:
    """Return the sum. Several models are joined by commas, sorted."""
    calls = tuple(calls)
    if len(calls) == 1:  # as nearly always
        (call,) = calls
        return Usage(
            call.tokens_input, call.tokens_output, call.cost_usd, call.model or None, 1, 1 if call.cache_hit else 0
        )
    costs = [call.cost_usd for call in calls]
    return Usage(
        tokens_input=_sum([call.tokens_input for call in calls]),
        tokens_output=_sum([call.tokens_output for call in calls]),
        cost_usd=None if None in costs else math.fsum(cost for cost in costs if cost is not None),
        model=",".join(sorted({call.model for call in calls if call.model})) or None,
        lm_calls=len(calls),
        cache_hits=sum(call.cache_hit for call in calls),
    )


def _is_cache_hit(entry: Mapping[str, Any]) -> bool:
    """Tell a cached response from a fresh one whose LM reports no usage: both have an empty usage in the entry.

    Before dspy 3.4 the response is marked. Since then only the entry's usage is emptied, the response keeps its own.
    """
    response = entry.get("response")
    if entry.get("cache_hit") is True or getattr(response, "cache_hit", False) is True:
        return True
    if type(response).__module__.partition(".")[0] == "litellm" and getattr(response, "usage", None) == {}:
        return True  # dspy 3.0.0 empties it, and a fresh one of litellm always has a Usage
    responses = response if isinstance(response, list | tuple) else (response,)
    return any(_reports_tokens(each) for each in responses)


def _reports_tokens(response: Any) -> bool:
    usage = response.get("usage") if isinstance(response, Mapping) else getattr(response, "usage", None)
    if isinstance(usage, Mapping):
        return any(isinstance(usage.get(name), int) for name in _TOKEN_COUNTS)
    return any(isinstance(getattr(usage, name, None), int) for name in _TOKEN_COUNTS)


def _count(usage: Mapping[str, Any], name: str, other_name: str) -> int | None:
    found = usage.get(name)
    if found is None:
        found = usage.get(other_name)
    return found if isinstance(found, int) and not isinstance(found, bool) and found >= 0 else None


def _cost(cost: Any) -> float | None:
    if isinstance(cost, bool) or not isinstance(cost, int | float) or not math.isfinite(cost) or cost < 0:
        return None
    return float(cost)


def _sum(counts: list[int | None]) -> int | None:
    return None if None in counts else sum(count for count in counts if count is not None)
