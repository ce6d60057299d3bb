"""Schema compliance: every example has the fields of its signature, and values of their types.

`versions.gates.signatures.<name>.signature_class` names the class, whose types are checked as `headrace.load_dataset`
reads them. Without it only examples of other sources and corrected ones are looked at, for calls of one fields_hash
have the same fields: they must have those that most calls have, or most examples where there are no calls, and where
there are calls enough values of a kind that calls have there: a text, a number, a list.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from headrace.errors import ConfigError
from headrace_consumers.versions.gates.gate import OFFENDERS, Context, Gate, Verdict
from headrace_consumers.versions.own_object import NotImportedError, imported
from headrace_schemas import canonical

__all__ = ["SCHEMA"]

_NAME: Final = "schema"
_SLICE: Final = 20_000
_LOOKED_AT: Final = 2_000
"""So many calls tell which fields most have, and which kinds of values."""

_FEWEST_CALLS: Final = 20
"""Fewer may not have shown each kind that a field's type allows."""

_ROLES: Final = ("input", "output")
_NONE: Final = "null"
_KINDS: Final = {str: "text", int: "number", float: "number", list: "list", dict: "object"}


def _judge(examples: pl.DataFrame, context: Context) -> Verdict:
    path = context.thresholds.signature_class
    if path is not None:
        found = list(_of_wrong_types(examples, _class(path)))
        against = path
    else:
        calls = examples.filter((pl.col("source") == "telemetry") & (pl.col("label") != "corrected"))
        found = list(_of_other_fields(examples, calls))
        as_ = "fields and kinds of values as calls have them" if len(calls) >= _FEWEST_CALLS else "the fields of most"
        against = f"{as_}; signature_class would check types"
    offenders = pl.DataFrame(found, schema=OFFENDERS, orient="row")
    what = f"{len(found):,} examples do not fit the signature ({against})"
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
        kinds: (role, field) -> kinds of JSON values that calls have there; of too few calls none.
    """

    names: tuple[frozenset[str], frozenset[str]]
    kinds: dict[tuple[str, str], frozenset[str]]


def _of_other_fields(examples: pl.DataFrame, calls: pl.DataFrame) -> Iterator[tuple[str, str]]:
    usual = _usual(calls if len(calls) else examples, are_calls=len(calls) >= _FEWEST_CALLS)
    others = examples.filter((pl.col("source") != "telemetry") | (pl.col("label") == "corrected"))
    for part in others.select("example_id", "inputs", "outputs").iter_slices(_SLICE):
        for example_id, *texts in part.iter_rows():
            for role, names, text in zip(_ROLES, usual.names, texts, strict=True):
                values = json.loads(text)
                if reason := _difference(role, names, values) or _other_kind(role, usual.kinds, values):
                    yield example_id, reason
                    break


def _usual(examples: pl.DataFrame, *, are_calls: bool) -> _Usual:
    counts: Counter[tuple[frozenset[str], frozenset[str]]] = Counter()
    kinds: dict[tuple[str, str], set[str]] = {}
    for texts in examples.select("inputs", "outputs").head(_LOOKED_AT).iter_rows():
        inputs, outputs = (json.loads(text) for text in texts)
        counts[frozenset(inputs), frozenset(outputs)] += 1
        if are_calls:
            for role, values in zip(_ROLES, (inputs, outputs), strict=True):
                for name, value in values.items():
                    kinds.setdefault((role, name), set()).add(_kind(value))
    names = counts.most_common(1)[0][0] if counts else (frozenset[str](), frozenset[str]())
    return _Usual(names, {field: frozenset(found) for field, found in kinds.items()})


def _difference(role: str, names: frozenset[str], values: dict[str, Any]) -> str | None:
    if missing := sorted(names - values.keys()):
        return f"{role} {missing[0]}: is missing"
    if unknown := sorted(values.keys() - names):
        return f"{role} {unknown[0][:80]}: most examples have no such field"
    return None


def _other_kind(role: str, kinds: Mapping[tuple[str, str], frozenset[str]], values: dict[str, Any]) -> str | None:
    """Return which value is of a kind that no call has there; null passes, for a field may be optional."""
    for name, value in sorted(values.items()):
        usual, kind = kinds.get((role, name), frozenset()), _kind(value)
        if usual - {_NONE} and kind not in usual and kind != _NONE:
            return f"{role} {name[:80]}: is a {kind}, where calls have a {' or a '.join(sorted(usual - {_NONE}))}"
    return None


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    return _KINDS.get(type(value), _NONE)


class _UnknownFieldError(Exception):
    pass


def _known_only(names: tuple[str, ...], text: str, role: str) -> None:
    """Refuse inputs that the signature does not take; further outputs may be what an adapter adds."""
    if unknown := sorted(set(json.loads(text)).difference(names)):
        raise _UnknownFieldError(f"{role} {unknown[0][:80]}: the signature has no such field")


def _class(path: str) -> Any:
    try:
        found = imported(path)
    except NotImportedError as error:
        raise ConfigError(f"versions.gates: signature_class: {error}") from error
    if not hasattr(found, "input_fields") or not hasattr(found, "output_fields"):
        raise ConfigError(
            f"versions.gates: signature_class: {path}: found {type(found).__name__}, expected a dspy.Signature's class"
        )
    return found


SCHEMA: Final = Gate(_NAME, "examples", _judge)
