"""Values for property tests: JSON as Python programs have it, and records that fit the schemas."""

import math
from typing import Any

from hypothesis import strategies as st

from headrace_schemas.registry import AvroSchema

__all__ = ["alike", "json_values", "records"]

_LONG = st.integers(-(2**63), 2**63 - 1)
_ANY_TEXT = st.text(st.characters(), max_size=20)  # lone surrogates, too
_TAG_LIKE = st.sampled_from(["$hr:", "$hr:int", "$hr:float", "$hr:str", "$hr:map", "$hr:x\ud800", "$hr"])
_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.sampled_from([2**53 - 1, 2**53, -(2**53), 10**30])
    | st.floats()
    | _ANY_TEXT
    | _TAG_LIKE
)
_KEYS = _ANY_TEXT | _TAG_LIKE | _SCALARS | st.tuples(_SCALARS, _SCALARS)

json_values = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(_KEYS, inner, max_size=4)
        | st.dictionaries(_TAG_LIKE, inner, max_size=1)
    ),
    max_leaves=20,
)

_AVRO = {
    "string": st.text(max_size=20),
    "bytes": st.binary(max_size=20),
    "long": _LONG,
    "int": st.integers(-(2**31), 2**31 - 1),
    "double": st.floats(allow_nan=False),
    "boolean": st.booleans(),
}


def records(schema: AvroSchema) -> st.SearchStrategy[Any]:
    """Return records that fit an Avro schema: records, arrays, [null, T] and the types above."""
    if isinstance(schema, str):
        return _AVRO[schema]
    if isinstance(schema, list):
        return st.none() | records(schema[1])
    if schema["type"] == "array":
        return st.lists(records(schema["items"]), max_size=3)
    return st.fixed_dictionaries({field["name"]: records(field["type"]) for field in schema["fields"]})


def alike(one: Any, other: Any) -> bool:
    """Tell whether two values are the same up to what canonical JSON documents as lost.

    5.0 is 5, -0.0 is 0, a tuple is a list. NaN is NaN; True is not 1.
    """
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one == other or (math.isnan(one) and math.isnan(other))
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        unmatched = list(other.items())
        for pair in one.items():
            match = next((at for at, candidate in enumerate(unmatched) if alike(pair, candidate)), None)
            if match is None:
                return False
            del unmatched[match]
        return not unmatched
    return type(one) is type(other) and bool(one == other)
