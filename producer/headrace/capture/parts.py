"""Every module of a program, each under its own name: `<name>.<path>`, the path as in `named_predictors()`.

A part's calls are counted exactly, and its records stand under the call around them. Datasets stay what they are when
only the program is instrumented: a part's signature has the same name. Two modules that are one call are not both
instrumented: a ChainOfThought and its predictor, a module that hands its own inputs to the one part it has.
"""

import logging
from typing import Any

import dspy

from headrace.capture import wrapper
from headrace.capture.marks import Mark, mark_of
from headrace.capture.program import parts_of
from headrace.errors import UsageError

__all__ = ["instrument_all"]

logger = logging.getLogger("headrace")


def instrument_all(program: Any, name: str | None, version: str) -> Any:
    """See `headrace.instrument_all`."""
    wrapper.instrument(program, name, version)
    mark = mark_of(program)
    if mark is not None and not isinstance(program, dspy.Predict):
        _instrument_parts(program, mark.name, version, around=(program, mark), entered={id(program)})
    return program


def _instrument_parts(module: Any, prefix: str, version: str, *, around: tuple[Any, Mark], entered: set[int]) -> None:
    """Instrument what is inside `module`; `around` is the innermost instrumented module, with its mark."""
    for name, part in parts_of(module):
        if not isinstance(part, dspy.Module) or id(part) in entered:
            continue
        entered.add(id(part))
        own = mark_of(part)
        if own is not None and not own.is_part:
            continue  # instrumented by itself, under a name of its own
        path = f"{prefix}.{name}"
        inside = around
        if not _is_the_call_of(part, around[1]):
            inside = _instrumented(part, path, version, around) or around
        if not isinstance(part, dspy.Predict):
            _instrument_parts(part, path, version, around=inside, entered=entered)


def _is_the_call_of(part: Any, around: Mark) -> bool:
    """Tell whether the record of the module around a part already is the part's."""
    predictor = part if isinstance(part, dspy.Predict) else Mark(part, "", "").identities.sole_predictor
    return predictor is not None and around.identities.is_transparent(predictor)


def _instrumented(part: Any, path: str, version: str, around: tuple[Any, Mark]) -> tuple[Any, Mark] | None:
    home, mark = around
    identity = mark.identities.of(part, home) if isinstance(part, dspy.Predict) else None
    try:
        wrapper.instrument(part, path, version, identity=identity, is_part=True)
    except UsageError as error:  # its calls are recorded as what is around it records them
        logger.warning("headrace leaves out %s: %s", path, error)
        return None
    own = mark_of(part)
    return None if own is None else (part, own)
