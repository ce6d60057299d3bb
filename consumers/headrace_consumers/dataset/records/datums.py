"""Many Avro datums to rows in two passes over their bytes: those that are plainly right, and only those.

A columnar reader sees a slice of datums as one run of bytes: a short datum borrows from the next, a double one shifts
all that follow, and an index of a union that is neither 0 nor 1 is taken for one. So each datum is stepped over by
itself, by compiled code, and must end precisely where the next begins. Strings stay where they stand: a column is
views of the bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from headrace_consumers.dataset.kafka.messages import Messages
from headrace_consumers.dataset.records.json_scan import scan
from headrace_consumers.dataset.records.plan import Kind, Plan, Rows, Rule, Scratch, Slice
from headrace_consumers.dataset.records.walk import walk
from headrace_schemas.registry import AvroSchema

__all__ = ["Shape", "Walked", "shape_of", "walked"]

_KINDS: Final = {"string": Kind.STRING, "long": Kind.LONG, "double": Kind.DOUBLE, "boolean": Kind.BOOLEAN}


@dataclass(frozen=True, slots=True)
class Shape:
    """A flat record schema, as it is walked.

    Attributes:
        names: of the fields.
        plan: what each field is, and what is asked of it.
    """

    names: tuple[str, ...]
    plan: Plan


def shape_of(schema: AvroSchema, header: bytes, rules: Mapping[str, int], earliest_ms: int) -> Shape:
    """Return the shape of a flat record schema.

    Args:
        schema: of the datums.
        header: the bytes before each datum.
        rules: field -> what is asked of it.
        earliest_ms: of fields with the rule TIME.

    Raises:
        ValueError: it has a field that is neither string, long, double, boolean nor [null, one of these], or lacks one
            that has a rule.
    """
    kinds: list[int] = []
    slots: list[int] = []
    optional: list[bool] = []
    for field in schema["fields"]:
        kind = field["type"]
        is_optional = isinstance(kind, list)
        if is_optional and (len(kind) != 2 or kind[0] != "null"):  # noqa: PLR2004  # null and T
            raise ValueError(f"field {field['name']} is no union [null, T]")
        kind = kind[1] if is_optional else kind
        if not isinstance(kind, str) or kind not in _KINDS:
            raise ValueError(f"field {field['name']} is nothing that can be walked")
        slots.append(kinds.count(_KINDS[kind]))
        kinds.append(_KINDS[kind])
        optional.append(is_optional)
    names = tuple(field["name"] for field in schema["fields"])
    if missing := sorted(rules.keys() - set(names)):
        raise ValueError(f"there is no field {missing[0]}")
    plan = Plan(
        np.frombuffer(header, np.uint8),
        np.asarray(kinds, np.int64),
        np.asarray(optional, np.bool_),
        np.asarray([rules.get(name, Rule.NONE) for name in names], np.int64),
        np.asarray(slots, np.int64),
        earliest_ms,
    )
    return Shape(names, plan)


@dataclass(frozen=True, slots=True)
class Walked:
    """The datums that are plainly right but for their JSON, and what that is.

    Attributes:
        rows: their values; more rows than `count` are there, and empty.
        count: how many there are.
        bodies: the bytes that the views point into, by number.
        texts: shape (texts, count), what `scan` says of each field with the rule TEXT or SEALABLE.
    """

    rows: Rows
    count: int
    bodies: list[bytes]
    texts: npt.NDArray[np.int8]


def walked(shape: Shape, messages: Messages, latest_ms: npt.NDArray[np.int64]) -> Walked:
    """Step through the values of messages; see `walk` for what is plainly right.

    Args:
        shape: what each should be.
        messages: n of them.
        latest_ms: shape (n,), of each the last time that is not too late.
    """
    rows, scratch = _empty(shape.plan, len(messages))
    found = np.empty(rows.text_starts.shape, np.int8)
    texts = messages.texts
    bodies: list[bytes] = []
    number_of: dict[int, int] = {}
    count = 0
    for first, last, body in messages.stretches():
        if id(body) not in number_of:
            number_of[id(body)] = len(bodies)
            bodies.append(body)
        part = Slice(
            np.frombuffer(body, np.uint8),
            _words(body),
            texts[first:last],
            latest_ms[first:last],
            first,
            number_of[id(body)],
        )
        before, count = count, walk(shape.plan, part, rows, count, scratch)
        for starts, ends, is_what in zip(rows.text_starts, rows.text_ends, found, strict=True):
            scan(part.body, part.words, starts[before:count], ends[before:count], is_what[before:count])
    return Walked(rows, count, bodies, found[:, :count])


def _empty(plan: Plan, capacity: int) -> tuple[Rows, Scratch]:
    strings, longs, doubles, booleans = np.bincount(plan.kinds, minlength=4).tolist()
    fields, texts, bit_bytes = len(plan.kinds), int((plan.rules >= Rule.TEXT).sum()), (capacity + 7) // 8
    rows = Rows(
        np.zeros((strings, capacity, 2), np.uint64),
        np.zeros((longs, capacity), np.int64),
        np.zeros((doubles, capacity), np.uint64),
        np.zeros((booleans, bit_bytes), np.uint8),
        np.zeros((fields, bit_bytes), np.uint8),
        np.empty(capacity, np.int64),
        np.empty(capacity, np.bool_),
        np.empty((texts, capacity), np.int64),
        np.empty((texts, capacity), np.int64),
    )
    return rows, Scratch(np.zeros(fields, np.int64), np.zeros(fields, np.int64), np.zeros(fields, np.bool_))


def _words(body: bytes) -> npt.NDArray[np.uint64]:
    """Return the 8 bytes from each place on."""
    return np.ndarray(len(body) - 7, "<u8", body, strides=1)
