"""The predictors of a program: where they are, and one hash over their instructions and demos."""

import hashlib
from collections.abc import Iterator, Mapping
from operator import is_
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import dspy
from dspy.predict.parameter import Parameter

from headrace.capture.values import to_json
from headrace.interruption import pass_on
from headrace_schemas import canonical

__all__ = ["NOTHING_TOLD", "PLACE", "Field", "Located", "ProgramHash", "parts_of", "predictors_of"]

Field = tuple[str, str]
"""A signature's field: role ("input" or "output") and name."""

_DSPY_S_OWN: Final = frozenset({"history", "callbacks"})
"""Lists that DSPy keeps on every module and that hold no predictors: a history grows to 10,000 entries."""

NOTHING_TOLD: Final[Mapping[Any, Any]] = MappingProxyType({})
"""What a call without a route tells its predictors."""

PLACE: Final = "_headrace_place"
"""The attribute of a routed predictor's class; see `places`."""

_UNSEEN: Final[tuple[list[Any], str | None]] = ([], None)
_MOST_SEEN: Final = 8
_REASONING: Final[frozenset[Field]] = frozenset({("output", "reasoning")})
_TRAJECTORY: Final[frozenset[Field]] = frozenset({("input", "trajectory")})


class Located(NamedTuple):
    """A predictor at its place in a program.

    Attributes:
        path: as in `named_predictors()`, e.g. ``generate.predict``.
        predictor: the dspy.Predict.
        added: fields that DSPy itself put into its signature: ChainOfThought's reasoning, ReAct's trajectory.
    """

    path: str
    predictor: Any
    added: frozenset[Field]


def predictors_of(module: Any) -> list[Located]:
    """Return the predictors of a module, each once.

    The paths and the order are those of `named_predictors()`, which leaves out submodules that an optimizer has
    compiled; here they are in, or a dataset's name would change with the first optimization.
    """
    if isinstance(module, Parameter):
        return [Located("self", module, frozenset())] if isinstance(module, dspy.Predict) else []
    found: dict[int, Located] = {}
    entered = {id(module)}
    for located in _walk(module, "", frozenset(), entered):
        found.setdefault(id(located.predictor), located)
    return list(found.values())


def _walk(module: Any, prefix: str, added: frozenset[Field], entered: set[int]) -> Iterator[Located]:
    for name, value in parts_of(module):
        here = added | _added_by(module, name)
        if isinstance(value, Parameter):
            if isinstance(value, dspy.Predict):
                yield Located(prefix + name, value, here)
        elif isinstance(value, dspy.Module) and id(value) not in entered:
            entered.add(id(value))
            yield from _walk(value, f"{prefix}{name}.", here, entered)


def parts_of(module: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a module holds, with the names that `named_predictors()` makes paths of."""
    for name, value in vars(module).items():
        if name in _DSPY_S_OWN:
            continue
        if isinstance(value, list | tuple):
            yield from ((f"{name}[{index}]", item) for index, item in enumerate(value))
        elif isinstance(value, dict):
            yield from ((f"{name}['{key}']", item) for key, item in value.items())
        else:
            yield name, value


def _added_by(owner: Any, name: str) -> frozenset[Field]:
    if isinstance(owner, dspy.ChainOfThought) and name == "predict":
        return _REASONING
    if isinstance(owner, dspy.ReAct) and "trajectory" not in owner.signature.input_fields:
        return _TRAJECTORY
    return frozenset()


class ProgramHash:
    """The hash of a program's prompts, computed again only when a signature, its instructions or a demo is another.

    What it has seen it keeps, since an identity is only as good as the object's life.
    """

    def __init__(self) -> None:
        self._seen: dict[int, tuple[list[Any], str | None]] = {}

    def of(self, module: Any, told: Mapping[Any, Any] = NOTHING_TOLD) -> str | None:
        """Return the first 16 hex digits of the SHA-256, or None where the prompts cannot be read. Never raises.

        Over the canonical JSON of [[path, instructions, demos], ...], sorted by path.

        Args:
            module: the program.
            told: what a call tells its predictors, by place; see `routing.Route`.
        """
        try:
            located = predictors_of(module)
            state: list[Any] = [told]
            for each in located:
                predictor = each.predictor
                signature = predictor.signature
                state += (predictor, signature, signature.__doc__)  # where DSPy keeps the instructions
                state += predictor.demos
            seen, digest = self._seen.get(id(told), _UNSEEN)  # one read: another thread may replace it
            if len(state) != len(seen) or not all(map(is_, state, seen)):
                digest = _digest(located, told)
                if len(self._seen) >= _MOST_SEEN:
                    self._seen = {}
                self._seen[id(told)] = (state, digest)
        except Exception as error:  # a program that no predictor can be read from still is captured
            pass_on(error)
            return None
        return digest


def _digest(located: list[Located], told: Mapping[Any, Any]) -> str:
    def prompt(predictor: Any) -> Any:
        return (told.get(getattr(type(predictor), PLACE, None)) if told else None) or predictor

    prompts = sorted(
        [each.path, said.signature.instructions, [to_json(demo) for demo in said.demos]]
        for each in located
        for said in (prompt(each.predictor),)
    )
    return hashlib.sha256(canonical.dumps(prompts)).hexdigest()[:16]
