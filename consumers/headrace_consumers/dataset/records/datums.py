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

__all__ = ["Shape", "Walked", "shape_of", "walked"]

_Bytes: TypeAlias = npt.NDArray[np.uint8]
_Integers: TypeAlias = npt.NDArray[np.int64]
_Booleans: TypeAlias = npt.NDArray[np.bool_]

_CONTINUES: Final = 128
_LENGTH_BYTES: Final = 5  # a length of up to 2^34 never overflows the sum over a record's fields
_LONG_BYTES: Final = 9  # the tenth byte of a varint holds bits that decoders treat differently
_DOUBLE_BYTES: Final = 8
_PADDING: Final = 16
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


@dataclass(frozen=True, slots=True)
class Walked:
    """Where the values of exact datums stand.

    Attributes:
        is_exact: shape (number of values,): which datums these are; the arrays below hold only them.
        body: the bytes of all, and 16 more.
        starts: shape (fields, datums): where in the body a field's value begins, behind a string's length.
        numbers: shape (fields, datums): a long's value, a boolean's byte, a string's length in bytes.
        is_there: shape (fields, datums): False for null, whose start and number are 0.
    """

    is_exact: _Booleans
    body: bytes
    starts: _Integers
    numbers: _Integers
    is_there: _Booleans


def walked(shape: Shape, values: Sequence[bytes]) -> Walked:
    """Step through all values together; see `Walked`.

    A value is exact if it is the header and one datum of the shape, with nothing missing and nothing left. Strings'
    bytes are not looked at: they may be no UTF-8. Not exact does not mean wrong: a varint that is longer than it must
    be may be refused.
    """
    walk = _Walk(values, len(shape.fields))
    walk.header(shape.header)
    for number, (kind, optional) in enumerate(shape.fields):
        walk.field(number, kind, optional=optional)
    return walk.result()


class _Walk:
    """A position in each of n values, all moving on together.

    A position that leaves its value never comes back, so that the end shows it; reads are kept inside the array.
    """

    def __init__(self, values: Sequence[bytes], fields: int) -> None:
        lengths = np.fromiter(map(len, values), np.int64, len(values))
        self._body = b"".join((*values, bytes(_PADDING)))
        self._bytes: _Bytes = np.frombuffer(self._body, np.uint8)
        self._ends: _Integers = np.cumsum(lengths)
        self._at: _Integers = self._ends - lengths
        self._is_exact: _Booleans = np.ones(len(values), np.bool_)
        self._starts: _Integers = np.zeros((fields, len(values)), np.int64)
        self._numbers: _Integers = np.zeros((fields, len(values)), np.int64)
        self._is_there: _Booleans = np.ones((fields, len(values)), np.bool_)

    def header(self, header: bytes) -> None:
        for byte in header:
            self._is_exact &= self._read(self._at) == byte
            self._at += 1

    def field(self, number: int, kind: str, *, optional: bool) -> None:
        rows: _Integers | slice = slice(None)
        if optional:
            branch = self._read(self._at)
            self._at += 1
            has_value = branch == _VALUE
            self._is_exact &= has_value | (branch == _NULL)
            if not has_value.all():
                self._is_there[number] = has_value
                rows = np.flatnonzero(has_value)
        if kind == "string":
            lengths = self._varint(rows, _LENGTH_BYTES)
            self._numbers[number, rows] = lengths
            self._starts[number, rows] = self._at[rows]
            self._at[rows] += lengths
        elif kind == "long":
            self._numbers[number, rows] = self._varint(rows, _LONG_BYTES)
        else:
            self._starts[number, rows] = self._at[rows]
            if kind == "boolean":
                self._numbers[number, rows] = byte = self._read(self._at[rows])
                self._refuse(rows, byte > 1)
            self._at[rows] += _DOUBLE_BYTES if kind == "double" else 1

    def result(self) -> Walked:
        is_exact = self._is_exact & (self._at == self._ends)
        if is_exact.all():
            return Walked(is_exact, self._body, self._starts, self._numbers, self._is_there)
        taken = (self._starts[:, is_exact], self._numbers[:, is_exact], self._is_there[:, is_exact])
        return Walked(is_exact, self._body, *taken)

    def _varint(self, rows: _Integers | slice, longest: int) -> _Integers:
        """Step over a varint and return it, zigzag undone; what is longer or, as a length, negative is refused."""
        at = self._at[rows]
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
        number = (number >> 1) ^ -(number & 1)
        if len(more):
            self._refuse(rows, np.isin(np.arange(len(at)), more))
        if longest == _LENGTH_BYTES and (number < 0).any():
            self._refuse(rows, number < 0)
            number[number < 0] = 0
        self._at[rows] = at
        return number

    def _refuse(self, rows: _Integers | slice, is_wrong: _Booleans) -> None:
        if is_wrong.any():
            self._is_exact[rows] &= ~is_wrong

    def _read(self, at: _Integers) -> _Bytes:
        return self._bytes.take(at, mode="clip")
