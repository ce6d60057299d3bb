"""A program version fitted to a running program: checked as a whole against its signatures before a call sees it."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from headrace.capture.places import place_of
from headrace.capture.program import predictors_of
from headrace.capture.wrapper import route
from headrace.interruption import pass_on
from headrace.programs.saving import signature_hash_of
from headrace.routing.route import Told
from headrace_schemas.programs import ProgramError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace_schemas.programs import PredictorState, Program

__all__ = ["fitted", "load_onto"]


def fitted(program: Program, module: Any) -> Mapping[Any, Told]:
    """Return what each predictor of a routed module is told, by its place.

    Args:
        program: the version.
        module: the dspy.Module, whose predictors have places.

    Raises:
        ProgramError: unknown_predictor, or signature_changed. Nothing of it is used then.
    """
    route(module)  # predictors that were put in place since
    located = {each.path: each.predictor for each in predictors_of(module)}
    told = {}
    for path, state in program.predictors.items():
        predictor: Any = located.get(path)
        place = place_of(predictor)
        if place is None:
            raise ProgramError(
                "unknown_predictor",
                f"program {program.module} {program.version}: this program has no predictor {path!r} that can be "
                f"told; it has {', '.join(located) or 'none'}",
            )
        told[place] = _told(program, path, predictor.signature, state)
    return MappingProxyType(told)


def load_onto(program: Program, module: Any) -> None:
    """Give a dspy.Module's predictors for good what a version says, all of it or nothing.

    Args:
        program: the version.
        module: the dspy.Module, which is changed.

    Raises:
        ProgramError: unknown_predictor, or signature_changed; the module is as it was.
    """
    import dspy

    located = {each.path: each.predictor for each in predictors_of(module)}
    told = []
    for path, state in program.predictors.items():
        predictor: Any = located.get(path)
        if predictor is None:
            raise ProgramError(
                "unknown_predictor",
                f"program {program.module} {program.version}: this program has no predictor {path!r}; it has "
                f"{', '.join(located) or 'none'}",
            )
        told.append((predictor, _told(program, path, predictor.signature, state)))
    for predictor, said in told:
        predictor.signature = said.signature
        predictor.demos = [dspy.Example(**demo) for demo in said.demos]


def _told(program: Program, path: str, base: Any, state: PredictorState) -> Told:
    if signature_hash_of(base) != state.signature_hash:
        raise ProgramError(
            "signature_changed",
            f"program {program.module} {program.version}: predictor {path!r} has other fields than the one that "
            "it was made for; optimize again on a dataset of these",
        )
    said = {each.name: each for each in state.fields}
    words = []
    for own, name in zip(base.dump_state()["fields"], base.fields, strict=True):
        new = said.get(name)
        words.append(
            {
                "prefix": own["prefix"] if new is None or new.prefix is None else new.prefix,
                "description": own["description"] if new is None or new.description is None else new.description,
            }
        )
    signature = base.load_state({"instructions": state.instructions, "fields": words})
    adapters = {name: info.annotation for name, info in base.fields.items()}
    return Told(base, signature, [_demo(demo, adapters) for demo in state.demos])


def _demo(demo: Mapping[str, Any], annotations: Mapping[str, Any]) -> dict[str, Any]:
    """Return a demo with values of the fields' types where its JSON reads as such; as DSPy has it where it does not."""
    return {name: _value(value, annotations[name]) if name in annotations else value for name, value in demo.items()}


def _value(value: Any, annotation: Any) -> Any:
    try:
        return TypeAdapter(annotation).validate_python(value)
    except Exception as error:  # no value of the type, a type that pydantic does not know, a validator of its author
        pass_on(error)
        return value
