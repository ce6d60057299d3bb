"""What a program's answer proposes: examples, however it writes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, create_model

from headrace_consumers.versions.sources.target import ExampleError, Target, TargetField
from headrace_schemas.dataset_files import DIFFICULTIES, Difficulty

__all__ = ["Proposal", "proposal_type", "proposals_in"]

_LONGEST_CATEGORY: Final = 100


@dataclass(frozen=True, slots=True)
class Proposal:
    """An example that a program proposes; nothing of it is checked yet.

    Attributes:
        inputs: field -> value.
        outputs: likewise.
        category: what it is about, or None.
        difficulty: how hard it is, or None.
    """

    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    category: str | None
    difficulty: Difficulty | None


def proposal_type(target: Target) -> type[BaseModel]:
    """Return the type of one example of a signature, for the output field of a program: an LM is told its schema."""
    plain = ConfigDict(protected_namespaces=(), arbitrary_types_allowed=True)

    def fields(of: Mapping[str, TargetField]) -> dict[str, Any]:
        return {name: (each.annotation, ...) for name, each in of.items()}

    return create_model(
        "Example",
        __config__=plain,
        inputs=(create_model("Inputs", __config__=plain, **fields(target.inputs)), ...),
        outputs=(create_model("Outputs", __config__=plain, **fields(target.outputs)), ...),
        category=(str, ...),
        difficulty=(Difficulty, ...),
    )


def proposals_in(answer: Any, target: Target) -> list[Proposal | ExampleError]:
    """Return the examples in a program's answer, and what is wrong with those that are none.

    Args:
        answer: has `examples`, a list; or is that list. Each is an object or mapping with `inputs` and `outputs`, or
            with the fields of the signature side by side; `category` and `difficulty` may be there.
        target: the signature.

    Raises:
        ExampleError: there is no such list.
    """
    found = answer if isinstance(answer, list | tuple) else _members(answer).get("examples")
    if not isinstance(found, Sequence) or isinstance(found, str | bytes):
        raise ExampleError("no_examples", f"the program's answer has no list `examples` ({type(answer).__name__})")
    return [_proposal(each, target) for each in found]


def _proposal(item: Any, target: Target) -> Proposal | ExampleError:
    members = _members(item)
    if "inputs" in members and "outputs" in members:
        inputs, outputs = _members(members["inputs"]), _members(members["outputs"])
    else:
        inputs = {name: members[name] for name in target.inputs if name in members}
        outputs = {name: members[name] for name in target.outputs if name in members}
    if not inputs or not outputs:
        return ExampleError("no_fields", "an example without inputs or without outputs")
    category, difficulty = members.get("category"), members.get("difficulty")
    return Proposal(
        inputs,
        outputs,
        " ".join(category.split())[:_LONGEST_CATEGORY] or None if isinstance(category, str) else None,
        difficulty if difficulty in DIFFICULTIES else None,
    )


def _members(value: Any) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    if isinstance(value, BaseModel):
        return {name: getattr(value, name) for name in type(value).model_fields}
    if hasattr(value, "_store") and hasattr(value, "toDict"):  # a dspy.Example or Prediction
        return dict(value.items())
    return {}
