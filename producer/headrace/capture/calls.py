"""Calling an instrumented module by its name, as the first implementation's adapters do."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from headrace.capture import registry
from headrace.capture.scope import request
from headrace.capture.span import output_fields
from headrace.errors import UsageError

__all__ = ["acall_module", "call_module"]


def call_module(name: str, version: str | None, inputs: Mapping[str, Any], request_id: object) -> dict[str, Any]:
    """Call the module and return its output fields."""
    module = registry.find(name, version)
    arguments = _checked(inputs)
    with _request(request_id):
        return output_fields(module(**arguments))


async def acall_module(name: str, version: str | None, inputs: Mapping[str, Any], request_id: object) -> dict[str, Any]:
    """Await the module's `acall` and return its output fields."""
    module = registry.find(name, version)
    arguments = _checked(inputs)
    with _request(request_id):
        return output_fields(await module.acall(**arguments))


def _request(request_id: object) -> AbstractContextManager[object]:
    """Without an id of its own the call belongs to the open request, if there is one."""
    return nullcontext() if request_id is None else request(request_id)


def _checked(inputs: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(inputs, Mapping):
        raise UsageError(f"inputs: expected a mapping from field name to value, found {type(inputs).__name__}")
    wrong = next((name for name in inputs if not isinstance(name, str)), None)
    if wrong is not None:
        raise UsageError(f"inputs: a field's name must be a string, found {type(wrong).__name__}")
    return dict(inputs)
