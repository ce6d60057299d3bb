"""What examples must look like: the fields of the signature that they are for, with their types.

    package.module:Class  --import-->  Target  <--infer--  examples that are there already

Values are checked as `headrace.load_dataset` will read them, by pydantic against the field's annotation, and kept as
the JSON that a captured call would have.
"""

import contextlib
import json
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Union

from pydantic import PydanticSchemaGenerationError, PydanticUndefinedAnnotation, TypeAdapter, ValidationError

from headrace.capture.annotations import type_name
from headrace.capture.values import to_json
from headrace.errors import UsageError, require_dspy
from headrace_consumers.versions.own_object import NotImportedError, imported

__all__ = ["ExampleError", "Target", "TargetField", "inferred", "load_object", "target_of"]

_UNDECLARED: Final = "StringSignature"
"""How DSPy calls every signature that is no class of the user's."""


class ExampleError(ValueError):
    """A proposed example does not fit the signature.

    Attributes:
        reason: a short word to count by.
        detail: one line that names fields and quotes no value.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class TargetField:
    """A field of the signature.

    Attributes:
        annotation: its type.
        description: as the signature has it; "" if none.
        is_required: whether it has no default.
    """

    annotation: Any
    description: str = ""
    is_required: bool = True


@dataclass(frozen=True, slots=True)
class Target:
    """The signature that examples are for.

    Attributes:
        name: as the dataset has it.
        instructions: the signature's; "" where only its examples are known.
        inputs: name -> field, in the signature's order.
        outputs: likewise.
    """

    name: str
    instructions: str
    inputs: Mapping[str, TargetField]
    outputs: Mapping[str, TargetField]
    _adapters: dict[tuple[str, str], TypeAdapter[Any]] = field(default_factory=dict, repr=False, compare=False)

    def fitted(self, inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the values of all fields as a captured call would have them, JSON.

        Raises:
            ExampleError: a field is missing or unknown, or a value has another type.
        """
        return self._role("input", self.inputs, inputs), self._role("output", self.outputs, outputs)

    def from_text(self, role: str, name: str, value: Any) -> Any:
        """Return what a text, e.g. a cell of CSV, stands for: itself where the field takes it, else JSON or nothing."""
        each = (self.inputs if role == "input" else self.outputs).get(name)
        if each is None or not isinstance(value, str):
            return value
        with contextlib.suppress(ValueError):  # pydantic's errors are
            self._adapter(role, name, each.annotation).validate_python(value)
            return value
        if not value.strip():
            return None
        try:
            return json.loads(value)
        except ValueError:
            return value

    def described(self) -> str:
        """Return the signature as text for an LM: what it is for and its fields."""
        lines = [f"Program: {self.name}", *([self.instructions.strip()] if self.instructions.strip() else [])]
        for role, fields in (("Input", self.inputs), ("Output", self.outputs)):
            lines.append(f"{role} fields:")
            lines += [f"- {name} ({type_name(each.annotation)}){_said(each)}" for name, each in fields.items()]
        return "\n".join(lines)

    def _role(self, role: str, fields: Mapping[str, TargetField], values: Mapping[str, Any]) -> dict[str, Any]:
        if missing := [name for name, each in fields.items() if each.is_required and name not in values]:
            raise ExampleError("missing_field", f"{role} {', '.join(missing)} is missing")
        if unknown := [str(name)[:80] for name in values if name not in fields]:
            raise ExampleError("unknown_field", f"{role} {', '.join(unknown)} is no field of {self.name}")
        there = {name: each.annotation for name, each in fields.items() if name in values}
        return {name: self._value(role, name, annotation, values[name]) for name, annotation in there.items()}

    def _value(self, role: str, name: str, annotation: Any, value: Any) -> Any:
        adapter = self._adapter(role, name, annotation)
        try:
            return to_json(adapter.validate_python(to_json(value)))
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False, include_context=False)[0]
            place = ".".join(map(str, (name, *first["loc"])))[:120]
            raise ExampleError("wrong_type", f"{role} {place}: {first['type']}") from None
        except Exception as error:  # a validator of the signature's author
            raise ExampleError("wrong_type", f"{role} {name}: {type(error).__name__} in the type's own check") from None

    def _adapter(self, role: str, name: str, annotation: Any) -> TypeAdapter[Any]:
        adapter = self._adapters.get((role, name))
        if adapter is None:
            adapter = self._adapters[role, name] = _adapter(annotation)
        return adapter


def target_of(name: str | None, found: Any) -> Target:
    """Return the target that a signature, predictor or module of the user's is.

    Args:
        name: what the dataset is called; None: the class's own name.
        found: a dspy.Signature's class, or something with one predictor.

    Raises:
        DSPyMissingError: dspy is not installed.
        UsageError: it is none, has several predictors, or no name of its own and none was given.
    """
    require_dspy()
    import dspy

    signature: Any = found
    if isinstance(found, type) and issubclass(found, dspy.Module):
        signature = found = found()
    if isinstance(found, dspy.Module):
        predictors = found.predictors()
        if len(predictors) != 1:
            raise UsageError(
                f"--signature-class: {type(found).__name__} has {len(predictors)} predictors; name a signature's class"
            )
        signature = predictors[0].signature
    if not _is_signature(signature):
        raise UsageError(f"--signature-class: found {type(found).__name__}, expected a dspy.Signature's class")
    own = signature.__name__
    if name is None and own == _UNDECLARED:
        raise UsageError("--signature: this signature has no class of its own; give the name that its dataset has, too")
    return Target(
        name or own, signature.instructions, _fields(signature.input_fields), _fields(signature.output_fields)
    )


def inferred(name: str, examples: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> Target:
    """Return the target that examples, inputs and outputs in JSON, are of; their types are those of JSON.

    A field that less than half of them have may be left out.

    Raises:
        UsageError: there are none.
    """
    inputs: dict[str, Counter[Any]] = {}
    outputs: dict[str, Counter[Any]] = {}
    total = 0
    for given, made in examples:
        total += 1
        for kinds, values in ((inputs, given), (outputs, made)):
            for field_name, value in values.items():
                kinds.setdefault(field_name, Counter())[type(value)] += 1
    if not inputs or not outputs:
        raise UsageError(
            f"--signature {name}: its fields are not known, as there is no example of it yet; "
            "give --signature-class package.module:Class"
        )
    return Target(name, "", _inferred(inputs, total), _inferred(outputs, total))


def load_object(option: str, path: str) -> Any:
    """Import what ``package.module:object`` names.

    Raises:
        UsageError: it cannot be imported.
    """
    module_name, _, name = path.partition(":")
    if not module_name or not name:
        raise UsageError(f"{option} {path}: expected package.module:object")
    try:
        return imported(path)
    except NotImportedError as error:
        raise UsageError(f"{option} {error}") from error


def _is_signature(found: Any) -> bool:
    import dspy

    return isinstance(found, type) and issubclass(found, dspy.Signature)


def _fields(fields: Mapping[str, Any]) -> dict[str, TargetField]:
    return {
        name: TargetField(info.annotation, _description(name, info), info.is_required())
        for name, info in fields.items()
    }


def _description(name: str, info: Any) -> str:
    text = str((info.json_schema_extra or {}).get("desc") or "")
    return "" if text == f"${{{name}}}" else text  # DSPy's own, where there is none


def _said(each: TargetField) -> str:
    return f": {' '.join(each.description.split())}" if each.description else ""


def _inferred(kinds: Mapping[str, Counter[Any]], total: int) -> dict[str, TargetField]:
    json_types = {type(None): None, dict: dict[str, Any], list: list[Any]}
    fields = {}
    for name, found in kinds.items():
        annotations = tuple(json_types.get(kind, kind) for kind in sorted(found, key=str))
        fields[name] = TargetField(Union[annotations], "", 2 * found.total() >= total)  # noqa: UP007  # as many as there are
    return fields


def _adapter(annotation: Any) -> TypeAdapter[Any]:
    """Return what checks a field's values; of a type that pydantic does not know, any value will do."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return TypeAdapter(annotation)
        except (PydanticSchemaGenerationError, PydanticUndefinedAnnotation):
            return TypeAdapter(Any)
