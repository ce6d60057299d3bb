"""What tells of each call of an LM: DSPy's callbacks, and the history that it writes for whoever calls one."""

import asyncio
from collections.abc import Mapping
from typing import Any

from headrace_consumers.cycle.spending import Spending

__all__ = ["meter"]


class _Entries:
    """A history in DSPy's sense that keeps nothing."""

    def __init__(self, spending: Spending) -> None:
        self._spending = spending

    def __len__(self) -> int:
        return 0

    def append(self, entry: Mapping[str, Any]) -> None:
        self._spending.pay(entry)


class _Collector:
    """What DSPy tells of each call, as it tells a module that calls an LM."""

    def __init__(self, spending: Spending) -> None:
        self.history = _Entries(spending)


def meter(spending: Spending) -> dict[str, Any]:
    """Return the settings for dspy.context under which all calls of LMs are metered."""
    import dspy
    from dspy.utils.callback import BaseCallback

    class Meter(BaseCallback):  # type: ignore[misc]  # DSPy is untyped
        def on_lm_start(self, call_id: str, instance: Any, inputs: Mapping[str, Any]) -> None:
            del call_id, instance, inputs
            spending.begin(_running_loop())

        def on_lm_end(self, call_id: str, outputs: Any, exception: Exception | None = None) -> None:
            del call_id, outputs
            spending.end(exception)

    return {
        "callbacks": [*(dspy.settings.callbacks or []), Meter()],
        "caller_modules": [*(dspy.settings.caller_modules or []), _Collector(spending)],
        "disable_history": False,
        "max_history_size": 1,
    }


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
