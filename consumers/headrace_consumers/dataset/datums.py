"""Which of many Avro datums are exactly what one schema says, found by walking all of them at once.

A columnar reader sees a slice of datums as one run of bytes: a short datum borrows from the next, a double one shifts
all that follow, and an index of a union that is neither 0 nor 1 is taken for one. So each field is stepped over in all
datums together, its length read where it stands, until each datum must end precisely where the next begins. What
passes has but one reading; what does not is for the record-by-record decoder, which says what is wrong with it.

https://avro.apache.org/docs/1.12.0/specification/#binary-encoding
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from headrace_schemas.registry import AvroSchema

__all__ = ["Shape", "exact", "shape_of"]

_Bytes: TypeAlias = npt.NDArray[np.uint8]
_Integers: TypeAlias = npt.NDArray[np.int64]
_Booleans: TypeAlias = npt.NDArray[np.bool_]

_CONTINUES: Final = 128
_LENGTH_BYTES: Final = 5  # a length of up to 2^34 never overflows the sum over a record's fields
_LONG_BYTES: Final = 9  # the tenth byte of a varint holds bits that decoders treat differently
_DOUBLE_BYTES: Final = 8
_NULL, _VALUE = 0, 2  # the branches of a union [null, T], as zigzag varints of one byte


@dataclass(frozen=True, slots=True)
class Shape:
    """What is walked.

    Attributes:
        header: the bytes before each datum.
        fields: (string|long|double|boolean, whether it is [null, T]) for each field.
    """

    header: bytes
    fields: tuple[tuple[str, bool], ...]


def shape_of(schema: AvroSchema, header: bytes) -> Shape:
    """Return the shape of a flat record schema.

    Raises:
        ValueError: it has a field that is neither string, long, double, boolean nor [null, one of these].
    """
    fields = []
    for field in schema["fields"]:
        kind = field["type"]
        optional = isinstance(kind, list)
        if optional and (len(kind) != 2 or kind[0] != "null"):  # noqa: PLR2004  # null and T
            raise ValueError(f"field {field['name']} is no union [null, T]")
        kind = kind[1] if optional else kind
        if kind not in ("string", "long", "double", "boolean"):
            raise ValueError(f"field {field['name']} is nothing that can be walked")
        fields.append((str(kind), optional))
    return Shape(header, tuple(fields))


def exact(shape: Shape, values: Sequence[bytes]) -> _Booleans:
    """Tell for each value whether it is the header and one datum of the shape, with nothing missing and nothing left.

    Strings' bytes are not looked at: they may be no UTF-8. False does not mean that the value is wrong: a
    varint that is longer than it must be may be refused.
    """
    walk = _Walk(values)
    walk.header(shape.header)
    for kind, optional in shape.fields:
        walk.field(kind, optional=optional)
    return walk.arrived()


class _Walk:
    """A position in each of n values, all moving on together.

    A position that leaves its value never comes back, so that the end shows it; reads are kept inside the array.
    """

    def __init__(self, values: Sequence[bytes]) -> None:
        body = b"".join(values)
        lengths = np.fromiter(map(len, values), np.int64, len(values))
        self._bytes: _Bytes = np.frombuffer(body or b"\0", np.uint8)
        self._ends: _Integers = np.cumsum(lengths)
        self._at: _Integers = self._ends - lengths
        self._is_exact: _Booleans = np.ones(len(values), np.bool_)

    def header(self, header: bytes) -> None:
        for byte in header:
            self._is_exact &= self._read(self._at) == byte
            self._at += 1

    def field(self, kind: str, *, optional: bool) -> None:
        if not optional:
            self._value(kind, None)
            return
        branch = self._read(self._at)
        self._at += 1
        has_value = branch == _VALUE
        self._is_exact &= has_value | (branch == _NULL)
        self._value(kind, None if has_value.all() else np.flatnonzero(has_value))

    def arrived(self) -> _Booleans:
        has_arrived: _Booleans = self._is_exact & (self._at == self._ends)
        return has_arrived

    def _value(self, kind: str, rows: _Integers | None) -> None:
        """Step over one value in all rows, or in some."""
        if kind == "string":
            lengths = self._varint(rows, _LENGTH_BYTES)
            self._at[_all(rows)] += lengths
        elif kind == "long":
            self._varint(rows, _LONG_BYTES)
        elif kind == "double":
            self._at[_all(rows)] += _DOUBLE_BYTES
        else:
            is_wrong = self._read(self._at[_all(rows)]) > 1
            self._refuse(rows, is_wrong)
            self._at[_all(rows)] += 1

    def _varint(self, rows: _Integers | None, longest: int) -> _Integers:
        """Step over a varint and return it, zigzag undone; what is longer or, as a length, negative is refused."""
        at = self._at[_all(rows)]
        byte = self._read(at).astype(np.int64)
        number = byte & (_CONTINUES - 1)
        at = at + 1
        more = np.flatnonzero(byte >= _CONTINUES)
        for place in range(1, longest):
            if not len(more):
                break
            byte = self._read(at[more]).astype(np.int64)
            number[more] |= (byte & (_CONTINUES - 1)) << (7 * place)
            at[more] += 1
            more = more[byte >= _CONTINUES]
        is_wrong = np.zeros(len(at), np.bool_)
        is_wrong[more] = True
        number = (number >> 1) ^ -(number & 1)
        if longest == _LENGTH_BYTES:
            is_wrong |= number < 0
            number[is_wrong] = 0
        self._at[_all(rows)] = at
        self._refuse(rows, is_wrong)
        return number

    def _refuse(self, rows: _Integers | None, is_wrong: _Booleans) -> None:
        if is_wrong.any():
            self._is_exact[_all(rows)] &= ~is_wrong

    def _read(self, at: _Integers) -> _Bytes:
        return self._bytes.take(at, mode="clip")


def _all(rows: _Integers | None) -> _Integers | slice:
    return slice(None) if rows is None else rows
