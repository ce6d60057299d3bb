"""Schema compliance: every example has the fields of its signature, and values of their types.

`versions.gates.signatures.<name>.signature_class` names the class, whose types are checked as `headrace.load_dataset`
reads them. Without it only examples of other sources and corrected ones are looked at, for calls of one fields_hash
have the same fields: they must have those that most calls have, or most examples where there are no calls.
"""

import importlib
import json
from collections import Counter
from collections.abc import Iterator
from functools import reduce
from typing import Any, Final

import polars as pl

from headrace.errors import ConfigError
from headrace_consumers.versions.gates.gate import OFFENDERS, Context, Gate, Verdict
from headrace_schemas import canonical

__all__ = ["SCHEMA"]

_NAME: Final = "schema"
_SLICE: Final = 20_000
_LOOKED_AT: Final = 2_000
"""So many calls tell which fields most have."""


def _judge(examples: pl.DataFrame, context: Context) -> Verdict:
    path = context.thresholds.signature_class
    if path is not None:
        found = list(_of_wrong_types(examples, _class(path)))
        against = path
    else:
        found = list(_of_other_fields(examples))
        against = "the fields of most; no signature_class is configured, so types are not checked"
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


def _of_other_fields(examples: pl.DataFrame) -> Iterator[tuple[str, str]]:
    calls = examples.filter((pl.col("source") == "telemetry") & (pl.col("label") != "corrected"))
    usual = _usual(calls if len(calls) else examples)
    others = examples.filter((pl.col("source") != "telemetry") | (pl.col("label") == "corrected"))
    for part in others.select("example_id", "inputs", "outputs").iter_slices(_SLICE):
        for example_id, *texts in part.iter_rows():
            for role, names, text in zip(("input", "output"), usual, texts, strict=True):
                if reason := _difference(role, names, json.loads(text)):
                    yield example_id, reason
                    break


def _usual(examples: pl.DataFrame) -> tuple[frozenset[str], frozenset[str]]:
    """Return the input and output fields that most examples have."""
    counts: Counter[tuple[frozenset[str], frozenset[str]]] = Counter()
    for inputs, outputs in examples.select("inputs", "outputs").head(_LOOKED_AT).iter_rows():
        counts[frozenset(json.loads(inputs)), frozenset(json.loads(outputs))] += 1
    return counts.most_common(1)[0][0] if counts else (frozenset(), frozenset())


def _difference(role: str, names: frozenset[str], values: dict[str, Any]) -> str | None:
    if missing := sorted(names - values.keys()):
        return f"{role} {missing[0]}: is missing"
    if unknown := sorted(values.keys() - names):
        return f"{role} {unknown[0][:80]}: most examples have no such field"
    return None


class _UnknownFieldError(Exception):
    pass


def _known_only(names: tuple[str, ...], text: str, role: str) -> None:
    """Refuse inputs that the signature does not take; further outputs may be what an adapter adds."""
    if unknown := sorted(set(json.loads(text)).difference(names)):
        raise _UnknownFieldError(f"{role} {unknown[0][:80]}: the signature has no such field")


def _class(path: str) -> Any:
    module_name, _, name = path.partition(":")
    try:
        found: Any = reduce(getattr, name.split("."), importlib.import_module(module_name))
    except Exception as error:  # whatever a module does while it is imported
        raise ConfigError(
            f"versions.gates: signature_class: {path}: cannot be imported "
            f"({type(error).__name__}: {' '.join(str(error).split())[:200]}); "
            "install its package, or name its folder in PYTHONPATH"
        ) from error
    if not hasattr(found, "input_fields") or not hasattr(found, "output_fields"):
        raise ConfigError(
            f"versions.gates: signature_class: {path}: found {type(found).__name__}, expected a dspy.Signature's class"
        )
    return found


SCHEMA: Final = Gate(_NAME, "examples", _judge)
