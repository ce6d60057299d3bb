"""The user's program and its dataset: imported, and held against each other before anything is spent."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headrace.config.optimization import OptimizedSignature
from headrace.datasets.examples import Examples
from headrace.datasets.loading import load_dataset
from headrace.errors import DatasetError, UsageError
from headrace_consumers.versions.sources.target import Target, load_object, target_of

__all__ = ["examples_of", "opened_program", "target_for", "types_for"]

_KEY = "optimization.signatures"


def opened_program(path: str) -> Any:
    """Return the program that ``package.module:object`` names, a copy of it that is nobody else's.

    Raises:
        UsageError: it cannot be imported, or is no program.
    """
    import dspy

    found = load_object("optimization: program", path)
    if isinstance(found, type) and issubclass(found, dspy.Signature):
        return dspy.Predict(found)
    if not isinstance(found, dspy.Module):
        if not callable(found):
            raise UsageError(f"optimization: program {path}: found {type(found).__name__}, expected a dspy.Module")
        try:
            found = found()
        except Exception as error:
            raise UsageError(
                f"optimization: program {path}: cannot be made ({type(error).__name__}: "
                f"{' '.join(str(error).split())[:200]}); it is called without arguments"
            ) from error
    if not isinstance(found, dspy.Module):
        raise UsageError(f"optimization: program {path}: made {type(found).__name__}, expected a dspy.Module")
    program = found.deepcopy()
    if not program.named_predictors():
        raise UsageError(f"optimization: program {path}: has no predictor that could be optimized")
    return program


def types_for(settings: OptimizedSignature, program: Any, fields: tuple[list[str], list[str]] | None) -> Any:
    """Return the signature's class by which examples are read; None: their values stay JSON.

    Args:
        settings: of the signature.
        program: the user's.
        fields: names of the dataset's inputs and outputs; None: there is no dataset yet.
    """
    if settings.signature_class is not None:
        return load_object(f"{_KEY}: signature_class", settings.signature_class)
    signatures = [predictor.signature for _, predictor in program.named_predictors()]
    if len(signatures) == 1 or fields is None:
        return signatures[0] if len(signatures) == 1 else None
    inputs, outputs = (set(side) for side in fields)
    for each in signatures:
        if set(each.input_fields) == inputs and outputs <= set(each.output_fields):
            return each
    return None


def target_for(name: str, settings: OptimizedSignature, program: Any, lines: Mapping[str, list[str]] | None) -> Target:
    """Return the fields of the signature, for metrics and for making examples.

    Raises:
        UsageError: the program has several predictors, and nothing tells which one is meant.
    """
    fields = None if lines is None else (lines["inputs"], lines["outputs"])
    types = types_for(settings, program, fields)
    if types is not None:
        return target_of(name, types)
    if lines is not None:
        from headrace_consumers.versions.sources.target import TargetField

        return Target(
            name,
            "",
            {each: TargetField(Any) for each in lines["inputs"]},
            {each: TargetField(Any) for each in lines["outputs"]},
        )
    raise UsageError(
        f"{_KEY}.{name}: the program has several predictors; name the class of this dataset as signature_class"
    )


def examples_of(root: Path, signature: str, version: str, split: str, *, types: Any, program: Any) -> Examples:
    """Return a split of the dataset version, typed.

    Raises:
        DatasetError: the program's signature is no longer the dataset's, or the program does not take its inputs.
    """
    found = load_dataset(signature, version, split=split, types=types, root=root)  # type: ignore[arg-type]  # a split
    names = _parameters(program)
    if found and names is not None:
        inputs = list(found[0].inputs().keys())
        if unknown := [name for name in inputs if name not in names]:
            raise DatasetError(
                f"{signature} {version}: has the input {', '.join(unknown)}, which the program does not take (it takes "
                f"{', '.join(sorted(names))}): the signature changed since. Cut a version of today's fields, or give "
                "the program of the dataset's time"
            )
    return found


def _parameters(program: Any) -> frozenset[str] | None:
    """Return the keywords that a program takes; None: any."""
    import dspy

    if isinstance(program, dspy.Predict):
        return frozenset(program.signature.input_fields)
    if isinstance(program, dspy.ChainOfThought):
        return frozenset(program.predict.signature.input_fields)
    forward = getattr(type(program), "forward", None)
    if forward is None:
        return None
    parameters = list(inspect.signature(forward).parameters.values())[1:]
    if any(each.kind in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL) for each in parameters):
        return None
    return frozenset(each.name for each in parameters)
