"""dspy.Evaluate is not production traffic: nothing is captured inside it.

A callback of the class, not a patch of its `__call__`: DSPy looks up `callbacks` on the instance, so an attribute of
the class reaches every Evaluate, and `settings` carry the suppression on to its worker threads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dspy
from dspy.utils.callback import BaseCallback

from headrace.capture.scope import suppress

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

__all__ = ["suppress_inside_evaluate"]


class _SuppressInside(BaseCallback):  # type: ignore[misc]  # dspy is untyped
    def __init__(self) -> None:
        self._open: dict[str, AbstractContextManager[None]] = {}

    def on_evaluate_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        del instance, inputs
        suppressed = suppress()
        suppressed.__enter__()
        self._open[call_id] = suppressed

    def on_evaluate_end(self, call_id: str, outputs: Any, exception: BaseException | None = None) -> None:
        del outputs, exception
        suppressed = self._open.pop(call_id, None)
        if suppressed is not None:
            suppressed.__exit__(None, None, None)


def suppress_inside_evaluate() -> None:
    """Suppress capture inside every dspy.Evaluate from now on; further calls change nothing."""
    present = list(getattr(dspy.Evaluate, "callbacks", None) or [])
    if not any(isinstance(callback, _SuppressInside) for callback in present):
        dspy.Evaluate.callbacks = [*present, _SuppressInside()]
