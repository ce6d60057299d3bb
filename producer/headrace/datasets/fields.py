"""A signature's fields as types: the JSON of an example becomes the values that the program knows.

What capture records of a value validates back by `pydantic.TypeAdapter(annotation)`, but for these, which are told:

| in the annotation | what is loaded                                              |
|-------------------|-------------------------------------------------------------|
| dspy.Tool         | what the model was told of it: name, desc, args; no function |
| dspy.History      | its messages hold plain JSON values                         |
| bytes             | as recorded: their text, or base64 where they were no UTF-8 |
| a class that pydantic does not know | its JSON                                  |
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, get_args

from pydantic import BaseModel, PydanticSchemaGenerationError, PydanticUserError, TypeAdapter, ValidationError
from pydantic_core import PydanticUndefined

from headrace_schemas import keys

__all__ = ["FieldTypes", "InvalidFieldError", "hashes_of"]

_LOST: Final = re.compile(r"<unencodable [^<>]*>|<cycle>|<too deep>")
"""What capture writes for a value without a faithful form."""

_ADDED_BY_DSPY: Final[tuple[tuple[str, str], ...]] = (("output", "reasoning"), ("input", "trajectory"))


class InvalidFieldError(Exception):
    """A field's value is none of its type.

    Attributes:
        field: input or output, and the field's name.
        reason: in a few words that quote nothing of the value.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class FieldTypes:
    """How the values of a signature's fields are read.

    Args:
        signature: a dspy.Signature class.

    Attributes:
        inputs: the names of its input fields.
        outputs: the names of its output fields.
        lossy: by field, what is not as it was when it was captured.
    """

    def __init__(self, signature: Any) -> None:
        self.inputs: Final = tuple(signature.input_fields)
        self.outputs: Final = tuple(signature.output_fields)
        self.lossy: Final[dict[str, str]] = {}
        fields = {**signature.input_fields, **signature.output_fields}
        self._adapters: Final = {name: self._adapter(name, info.annotation) for name, info in fields.items()}
        with_default = {name for name, info in fields.items() if info.default is not PydanticUndefined}
        self._optional: Final = with_default | {name for _, name in _ADDED_BY_DSPY}

    def read(self, role: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of one side of an example, typed, in the signature's order; fields it has not stay JSON.

        Args:
            role: input or output.
            values: by field, JSON.

        Raises:
            InvalidFieldError: a field is missing, or no value of its type.
        """
        declared = self.inputs if role == "input" else self.outputs
        for name in declared:
            if name not in values and name not in self._optional:
                raise InvalidFieldError(f"{role} {name}", "is missing")
        ordered = {name: values[name] for name in (*declared, *values) if name in values}
        return {name: self._value(role, name, value) for name, value in ordered.items()}

    def _value(self, role: str, name: str, value: Any) -> Any:
        adapter = self._adapters.get(name)
        if adapter is None:
            return value
        if lost := _lost_in(value):
            raise InvalidFieldError(f"{role} {name}", f"holds {lost}, capture had no form for it")
        try:
            return adapter.validate_python(value)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            place = "".join(f"[{part!r}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
            # The message of somebody's own check may quote what it was given.
            own = first["type"] in {"value_error", "assertion_error"}
            message = "refused by the type's own check" if own else first["msg"]
            raise InvalidFieldError(f"{role} {name}", f"{place} {message}".strip()) from None
        except Exception as error:  # a validator of the signature's author
            raise InvalidFieldError(f"{role} {name}", f"{type(error).__name__} in the type's own check") from None

    def _adapter(self, name: str, annotation: Any) -> TypeAdapter[Any] | None:
        import dspy

        inside = set(_types_in(annotation))
        if any(issubclass(kind, dspy.Tool) for kind in inside):
            self.lossy[name] = "a Tool is loaded as what the model was told of it (name, desc, args), as JSON"
            return None
        if any(issubclass(kind, dspy.History) for kind in inside):
            self.lossy[name] = "values inside the messages of a History are plain JSON"
        if any(issubclass(kind, bytes | bytearray) for kind in inside):
            self.lossy[name] = "bytes that were no UTF-8 are loaded as the base64 that was recorded"
        try:
            return TypeAdapter(annotation)
        except (PydanticSchemaGenerationError, PydanticUserError):
            self.lossy[name] = "pydantic does not know its type; it is loaded as JSON"
            return None


def hashes_of(signature: Any) -> list[str]:
    """Return the hashes that the fields of a class may have in a dataset.

    The first is that of all its fields; further ones leave out what ChainOfThought and ReAct add to a signature.
    """
    from headrace.capture.annotations import type_name

    sides = (("input", signature.input_fields), ("output", signature.output_fields))
    fields = [(role, name, type_name(info.annotation)) for role, side in sides for name, info in side.items()]
    present = [added for added in _ADDED_BY_DSPY if any(field[:2] == added for field in fields)]
    left_out: list[set[tuple[str, str]]] = [set(), *({added} for added in present), set(present)]
    return list(dict.fromkeys(keys.fields_hash([f for f in fields if f[:2] not in out]) for out in left_out))


def _types_in(annotation: Any, seen: set[int] | None = None) -> Iterator[type]:
    """Yield the classes that an annotation is made of, those of fields of models and dataclasses too."""
    seen = set() if seen is None else seen
    if id(annotation) in seen:
        return
    seen.add(id(annotation))
    for part in get_args(annotation):
        yield from _types_in(part, seen)
    if not isinstance(annotation, type) or get_args(annotation):
        return
    yield annotation
    if annotation.__module__.partition(".")[0] == "dspy":
        return  # its own types are known as a whole
    if issubclass(annotation, BaseModel):
        for info in annotation.model_fields.values():
            yield from _types_in(info.annotation, seen)
    elif dataclasses.is_dataclass(annotation):
        for field in dataclasses.fields(annotation):
            yield from _types_in(field.type, seen)


def _lost_in(value: Any) -> str | None:
    """Return the first mark of a value without a form; nested values are looked at too."""
    if isinstance(value, str):
        return value if len(value) < _LONGEST_MARK and _LOST.fullmatch(value) else None
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next((found for part in parts if (found := _lost_in(part)) is not None), None)


_LONGEST_MARK: Final = 200
