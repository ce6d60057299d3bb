"""What tells of each call of an LM: DSPy's callbacks, the history that it writes for whoever calls one, its cache.

An entry of the history does not say whether the cache had the answer where an LM tells no usage; the cache does.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from headrace_consumers.cycle.spending import Spending, note_hit

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


class _Get:
    """A cache's `get` that tells what it has found."""

    def __init__(self, get: Callable[..., Any]) -> None:
        self._get = get

    def __call__(self, *given: Any, **named: Any) -> Any:
        found = self._get(*given, **named)
        if found is not None:
            note_hit()
        return found


def meter(spending: Spending) -> dict[str, Any]:
    """Return the settings for dspy.context under which all calls of LMs are metered; DSPy's cache tells from now on."""
    import dspy
    from dspy.utils.callback import BaseCallback

    of_own_lms: set[str] = set()

    class Meter(BaseCallback):  # type: ignore[misc]  # DSPy is untyped
        def on_lm_start(self, call_id: str, instance: Any, inputs: Mapping[str, Any]) -> None:
            del call_id, instance, inputs
            spending.begin(_running_loop())

        def on_lm_end(self, call_id: str, outputs: Any, exception: BaseException | None = None) -> None:
            del call_id
            # DSPy before 3.3 tells of neither where a call was cancelled
            spending.end(exception, is_cancelled=outputs is None and not isinstance(exception, Exception))

        # DSPy before 3.2.1 takes an LM that is no dspy.LM for a module

        def on_module_start(self, call_id: str, instance: Any, inputs: Mapping[str, Any]) -> None:
            if isinstance(instance, dspy.BaseLM):
                of_own_lms.add(call_id)
                self.on_lm_start(call_id, instance, inputs)

        def on_module_end(self, call_id: str, outputs: Any, exception: BaseException | None = None) -> None:
            if call_id in of_own_lms:
                of_own_lms.discard(call_id)
                self.on_lm_end(call_id, outputs, exception)

    if not isinstance(dspy.cache.get, _Get):
        dspy.cache.get = _Get(dspy.cache.get)
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
