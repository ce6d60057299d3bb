"""What is walked is exactly one datum, and fastavro reads the same from it."""

import io
import math
import struct
import sys

import fastavro
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace_consumers.dataset.kafka.message import Message
from headrace_consumers.dataset.kafka.messages import Messages
from headrace_consumers.dataset.records.datums import shape_of, walked
from headrace_consumers.dataset.records.plan import Rule
from headrace_consumers.dataset.records.views import frame_of_datums
from headrace_consumers.dataset.records.walk import walk

KINDS = ["string", "long", "double", "boolean"]
SCHEMA = {
    "type": "record",
    "name": "All",
    "fields": [
        *({"name": f"{kind}_{number}", "type": kind} for number in range(2) for kind in KINDS),
        *({"name": f"optional_{kind}", "type": ["null", kind]} for kind in KINDS),
        {"name": "last", "type": "string"},
    ],
}
PARSED = fastavro.parse_schema(SCHEMA)
HEADER = b"\xc3\x01header!!"
SHAPE = shape_of(SCHEMA, HEADER, {}, 0)
OF_KIND = {
    "string": st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    | st.sampled_from(["x" * 63, "y" * 64, "z" * 9_000]),
    "long": st.integers(-(2**63), 2**63 - 1) | st.sampled_from([-(2**62), 2**62 - 1, 0, -1, 63, 64, -64, -65]),
    "double": st.floats(allow_nan=False) | st.just(-0.0),
    "boolean": st.booleans(),
}


def kind_of(field):
    return field["type"] if isinstance(field["type"], str) else field["type"][1]


RECORDS = st.fixed_dictionaries(
    {
        field["name"]: OF_KIND[kind_of(field)]
        if isinstance(field["type"], str)
        else st.none() | OF_KIND[kind_of(field)]
        for field in SCHEMA["fields"]
    }
)


def encoded(record):
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, PARSED, record)
    return HEADER + buffer.getvalue()


def read(value):
    """What fastavro reads, or None where the value is not the header and one datum to its end."""
    if not value.startswith(HEADER):
        return None
    buffer = io.BytesIO(value[len(HEADER) :])
    try:
        record = fastavro.schemaless_reader(buffer, PARSED, None)
    except Exception:
        return None
    return record if not buffer.read() else None


def messages(values, keys):
    return Messages.of([Message(0, n, key, value, 0) for n, (value, key) in enumerate(zip(values, keys, strict=True))])


def found(values, shape=SHAPE):
    """The rows, and whose they are."""
    datums = walked(shape, messages(values, [b""] * len(values)), np.zeros(len(values), np.int64))
    frame, is_taken = frame_of_datums(shape, datums)
    return frame.rows(named=True), datums.rows.places[: datums.count][is_taken].tolist()


def is_narrow(record):
    return all(-(2**62) <= v < 2**62 for v in record.values() if type(v) is int)


@given(st.lists(RECORDS, max_size=20))
def test_what_fastavro_writes_is_read_to_the_last_bit(records):
    values = [encoded(record) for record in records]
    expected = [place for place, record in enumerate(records) if is_narrow(record)]
    rows, at = found(values)
    assert at == expected
    assert repr(rows) == repr([{name: records[place][name] for name in SHAPE.names} for place in expected])


VARINTS = [
    *(b"\x80", b"\xff", b"\x80\x00", b"\x82\x00", b"\x02", b"\x01", b"\x03", b"\xff" * 4 + b"\x0f"),
    *(b"\xff" * 8 + b"\x7f", b"\xff" * 9 + b"\x01", b"\x80" * 10, b"\xfe\xff\xff\xff\x0f"),
]


@settings(max_examples=300)
@given(RECORDS, st.data())
def test_a_row_is_what_fastavro_reads_whatever_was_changed(record, data):
    good = encoded(record)
    value = bytearray(good)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, min(len(value), 400)))
        match data.draw(st.sampled_from(["byte", "cut", "drop", "varint", "double", "append"])):
            case "byte":
                value[at : at + 1] = bytes([data.draw(st.integers(0, 255))])
            case "cut":
                del value[at:]
            case "drop":
                del value[at : at + data.draw(st.integers(1, 9))]
            case "varint":
                value[at : at + data.draw(st.integers(0, 2))] = data.draw(st.sampled_from(VARINTS))
            case "double":
                value += good
            case "append":
                value += data.draw(st.binary(min_size=1, max_size=3))
    neighbour = encoded({**record, "last": "neighbour", **{k: 7 for k, v in record.items() if type(v) is int}})
    rows, at = found([neighbour, bytes(value), neighbour])
    assert [place for place in at if place != 1] == [0, 2]
    if 1 in at:
        assert repr(rows[1]) == repr(read(bytes(value)))
    assert repr(rows[0]) == repr(rows[-1]) == repr(read(neighbour))


ONE = {"type": "record", "name": "One", "fields": [{"name": "a", "type": "string"}, {"name": "b", "type": "long"}]}


@pytest.mark.parametrize(
    ("value", "row"),
    [
        (b"\x02x\x04", {"a": "x", "b": 2}),
        (b"\x82\x00x\x04", {"a": "x", "b": 2}),  # longer than it must be, and so does fastavro read it
        (b"\x82\x80\x80\x80\x00x\x04", {"a": "x", "b": 2}),
        (b"\x82\x80\x80\x80\x80\x00x\x04", None),  # a length of six bytes
        (b"\x00\x84\x80\x80\x80\x80\x80\x80\x80\x00", {"a": "", "b": 2}),
        (b"\x00\x84\x80\x80\x80\x80\x80\x80\x80\x80\x00", None),  # a long of ten
        (b"\x01\x04", None),  # a length of -1
        (b"\xff\xff\xff\xff\x0fx\x04", None),  # of -2^31
        (b"\xfe\xff\xff\xff\x7fx\x04", None),  # of 2^34
        (b"\x06x\x04", None),  # beyond the end
        (b"\x04x\x04", None),  # up to the end, and then nothing
        (b"\x02x\x04\x04", None),
        (b"\x02x\x80", None),
        (b"\x02x", None),
        (b"\x80", None),
        (b"", None),
    ],
)
def test_varints_of_every_kind(value, row):
    shape = shape_of(ONE, b"", {}, 0)
    rows, _ = found([value, b"\x02y\x06"], shape)
    assert rows == ([row] if row else []) + [{"a": "y", "b": 3}]


@pytest.mark.parametrize("name", ["string_0", "string_1", "optional_string", "last"])
@pytest.mark.parametrize(
    "wrong", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80", b"x" * 20 + b"\xe2\x82"]
)
def test_a_string_that_is_no_utf_8_is_found_among_those_that_are(name, wrong):
    some = {"string": "größe " * 5, "long": 1, "double": 0.5, "boolean": True}
    base = {field["name"]: some[kind_of(field)] for field in SCHEMA["fields"]}
    good = encoded(base)
    marked = encoded({**base, name: "@" * len(wrong)})
    bad = marked.replace(b"@" * len(wrong), wrong)
    ascii_ = encoded({key: "plain" if isinstance(value, str) else value for key, value in base.items()})
    rows, at = found([good, bad, ascii_, good])
    assert at == [0, 2, 3]
    assert rows[0] == rows[2] == base


def test_strings_keep_their_places_over_many_slices():
    records = [{"a": str(n) * (n % 40), "b": n} for n in range(5_000)]
    shape = shape_of(ONE, b"", {}, 0)
    schema = fastavro.parse_schema(ONE)
    values = []
    for record in records:
        buffer = io.BytesIO()
        fastavro.schemaless_writer(buffer, schema, record)
        values.append(buffer.getvalue())
    values[3_000] = b"wrong"
    large = b"\x80\x84\xaf\x5f" + b"x" * 100_000_000 + b"\x02"  # more than a slice holds
    rows, at = found([*values, large, None, values[0]], shape)
    assert at == [*range(3_000), *range(3_001, 5_001), 5_002]
    assert rows[:3_000] == records[:3_000]
    assert rows[3_000:4_999] == records[3_001:]
    assert (len(rows[4_999]["a"]), rows[5_000]) == (100_000_000, records[0])


MAX, INF, NAN = sys.float_info.max, math.inf, math.nan


@pytest.mark.parametrize(
    ("rule", "kind", "right", "wrong"),
    [
        (Rule.NAME, "string", ["a", "A-z_0.9", "x" * 128, "...", "..a"], ["", ".", "..", "x" * 129, "a/b", "ü", "a\0"]),
        (Rule.TIME, "long", [1_000, 2_000, 1_500], [999, 2_001, 0, -1, 2**61]),
        (Rule.COUNT, "long", [0, 1, 2**62 - 1], [-1, -(2**62)]),
        (Rule.MEASURE, "double", [0.0, -0.0, 5e-324, MAX], [-5e-324, -1.0, -MAX, INF, -INF, NAN, -NAN]),
        (Rule.SHARE, "double", [1.0, 5e-324, 0.5], [0.0, -0.0, -0.5, 1.0000000000000002, INF, NAN]),
        (Rule.LEVEL, "string", ["full", "outcome"], ["", "ful", "fulll", "outcomes", "half", "FULL"]),
        (Rule.KEY, "string", ["0123456789abcdef" * 4], ["0123456789ABCDEF" * 4, "0" * 63, "0" * 65, "", "other"]),
        (Rule.SEALABLE, "string", ["{}", '{"$hr:enc":1}', '{"a":"x"}'], ['{"$hr:enc":"x"}', '{"$hr:enc":""}']),
    ],
)
def test_rules(rule, kind, right, wrong):
    schema = {"type": "record", "name": "R", "fields": [{"name": "f", "type": ["null", kind]}]}
    shape = shape_of(schema, b"", {"f": rule}, 1_000)
    values, keys = [], []
    for value in [*right, *wrong, None]:
        buffer = io.BytesIO()
        fastavro.schemaless_writer(buffer, fastavro.parse_schema(dict(schema)), {"f": value})
        values.append(buffer.getvalue())
        keys.append(value.encode() if isinstance(value, str) and value != "other" else b"another")
    datums = walked(shape, messages(values, keys), np.full(len(values), 2_000))
    assert datums.rows.places[: datums.count].tolist() == [*range(len(right)), len(values) - 1]


def test_a_key_need_be_no_digits_where_the_level_is_outcome():
    fields = [{"name": "level", "type": "string"}, {"name": "key", "type": "string"}]
    for order in (fields, fields[::-1]):
        schema = {"type": "record", "name": "R", "fields": order}
        shape = shape_of(schema, b"", {"level": Rule.LEVEL, "key": Rule.KEY}, 0)
        values = []
        for level in ("full", "outcome"):
            buffer = io.BytesIO()
            fastavro.schemaless_writer(buffer, fastavro.parse_schema(dict(schema)), {"level": level, "key": "event-1"})
            values.append(buffer.getvalue())
        datums = walked(shape, messages(values, [b"event-1"] * 2), np.zeros(2, np.int64))
        assert datums.rows.places[: datums.count].tolist() == [1]


@pytest.mark.parametrize("number", [1.5, -0.0, 5e-324, float("inf")])
def test_doubles_keep_their_bits(number):
    schema = {"type": "record", "name": "D", "fields": [{"name": "d", "type": "double"}]}
    (row,), _ = found([struct.pack("<d", number)], shape_of(schema, b"", {}, 0))
    assert struct.pack("<d", row["d"]) == struct.pack("<d", number)


@pytest.mark.parametrize(
    "kind", [["null", "string", "long"], ["string", "null"], "bytes", {"type": "map", "values": "long"}]
)
def test_a_schema_that_cannot_be_walked_is_refused_at_the_start(kind):
    with pytest.raises(ValueError, match="steps"):
        shape_of({"fields": [{"name": "steps", "type": kind}]}, b"", {}, 0)


def test_a_rule_for_a_field_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="absent"):
        shape_of(ONE, b"", {"absent": Rule.NAME}, 0)


def test_it_is_compiled_once_whatever_it_is_given():
    found([])
    found([None], shape_of({"fields": []}, b"", {}, 0))
    found([b"x"], shape_of(ONE, b"header", {}, 5))
    assert len(walk._compiled.signatures) == 1
