"""Whose dataset a call belongs to: the signature's name and the hash of its fields, fixed when instrumented.

| what is called                                  | name                          | fields                          |
|-------------------------------------------------|-------------------------------|---------------------------------|
| a predictor                                     | declared, or <module>.<path>  | its signature's                 |
| a module with a `.signature` (ReAct, RLM)       | declared, or <module>         | that signature's                |
| a module that is one predictor (ChainOfThought) | that predictor's              | that predictor's                |
| any other module                                | <module>                      | forward()'s parameters          |

"Declared" is the signature's class name; DSPy calls each inline, extended or re-instructed signature `StringSignature`.
Fields that DSPy itself adds are left out, so that a Predict turned ChainOfThought keeps its fields.
"""

import inspect
import weakref
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import dspy

from headrace.capture.annotations import type_name
from headrace.capture.program import Field, Located, predictors_of
from headrace_schemas import keys

__all__ = ["Identities", "SignatureIdentity"]

_UNDECLARED: Final = "StringSignature"
_VARIADIC: Final = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(frozen=True, slots=True)
class SignatureIdentity:
    """The dataset of a call.

    Attributes:
        name: the signature's name.
        fields_hash: over the fields' names and types.
        outputs: the declared output fields; one that a call leaves out is null in its record.
    """

    name: str
    fields_hash: str
    outputs: tuple[str, ...] = field(default=(), compare=False)


class Identities:
    """The identities of one instrumented module and of the predictors inside it.

    Args:
        module: the dspy.Module.
        name: the name it is instrumented under.
        root: the module's own identity, where it is known already.

    Attributes:
        root: the module's own identity.
    """

    def __init__(self, module: Any, name: str, root: SignatureIdentity | None = None) -> None:
        self._name = name
        # Weak, or the module's class would keep the module alive until the garbage collector finds the circle.
        self._known: dict[int, tuple[weakref.ref[Any], SignatureIdentity]] = {}
        self._by_stage: dict[str, SignatureIdentity] = {}
        located = predictors_of(module)
        for each in located:
            self._remember(each)
        alone = _sole_predictor(module, located)
        self._transparent = None if alone is None else weakref.ref(alone)
        self.root: Final = root or self._root(module, alone)

    @property
    def sole_predictor(self) -> Any:
        """The predictor whose record the module's own record already is; None if there is none."""
        return None if self._transparent is None else self._transparent()

    def is_transparent(self, predictor: Any) -> bool:
        """Tell whether the module's own record already is this predictor's."""
        return self._transparent is not None and self._transparent() is predictor

    def of(self, predictor: Any, module: Any) -> SignatureIdentity:
        """Return the identity of a predictor that was called inside `module`.

        A copy (BestOfN and Refine call copies) is known by the `stage` it shares with its original; a predictor put
        in place later by its path; one made during the call is ``<module>.dynamic`` unless its signature is declared.
        """
        known = self._known.get(id(predictor))
        if known is not None and known[0]() is predictor:
            return known[1]
        stage = getattr(predictor, "stage", None)
        if stage in self._by_stage:
            return self._by_stage[stage]
        for each in predictors_of(module):
            if each.predictor is predictor:
                return self._remember(each)
        return self._of(Located("dynamic", predictor, frozenset()))

    def _root(self, module: Any, alone: Any) -> SignatureIdentity:
        if isinstance(module, dspy.Predict):
            return self._of(Located("self", module, frozenset()))
        own: Any = getattr(module, "signature", None)
        if isinstance(own, type) and issubclass(own, dspy.Signature):
            return SignatureIdentity(_name(own, self._name), _hash(own, frozenset()), _outputs(own))
        if alone is not None:
            return self._known[id(alone)][1]
        fields = [("input", name, type_name(kind)) for name, kind in _parameters(module)]
        return SignatureIdentity(self._name, keys.fields_hash(fields))

    def _remember(self, located: Located) -> SignatureIdentity:
        identity = self._of(located)
        self._known[id(located.predictor)] = (weakref.ref(located.predictor), identity)
        stage = getattr(located.predictor, "stage", None)
        if isinstance(stage, str):
            self._by_stage.setdefault(stage, identity)
        return identity

    def _of(self, located: Located) -> SignatureIdentity:
        signature = located.predictor.signature
        return SignatureIdentity(
            _name(signature, f"{self._name}.{located.path}"),
            _hash(signature, located.added),
            _outputs(signature, located.added),
        )


def _name(signature: Any, otherwise: str) -> str:
    declared: str = signature.__name__
    return otherwise if declared == _UNDECLARED else declared


def _outputs(signature: Any, added: frozenset[Field] = frozenset()) -> tuple[str, ...]:
    return tuple(name for name in signature.output_fields if ("output", name) not in added)


def _hash(signature: Any, added: frozenset[Field]) -> str:
    fields = [("input", name, type_name(info.annotation)) for name, info in signature.input_fields.items()]
    fields += [("output", name, type_name(info.annotation)) for name, info in signature.output_fields.items()]
    return keys.fields_hash([each for each in fields if each[:2] not in added])


def _sole_predictor(module: Any, located: list[Located]) -> Any:
    """Return the predictor of a module that has one and hands its own inputs to it, else None."""
    if len(located) != 1 or isinstance(module, dspy.Predict):
        return None
    predictor = located[0].predictor
    if isinstance(module, dspy.ChainOfThought) and type(module).forward is dspy.ChainOfThought.forward:
        return predictor
    names = {name for name, _ in _parameters(module)}
    return predictor if names == set(predictor.signature.input_fields) else None


def _parameters(module: Any) -> Iterable[tuple[str, Any]]:
    """Return forward()'s parameters, or aforward()'s where a module has only that: name and annotation."""
    kind = type(module)
    forward = getattr(kind, "forward", None) or getattr(kind, "aforward", None)
    if forward is None:
        return []
    try:
        parameters = inspect.signature(forward, eval_str=True).parameters
    except Exception:  # an annotation in quotes that names what is not there; its text will do
        parameters = inspect.signature(forward).parameters
    named = [parameter for parameter in parameters.values() if parameter.kind not in _VARIADIC]
    return [(parameter.name, parameter.annotation) for parameter in named[1:]]
