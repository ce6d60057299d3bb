"""A call's arguments by the names of the module's inputs."""

import inspect
import weakref
from collections.abc import Mapping, MutableMapping
from typing import Any, Final

import dspy

__all__ = ["CallShape", "shape_of"]

_PREDICT_OPTIONS: Final = frozenset({"config", "demos", "lm", "new_signature", "signature", "_trace"})
"""Keyword arguments by which a caller overrides a Predict; it takes them out before the inputs."""


class CallShape:
    """How a module takes its inputs.

    Args:
        kind: the module's class.
    """

    def __init__(self, kind: type) -> None:
        forward = getattr(kind, "forward", None) or getattr(kind, "aforward", None)
        parameters = list(inspect.signature(forward).parameters.values())[1:] if forward is not None else []
        self._positional = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        # What DSPy's own modules take by position only is no field: the interpreter of ProgramOfThought and CodeAct.
        is_dspys = forward is not None and forward.__module__.partition(".")[0] == "dspy"
        self._unnamed = {p.name for p in parameters if is_dspys and p.kind is p.POSITIONAL_ONLY}
        self._rest = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), "args")
        options = set(_PREDICT_OPTIONS)
        if issubclass(kind, dspy.ReAct):
            options.add("max_iters")
        self._not_inputs = options - {p.name for p in parameters}

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the inputs by name; positional ones that no parameter takes stand under the name of ``*args``."""
        if not args and self._not_inputs.isdisjoint(kwargs):  # as nearly always
            return dict(kwargs)
        inputs = {name: value for name, value in zip(self._positional, args, strict=False) if name not in self._unnamed}
        if len(args) > len(self._positional):
            inputs[self._rest] = list(args[len(self._positional) :])
        inputs.update((name, value) for name, value in kwargs.items() if name not in self._not_inputs)
        return inputs


_shapes: Final[MutableMapping[type, CallShape]] = weakref.WeakKeyDictionary()


def shape_of(module: Any) -> CallShape:
    """Return how a module takes its inputs; read once for each class."""
    kind = type(module)
    shape = _shapes.get(kind)
    if shape is None:
        shape = _shapes[kind] = CallShape(kind)
    return shape
