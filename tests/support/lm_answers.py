"""Answers to whatever a DSPy program asks: the output fields are read from the prompt of ChatAdapter or JSONAdapter.

with serving(answering()) as server:                              each field gets some value of its type
with serving(answering(lambda asked: {"answer": asked.inputs["question"].upper()})) as server:     these get others
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tests.support.openai_server import Answering, Reply

__all__ = ["Asked", "answering", "asked_by", "some_value"]

_MARKER: Final = re.compile(r"^\[\[ ## (\w+) ## \]\]$", re.MULTILINE)
_OUTPUTS: Final = re.compile(r"Your output fields are:\n(.*?)\nAll interactions will be", re.DOTALL)
_FIELD: Final = re.compile(r"^\d+\. `(\w+)` \((.*?)\):", re.MULTILINE | re.DOTALL)
_SCHEMA: Final = "must adhere to the JSON schema: "


@dataclass(frozen=True)
class Asked:
    """What a prompt asks.

    Attributes:
        inputs: input field -> its text.
        outputs: output field -> the JSON schema of its type.
        is_json: whether one JSON object is wanted; else a part for each field.
        body: the request.
    """

    inputs: dict[str, str]
    outputs: dict[str, dict[str, Any]]
    is_json: bool
    body: Mapping[str, Any]


def asked_by(body: Mapping[str, Any]) -> Asked:
    """Return what a request's messages ask."""
    system = next(_text(message) for message in body["messages"] if message["role"] in {"system", "developer"})
    user = [_text(message) for message in body["messages"] if message["role"] == "user"][-1]
    described = _OUTPUTS.search(system)
    assert described is not None, system
    outputs = {name: _schema_of(name, kind, system) for name, kind in _FIELD.findall(described[1])}
    parts = _MARKER.split(user.partition("\n\nRespond with")[0])
    inputs = {name: text.strip() for name, text in zip(parts[1::2], parts[2::2], strict=True)}
    return Asked(inputs, outputs, "Outputs will be a JSON object" in system, body)


def answering(make: Callable[[Asked], Mapping[str, Any]] = lambda _: {}) -> Answering:
    """Answer each field that is asked.

    Args:
        make: returns fields -> values; the rest get some value of their type.
    """

    def answer(body: Mapping[str, Any]) -> Reply:
        asked = asked_by(body)
        values = {name: some_value(schema) for name, schema in asked.outputs.items()} | dict(make(asked))
        if asked.is_json:
            return Reply(json.dumps(values))
        parts = (f"[[ ## {name} ## ]]\n{_shown(value)}\n\n" for name, value in values.items())
        return Reply("".join(parts) + "[[ ## completed ## ]]\n")

    return answer


def some_value(schema: Mapping[str, Any], root: Mapping[str, Any] | None = None) -> Any:
    """Return a value that the JSON schema takes."""
    root = schema if root is None else root
    if "$ref" in schema:
        return some_value(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema:
            return some_value(schema[choice][0], root)
    kind = schema.get("type", "string")
    if kind == "object":
        members = schema.get("properties", {})
        return {name: some_value(members[name], root) for name in schema.get("required", members)}
    if kind == "array":
        items = schema.get("items", {})
        return [some_value(items, root) for _ in range(max(1, schema.get("minItems", 1)))]
    return {"integer": 1, "number": 0.5, "boolean": True, "null": None}.get(kind, "some text")


def _schema_of(name: str, kind: str, system: str) -> dict[str, Any]:
    """Return the schema of an output field, as DSPy's note behind its place says it."""
    plain = {"int": "integer", "float": "number", "bool": "boolean"}
    if kind in plain:
        return {"type": plain[kind]}
    note = re.search(rf"\{{{name}\}}        # note: the value you produce (.*)", system)
    if note is None:
        return {"type": "string"}
    said = note[1]
    if '\\"' in said:  # inside JSONAdapter's own JSON
        said = json.loads(f'"{said.rstrip(",").removesuffix(chr(34))}"')
    if said.startswith(_SCHEMA):
        found: dict[str, Any] = json.JSONDecoder().raw_decode(said.removeprefix(_SCHEMA))[0]
        return found
    choices = re.search(r"one of: (.*)", said)
    return {"enum": choices[1].rstrip('",').split("; ")} if choices else {"type": "string"}


def _text(message: Mapping[str, Any]) -> str:
    content = message["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
