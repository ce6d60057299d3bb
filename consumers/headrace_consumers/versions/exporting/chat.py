"""An example as a conversation: as DSPy's ChatAdapter prompts for the signature, or as plain JSON without one."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from headrace.datasets.fields import FieldTypes, InvalidFieldError
from headrace_consumers.versions.errors import VersionsError

__all__ = ["Messages", "adapter_messages", "plain_messages"]

Messages: TypeAlias = Callable[[Mapping[str, Any], Mapping[str, Any]], list[dict[str, Any]]]
"""Makes the messages of a conversation of an example's inputs and outputs."""

_SYSTEM: Final = "Answer with a JSON object of these fields: {fields}."


def plain_messages(inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a system message that names the outputs, the inputs as JSON, and the outputs as JSON."""
    return [
        {"role": "system", "content": _SYSTEM.format(fields=", ".join(outputs))},
        {"role": "user", "content": json.dumps(inputs, ensure_ascii=False)},
        {"role": "assistant", "content": json.dumps(outputs, ensure_ascii=False)},
    ]


def adapter_messages(signature: Any) -> Messages:
    """Return what makes the messages that DSPy's ChatAdapter sends for a signature, and those it wants back.

    Args:
        signature: a dspy.Signature class.
    """
    import dspy

    adapter, fields = dspy.ChatAdapter(), FieldTypes(signature)

    def messages(inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> list[dict[str, Any]]:
        try:
            typed = fields.read("input", inputs), fields.read("output", outputs)
        except InvalidFieldError as error:
            raise VersionsError(f"an example does not fit {signature.__name__}: {error.field} {error.reason}") from None
        # Outputs that the signature has not, such as a reasoning, are none that its prompt asks for.
        declared = {name: value for name, value in typed[1].items() if name in fields.outputs}
        made: dict[str, Any] = adapter.format_finetune_data(signature, [], typed[0], declared)
        return list(made["messages"])

    return messages
