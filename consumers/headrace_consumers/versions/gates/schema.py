"""Schema compliance: every example has the fields of its signature, and values of their types.

`versions.gates.signatures.<name>.signature_class` names the class, whose types are checked as `headrace.load_dataset`
reads them. Without it only examples of other sources and corrected ones are looked at, for calls of one fields_hash
have the same fields: they must have those that most calls have, or most examples where there are no calls, and where
there are calls enough values of a kind that calls have there: a text, a number, a list. Where there are too few, what a
person corrected or added must be of a kind that any other example has there. A text that no call has where calls have
few, as of a Literal, is told and stays.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import polars as pl

from headrace.errors import ConfigError
from headrace_consumers.versions.files.kinds import NULL, few_texts, kind_of, values_in
from headrace_consumers.versions.gates.gate import OFFENDERS, Context, Gate, Verdict
from headrace_consumers.versions.own_object import NotImportedError, imported
from headrace_schemas import canonical

__all__ = ["SCHEMA", "class_of"]

_NAME: Final = "schema"
_SLICE: Final = 20_000
_LOOKED_AT: Final = 2_000
"""So many calls tell which fields most have, and which kinds of values."""

_FEWEST_CALLS: Final = 20
"""Fewer may not have shown each kind that a field's type allows."""

_ROLES: Final = ("input", "output")

_COLUMNS: Final = ("source", "label", "inputs", "outputs")

_IS_OF_A_PERSON: Final = (pl.col("label") == "corrected") | (pl.col("source") == "hand")

_Kinds: TypeAlias = Mapping[tuple[str, str], frozenset[str]]


def _judge(examples: pl.DataFrame, context: Context) -> Verdict:
    path = context.thresholds.signature_class
    unseen: Counter[str] = Counter()
    if path is not None:
        found = list(_of_wrong_types(examples, class_of(path)))
        against = path
    else:
        known = (examples if context.beside is None else context.beside).select(*_COLUMNS)
        untouched = known.filter(~_IS_OF_A_PERSON)
        calls = untouched.filter(pl.col("source") == "telemetry")
        found = list(_of_other_fields(examples, known, untouched, calls, unseen))
        as_ = (
            "fields and kinds of values as calls have them"
            if len(calls) >= _FEWEST_CALLS
            else "the fields of most; what people wrote, kinds of values as others have them"
        )
        against = f"{as_}; signature_class would check types"
    offenders = pl.DataFrame(found, schema=OFFENDERS, orient="row")
    what = f"{len(found):,} examples do not fit the signature ({against})"
    if unseen:
        fields = ", ".join(f"{name} {number:,}" for name, number in sorted(unseen.items()))
        what += f"; left in: outputs with a text that no other example has in a field of few texts: {fields}"
    return Verdict(_NAME, 0, len(found), is_passed=not found, what=what, offenders=offenders)


def _of_wrong_types(examples: pl.DataFrame, signature: Any) -> Iterator[tuple[str, str]]:
    from headrace.datasets.fields import FieldTypes, InvalidFieldError

    types = FieldTypes(signature)
    for part in examples.select("example_id", "inputs", "outputs").iter_slices(_SLICE):
        for example_id, inputs, outputs in part.iter_rows():
            try:
                _known_only(types.inputs, inputs, "input")
                types.read("input", canonical.loads(inputs))
                types.read("output", canonical.loads(outputs))
            except (InvalidFieldError, _UnknownFieldError) as error:
                yield example_id, str(error)


@dataclass(slots=True)
class _Usual:
    """What most examples have.

    Attributes:
        names: of inputs, of outputs.
        kinds: (role, field) -> kinds of JSON values that some have there.
        few: output -> the texts that there are, where they are few.
    """

    names: tuple[frozenset[str], frozenset[str]]
    kinds: _Kinds
    few: Mapping[str, frozenset[str]]


def _of_other_fields(
    examples: pl.DataFrame,
    known: pl.DataFrame,
    untouched: pl.DataFrame,
    calls: pl.DataFrame,
    unseen: Counter[str],
) -> Iterator[tuple[str, str]]:
    usual = _usual(calls if len(calls) else known)
    are_enough = len(calls) >= _FEWEST_CALLS
    # Few may not have shown each kind. Still it is likelier that a person gave a value of a wrong one, and the loader
    # refuses the whole version for it.
    of_people = usual.kinds if are_enough else _usual(untouched).kinds
    of_others: _Kinds = usual.kinds if are_enough else {}
    whose = "calls" if are_enough else "others"
    few = usual.few if len(calls) else {}
    others = examples.filter((pl.col("source") != "telemetry") | (pl.col("label") == "corrected"))
    for part in others.select("example_id", _IS_OF_A_PERSON, "inputs", "outputs").iter_slices(_SLICE):
        for example_id, is_of_a_person, *texts in part.iter_rows():
            kinds = of_people if is_of_a_person else of_others
            for role, names, text in zip(_ROLES, usual.names, texts, strict=True):
                values = values_in(text)
                if reason := _difference(role, names, values) or _other_kind(role, kinds, values, whose):
                    yield example_id, reason
                    break
                if role == "output":
                    # It may be the right label that the program never gives, so the person's word stands, and is told.
                    unseen.update(n for n, v in values.items() if isinstance(v, str) and v not in few.get(n, {v}))


def _usual(examples: pl.DataFrame) -> _Usual:
    counts: Counter[tuple[frozenset[str], frozenset[str]]] = Counter()
    kinds: dict[tuple[str, str], set[str]] = {}
    values_of: dict[str, list[Any]] = {}
    for texts in examples.select("inputs", "outputs").head(_LOOKED_AT).iter_rows():
        inputs, outputs = (values_in(text) for text in texts)
        counts[frozenset(inputs), frozenset(outputs)] += 1
        for role, values in zip(_ROLES, (inputs, outputs), strict=True):
            for name, value in values.items():
                kinds.setdefault((role, name), set()).add(kind_of(value))
        for name, value in outputs.items():
            values_of.setdefault(name, []).append(value)
    names = counts.most_common(1)[0][0] if counts else (frozenset[str](), frozenset[str]())
    few = {name: found for name, values in values_of.items() if (found := few_texts(values)) is not None}
    return _Usual(names, {field: frozenset(found) for field, found in kinds.items()}, few)


def _difference(role: str, names: frozenset[str], values: dict[str, Any]) -> str | None:
    if missing := sorted(names - values.keys()):
        return f"{role} {missing[0]}: is missing"
    if unknown := sorted(values.keys() - names):
        return f"{role} {unknown[0][:80]}: most examples have no such field"
    return None


def _other_kind(role: str, kinds: _Kinds, values: dict[str, Any], whose: str) -> str | None:
    """Return which value is of a kind that no one has there; null passes, for a field may be optional."""
    for name, value in sorted(values.items()):
        usual, kind = kinds.get((role, name), frozenset()), kind_of(value)
        if usual - {NULL} and kind not in usual and kind != NULL:
            return f"{role} {name[:80]}: is a {kind}, where {whose} have a {' or a '.join(sorted(usual - {NULL}))}"
    return None


class _UnknownFieldError(Exception):
    pass


def _known_only(names: tuple[str, ...], text: str, role: str) -> None:
    """Refuse inputs that the signature does not take; further outputs may be what an adapter adds."""
    if unknown := sorted(set(json.loads(text)).difference(names)):
        raise _UnknownFieldError(f"{role} {unknown[0][:80]}: the signature has no such field")


def class_of(path: str) -> Any:
    """Return the signature's class that the configuration names.

    Raises:
        ConfigError: it cannot be imported, or is none.
    """
    try:
        found = imported(path)
    except NotImportedError as error:
        raise ConfigError(f"versions.gates: signature_class: {error}") from error
    if not hasattr(found, "input_fields") or not hasattr(found, "output_fields"):
        raise ConfigError(
            f"versions.gates: signature_class: {path}: found {type(found).__name__}, expected a dspy.Signature's class"
        )
    return found


SCHEMA: Final = Gate(_NAME, "examples", _judge, is_of_each=True)
