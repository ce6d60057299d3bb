"""What a call did for its caller, to be compared: with Headrace and without, it is the same."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import dspy

__all__ = ["Outcome", "aoutcome", "outcome"]


@dataclass(frozen=True)
class Outcome:
    """A result, or an exception's type and text."""

    result: Any = None
    raised: str | None = None


def outcome(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Outcome:
    """Call and tell what happened; what it yields is collected."""
    try:
        return Outcome(_comparable(call(*args, **kwargs)))
    except BaseException as error:
        return Outcome(raised=f"{type(error).__name__}: {error}")


def aoutcome(call: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any) -> Outcome:
    """Await and tell what happened."""
    return outcome(lambda: asyncio.run(call(*args, **kwargs)))


def _comparable(value: Any) -> Any:
    if isinstance(value, dspy.Prediction):
        return {"fields": dict(value.items()), "usage": value.get_lm_usage()}
    if isinstance(value, list | tuple):
        return [_comparable(each) for each in value]
    return repr(value) if isinstance(value, BaseException) else value
