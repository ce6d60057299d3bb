"""From an entry of a file to a proposed example: which member is which field.

{"inputs": {...}, "outputs": {...}, "metadata": {category, difficulty, ...}}     as the older tool writes them
{"question": ..., "answer": ..., "category": ...}                                fields by their own names
--map input.question=q.text                                                      and by other names
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from headrace.errors import UsageError
from headrace_consumers.versions.sources.proposals import Proposal
from headrace_consumers.versions.sources.target import ExampleError, Target
from headrace_schemas.dataset_files import DIFFICULTIES

__all__ = ["FieldMapping"]

_SIDES: Final = ("input", "output")
_ABOUT: Final = ("category", "difficulty")
_MISSING: Final = object()


@dataclass(frozen=True, slots=True)
class FieldMapping:
    """Which member of an entry is which field.

    Attributes:
        inputs: input field -> the path of a member.
        outputs: output field -> likewise.
        about: category or difficulty -> likewise.
    """

    inputs: Mapping[str, tuple[str, ...]]
    outputs: Mapping[str, tuple[str, ...]]
    about: Mapping[str, tuple[str, ...]]

    @classmethod
    def parse(cls, given: Sequence[str]) -> "FieldMapping":
        """Return the mapping of options such as ``input.question=q.text`` or ``category=topic``.

        Raises:
            UsageError: one cannot be read, or a field is given twice.
        """
        found: dict[str, dict[str, tuple[str, ...]]] = {"input": {}, "output": {}, "about": {}}
        for text in given:
            field, _, path = text.partition("=")
            side, _, name = field.partition(".")
            if field in _ABOUT:
                side, name = "about", field
            if side not in found or not name or not path:
                raise UsageError(
                    f"--map {text}: expected input.FIELD=MEMBER, output.FIELD=MEMBER, category=MEMBER or "
                    "difficulty=MEMBER"
                )
            if name in found[side]:
                raise UsageError(f"--map {text}: {field} is given twice")
            found[side][name] = tuple(path.split("."))
        return cls(found["input"], found["output"], found["about"])

    def check(self, target: Target) -> None:
        """Check that the signature has the fields.

        Raises:
            UsageError: it has not.
        """
        for side, mapped, fields in (("input", self.inputs, target.inputs), ("output", self.outputs, target.outputs)):
            for name in mapped:
                if name not in fields:
                    raise UsageError(
                        f"--map {side}.{name}=...: {target.name} has no such {side}; it has {', '.join(fields)}"
                    )

    def sides(self, entry: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Return an entry's inputs and outputs where it or the mapping tells which is which, else None."""
        if self.inputs and self.outputs:
            return _taken(self.inputs, entry), _taken(self.outputs, entry)
        return _nested(entry)

    def lacking(self, entry: Mapping[str, Any]) -> set[str]:
        """Return which options name a member that an entry does not have."""
        sides = (("input.", self.inputs), ("output.", self.outputs), ("", self.about))
        return {
            f"{side}{name}={'.'.join(path)}"
            for side, mapped in sides
            for name, path in mapped.items()
            if _at(entry, path) is _MISSING
        }

    def proposal(self, entry: Mapping[str, Any], target: Target, *, is_text: bool = False) -> Proposal:
        """Return the example that an entry is.

        Args:
            entry: of a file.
            target: the signature.
            is_text: values are texts that may stand for other types.

        Raises:
            ExampleError: a difficulty that is none, or nothing of a side.
        """
        inputs, outputs = _nested(entry) or (
            {name: entry[name] for name in target.inputs if name in entry},
            {name: entry[name] for name in target.outputs if name in entry},
        )
        # What is mapped comes from there and from nowhere else, also where an entry has a member of the field's name.
        inputs = {name: inputs[name] for name in inputs if name not in self.inputs} | _taken(self.inputs, entry)
        outputs = {name: outputs[name] for name in outputs if name not in self.outputs} | _taken(self.outputs, entry)
        if is_text:
            inputs = {name: target.from_text("input", name, value) for name, value in inputs.items()}
            outputs = {name: target.from_text("output", name, value) for name, value in outputs.items()}
        difficulty = self._about("difficulty", entry)
        if difficulty is not None and difficulty not in DIFFICULTIES:
            raise ExampleError("bad_difficulty", f"difficulty is none of {', '.join(DIFFICULTIES)}")
        return Proposal(inputs, outputs, self._about("category", entry), difficulty)

    def _about(self, name: str, entry: Mapping[str, Any]) -> Any:
        """Return what is said of the example beside its fields: where the mapping says, beside them, or in metadata."""
        if name in self.about:
            value = _at(entry, self.about[name])
        else:
            metadata = entry.get("metadata")
            value = metadata.get(name, entry.get(name)) if isinstance(metadata, dict) else entry.get(name)
        text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
        return text or None


def _nested(entry: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]] | None:
    inputs, outputs = entry.get("inputs"), entry.get("outputs")
    return (dict(inputs), dict(outputs)) if isinstance(inputs, dict) and isinstance(outputs, dict) else None


def _taken(mapped: Mapping[str, tuple[str, ...]], entry: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: _at(entry, path) for name, path in mapped.items()}
    return {name: value for name, value in found.items() if value is not _MISSING}


def _at(entry: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = entry
    if (whole := ".".join(path)) in entry:  # a column may have dots in its name
        return entry[whole]
    for part in path:
        if not isinstance(value, Mapping) or part not in value:
            return _MISSING
        value = value[part]
    return value
