"""A program version as data: for each predictor its instructions, the words about its fields, its demos. Pure.

    {"format": "headrace.program.v1", "module", "version", "dataset": {...} | null, "scores": {...} | null,
     "predictors": {path: {"signature", "signature_hash", "instructions",
                           "fields": [{"name", "prefix", "description"}], "demos": [{field: JSON}]}}}

Canonical JSON, named by its SHA-256. It holds no code, no LM and no settings of one: what it does to a service is to
change texts. Paths are those of `named_predictors()`, "self" for a program that is one predictor. A reader passes over
members that it does not know.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from headrace_schemas import canonical
from headrace_schemas.errors import CanonicalizationError, HeadraceError
from headrace_schemas.names import is_valid_name

__all__ = [
    "FORMAT",
    "MAX_PROGRAM_BYTES",
    "FieldState",
    "PredictorState",
    "Program",
    "ProgramError",
    "digest_of",
    "is_digest",
]

FORMAT: Final = "headrace.program.v1"
MAX_PROGRAM_BYTES: Final = 4 * 2**20
_MAX_PREDICTORS: Final = 1000
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


class ProgramError(HeadraceError):
    """A program version that cannot be used.

    Args:
        reason: one word, as in metrics: invalid, too_large, missing, unreachable, unconfigured, digest,
            unsigned, signature, other_program, unknown_predictor, signature_changed; taken where one is put.
        message: one line.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class FieldState:
    """The words about one field of a signature; None leaves those of the code."""

    name: str
    prefix: str | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictorState:
    """What one predictor is told.

    Attributes:
        signature: its name, for people and for the dataset it belongs to.
        signature_hash: see `keys.signature_hash`; a predictor with another one does not take this state.
        instructions: its instructions.
        fields: the words about its fields.
        demos: each a mapping from field name to JSON value; further members, such as "augmented", are DSPy's.
    """

    signature: str
    signature_hash: str
    instructions: str
    fields: tuple[FieldState, ...] = ()
    demos: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One version of a module's program.

    Attributes:
        module: the valid name of the module that it is for.
        version: its version, a valid name.
        predictors: by path.
        dataset: what it was optimized on, e.g. {"signature": "Answer", "version": "v12"}; None: unknown.
        scores: what it was measured at, as its maker has it; None: nothing.
    """

    module: str
    version: str
    predictors: Mapping[str, PredictorState]
    dataset: Mapping[str, Any] | None = None
    scores: Mapping[str, Any] | None = None

    def encoded(self) -> bytes:
        """Return the canonical bytes.

        Raises:
            ProgramError: too large, or something in it is no JSON.
        """
        try:
            data = canonical.dumps(self._members())
        except CanonicalizationError as error:
            raise ProgramError("invalid", f"program {self.module} {self.version}: {error}") from None
        if len(data) > MAX_PROGRAM_BYTES:
            raise ProgramError(
                "too_large",
                f"program {self.module} {self.version}: {len(data)} bytes, at most {MAX_PROGRAM_BYTES} are allowed; "
                "fewer or shorter demos make it smaller",
            )
        return data

    @property
    def digest(self) -> str:
        """The SHA-256 of the canonical bytes, 64 hex digits."""
        return digest_of(self.encoded())

    @classmethod
    def decoded(cls, data: bytes) -> "Program":
        """Return the program in JSON bytes, canonical or not.

        Raises:
            ProgramError: it is none; the message shows nothing of the content.
        """
        if len(data) > MAX_PROGRAM_BYTES:
            raise ProgramError("too_large", f"a program of {len(data)} bytes; at most {MAX_PROGRAM_BYTES} are allowed")
        try:
            value = canonical.loads(data)
        except CanonicalizationError:
            raise ProgramError("invalid", "a program that is no JSON") from None
        if not isinstance(value, dict) or value.get("format") != FORMAT:
            raise ProgramError("invalid", f"its format is not {FORMAT}")
        predictors = value.get("predictors")
        if not isinstance(predictors, dict) or not 1 <= len(predictors) <= _MAX_PREDICTORS:
            raise ProgramError("invalid", f"its predictors are no object of 1 to {_MAX_PREDICTORS} members")
        return cls(
            module=_name(value, "module"),
            version=_name(value, "version"),
            predictors={path: _predictor(path, state) for path, state in predictors.items()},
            dataset=_object(value, "dataset"),
            scores=_object(value, "scores"),
        )

    def _members(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "module": self.module,
            "version": self.version,
            "dataset": None if self.dataset is None else dict(self.dataset),
            "scores": None if self.scores is None else dict(self.scores),
            "predictors": {
                path: {
                    "signature": state.signature,
                    "signature_hash": state.signature_hash,
                    "instructions": state.instructions,
                    "fields": [
                        {"name": each.name, "prefix": each.prefix, "description": each.description}
                        for each in state.fields
                    ],
                    "demos": [dict(demo) for demo in state.demos],
                }
                for path, state in self.predictors.items()
            },
        }


def digest_of(data: bytes) -> str:
    """Return the name of an artefact's bytes."""
    return hashlib.sha256(data).hexdigest()


def is_digest(value: object) -> bool:
    """Tell whether a value is the name of an artefact: 64 hex digits in lower case."""
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def _predictor(path: str, value: Any) -> PredictorState:
    if not isinstance(value, dict):
        raise ProgramError("invalid", f"predictor {path}: no object")
    fields, demos = value.get("fields", []), value.get("demos", [])
    if not isinstance(fields, list) or not isinstance(demos, list):
        raise ProgramError("invalid", f"predictor {path}: its fields or demos are no list")
    for number, demo in enumerate(demos):
        if not isinstance(demo, dict) or not all(isinstance(name, str) for name in demo):
            raise ProgramError("invalid", f"predictor {path}: demo {number} is no object of fields")
    return PredictorState(
        signature=_text(path, value, "signature"),
        signature_hash=_text(path, value, "signature_hash"),
        instructions=_text(path, value, "instructions"),
        fields=tuple(_field(path, each) for each in fields),
        demos=tuple(demos),
    )


def _field(path: str, value: Any) -> FieldState:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise ProgramError("invalid", f"predictor {path}: a field has no name")
    words = [value.get("prefix"), value.get("description")]
    if not all(each is None or isinstance(each, str) for each in words):
        raise ProgramError("invalid", f"predictor {path}: a field's prefix or description is no text")
    return FieldState(value["name"], *words)


def _text(path: str, value: Mapping[str, Any], member: str) -> str:
    text = value.get(member)
    if not isinstance(text, str):
        raise ProgramError("invalid", f"predictor {path}: its {member} is no text")
    return text


def _name(value: Mapping[str, Any], member: str) -> str:
    name = value.get(member)
    if not isinstance(name, str) or not is_valid_name(name):
        raise ProgramError("invalid", f"its {member} is no name of letters, digits, _ . -")
    return name


def _object(value: Mapping[str, Any], member: str) -> Mapping[str, Any] | None:
    found = value.get(member)
    if found is not None and not isinstance(found, dict):
        raise ProgramError("invalid", f"its {member} is no JSON object")
    return found
