"""A program version made of a dspy program, as it is or with the state that dspy's own `save()` wrote. Needs dspy.

Taken over are instructions, the words about fields, and demos. What such a state has beside them is left: LM settings,
traces, training examples, versions of libraries.
"""

from collections.abc import Mapping
from typing import Any

from headrace_schemas import keys
from headrace_schemas.programs import MAX_PROGRAM_BYTES, FieldState, PredictorState, Program, ProgramError

__all__ = ["program_of", "signature_hash_of"]

_METADATA = "metadata"


def program_of(
    program: Any,
    *,
    module: str,
    version: str,
    dataset: Mapping[str, Any] | None = None,
    scores: Mapping[str, Any] | None = None,
    state: Mapping[str, Any] | None = None,
) -> Program:
    """Return what a dspy program's predictors are told.

    Args:
        program: the dspy.Module.
        module: the valid name of the module that it is a version of.
        version: the version's name.
        dataset: what it was optimized on.
        scores: what it was measured at.
        state: the JSON that `program.save("state.json")` wrote; None: as the program is now.

    Raises:
        ProgramError: a state of another program, or something in it that is no JSON.
    """
    from headrace.capture.program import predictors_of

    located = predictors_of(program)
    if not located:
        raise ProgramError("unknown_predictor", f"{module}: the program has no predictor")
    if state is None:
        states = {each.path: _now(each.predictor) for each in located}
    else:
        by_path = _by_path(state, [each.path for each in located])
        states = {each.path: _saved(each.path, each.predictor, by_path.get(each.path)) for each in located}
    made = Program(module=module, version=version, predictors=states, dataset=dataset, scores=scores)
    return Program.decoded(made.encoded())  # checked as a reader does


def signature_hash_of(signature: Any) -> str:
    """Return `keys.signature_hash` of a dspy.Signature class."""
    from headrace.capture.annotations import type_name

    inputs = signature.input_fields
    fields = [
        ("input" if name in inputs else "output", name, type_name(info.annotation))
        for name, info in signature.fields.items()
    ]
    return keys.signature_hash(fields)


def _by_path(state: Mapping[str, Any], paths: list[str]) -> Mapping[str, Any]:
    given = {path: each for path, each in state.items() if path != _METADATA}
    if paths == ["self"] and "signature" in given:
        return {"self": given}  # of a program that is one predictor, dspy writes the state without a path
    unknown = next((path for path in given if path not in paths), None)
    if unknown is not None:
        raise ProgramError(
            "unknown_predictor",
            f"the state has a predictor {unknown!r}; the program has {', '.join(paths)}: is it of another program?",
        )
    return given


def _now(predictor: Any) -> PredictorState:
    return _state(predictor.signature, predictor.signature.dump_state(), predictor.demos)


def _saved(path: str, predictor: Any, saved: Any) -> PredictorState:
    """Return a saved state; a predictor that has none (an optimizer compiled its module) is as it is now."""
    if saved is None:
        return _now(predictor)
    words = saved.get("signature") if isinstance(saved, dict) else None
    if not isinstance(words, dict) or not isinstance(words.get("instructions"), str):
        raise ProgramError("invalid", f"predictor {path}: no state that dspy wrote")
    if len(words.get("fields") or ()) != len(predictor.signature.fields):
        raise ProgramError("signature_changed", f"predictor {path}: the state is of a signature with other fields")
    return _state(predictor.signature, words, saved.get("demos") or [])


def _state(signature: Any, words: Mapping[str, Any], demos: list[Any]) -> PredictorState:
    fields = tuple(
        FieldState(name, said.get("prefix"), said.get("description"))
        for name, said in zip(signature.fields, words["fields"], strict=True)
    )
    return PredictorState(
        signature=signature.__name__,
        signature_hash=signature_hash_of(signature),
        instructions=words["instructions"],
        fields=fields,
        demos=tuple(_demo(signature.__name__, demo) for demo in demos),
    )


def _demo(name: str, demo: Any) -> dict[str, Any]:
    """Return a demo's fields as JSON values, whole or not at all."""
    from headrace.capture.budget import Budget
    from headrace.capture.values import to_json

    budget = Budget(MAX_PROGRAM_BYTES)
    fields: dict[str, Any] = to_json(dict(demo.items()), budget)
    if budget.is_cut:
        raise ProgramError("too_large", f"a demo of {name} is too large for a program version")
    return fields
