"""The signature class behind a dataset's name, among the modules that this process has instrumented."""

import sys
from typing import Any

__all__ = ["declared"]


def declared(signature: str) -> Any:
    """Return the dspy.Signature class whose calls are recorded under a name, or None where none is known here."""
    if "headrace.capture.registry" not in sys.modules:  # nothing was instrumented
        return None
    from headrace.capture import registry
    from headrace.capture.marks import mark_of
    from headrace.capture.program import predictors_of

    for module in registry.living():
        mark = mark_of(module)
        if mark is None:
            continue
        own = getattr(module, "signature", None)
        if mark.identities.root.name == signature and hasattr(own, "input_fields"):
            return own
        for located in predictors_of(module):
            if mark.identities.of(located.predictor, module).name == signature:
                return located.predictor.signature
    return None
