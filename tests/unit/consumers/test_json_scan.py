"""Of what the scan is sure, Python's json says the same; and of what producers write it is sure."""

import json

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headrace_consumers.dataset.records.filled import filled_share
from headrace_consumers.dataset.records.json_scan import EMPTY, FILLED, PARTLY, UNSURE, scan
from headrace_schemas import canonical


def scanned(texts, behind=b""):
    """What is said of each text, all standing in one body, each with `behind` after it."""
    body = b"".join(text + behind for text in texts) + bytes(16)
    sizes = np.asarray([len(text) for text in texts], np.int64)
    ends = np.cumsum(sizes + len(behind)) - len(behind)
    found = np.empty(len(texts), np.int8)
    scan(np.frombuffer(body, np.uint8), np.ndarray(len(body) - 7, "<u8", body, strides=1), ends - sizes, ends, found)
    return found.tolist()


def said(text):
    (found,) = set(scanned([text])) | set(scanned([text], b'}"')) | set(scanned([text], b'"}]'))
    return found


def python_of(text):
    try:
        value = json.loads(text.decode())
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def holds(text):
    """The scan is not sure of it, or right."""
    found = said(text)
    if found == UNSURE:
        return
    value = python_of(text)
    assert value is not None
    assert (found == EMPTY) == (value == {})
    if found == FILLED:
        assert filled_share(value) == 1.0


PIECES = [
    *("{", "}", "[", "]", '"', ",", ":", "\\", "/", " ", "\t", "\n", "\r", "-", "+", ".", "e", "E", "0", "1", "9", "a"),
    *(
        "true",
        "false",
        "null",
        "nul",
        "NaN",
        "Infinity",
        '""',
        '"a":',
        '"a"',
        '" "',
        '"\\n"',
        '"<unencodable x>"',
        "{}",
    ),
    *("\\u0041", "\\ud800", "\\u00g0", "\\x", "\0", "\x1f", "\x7f", "ü", "\u3000", "\u2003", "\u00a0", "\ufeff", "字"),
    *('{"a":1,', '"b":', "-0", "1e5", "01", "1.", ".5", "1e", "1e+", "--1", "9" * 20, "x" * 9),
]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([" ", "<unencodable X>", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(max_size=10), VALUES, max_size=5)


@given(st.lists(st.sampled_from(PIECES), max_size=14))
@example(['{"a":', "-", "}"])
@example(['{"a":', "[", "1", ",", "]", "}"])
@example(['{"a":', "1", "]"])
@example(["{", '"a":', "1", ",", "}"])
@example(['{"a":1,', '"a":', "null", "}"])
@example(["{", '"\\', '":', "1", "}"])
def test_it_is_right_about_pieces_of_json_in_any_order(pieces):
    holds("".join(pieces).encode())
    holds(("{" + "".join(pieces) + "}").encode())
    holds(('{"a":' + "".join(pieces) + "}").encode())
    holds(('{"a":"' + "".join(pieces) + '"}').encode())


@given(OBJECTS, st.data())
def test_it_is_right_about_json_that_was_changed(value, data):
    text = bytearray(
        json.dumps(value, ensure_ascii=data.draw(st.booleans()), indent=data.draw(st.none() | st.just(1))),
        "utf-8",
        "surrogatepass",
    )
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(text)))
        match data.draw(st.sampled_from(["cut", "drop", "insert", "exchange"])):
            case "cut":
                del text[at:]
            case "drop":
                del text[at : at + data.draw(st.integers(1, 9))]
            case "insert":
                text[at:at] = data.draw(st.sampled_from(PIECES)).encode()
            case "exchange":
                text[at : at + 1] = data.draw(st.sampled_from(PIECES)).encode()
    try:
        text.decode()
    except UnicodeDecodeError:
        return  # such texts are refused before
    holds(bytes(text))


def is_plain(value):
    return value is not None and value not in ([], {}) and not (isinstance(value, str) and not value[:1].isalnum())


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
NUMBERS = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
PLAIN = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text("abc", max_size=3), PLAIN, max_size=5), st.sampled_from(["", " ", "\n\t\r "]))
def test_it_is_sure_of_what_producers_write(value, space):
    text = canonical.dumps(value)
    found = said(space.encode() + text + space.encode())
    assert found != UNSURE
    if value and all(is_plain(item) and not (isinstance(item, str) and item[0] > "\x7f") for item in value.values()):
        assert found == FILLED


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", EMPTY),
        (" { } ", EMPTY),
        ('{"a":"x","b":1,"c":true,"d":[0],"e":{"f":null},"g":-1.5e-7}', FILLED),
        ('{"a":"größe","b":"ü","c":"字","d":"ひ"}', FILLED),
        ('{"a":""}', PARTLY),
        ('{"a":" x"}', PARTLY),
        ('{"a":"x","b":null}', PARTLY),
        ('{"a":[]}', PARTLY),
        ('{"a":[ ]}', PARTLY),
        ('{"a":{}}', PARTLY),
        ('{"a":[[]],"b":{"c":{}}}', FILLED),
        ('{"a":"<unencodable X>"}', PARTLY),
        ('{"a":"\\u0020"}', PARTLY),
        ('{"a":"\u3000"}', PARTLY),
        ('{"a":"\u2003"}', PARTLY),
        ('{"a":"\u1680"}', PARTLY),
        ('{"a":"\u00a0"}', PARTLY),
        ('{"":"x"}', FILLED),
        ("", UNSURE),
        (" ", UNSURE),
        ("[1]", UNSURE),
        ('"a"', UNSURE),
        ("1", UNSURE),
        ("null", UNSURE),
        ("{", UNSURE),
        ('{"a":1}}', UNSURE),
        ('{"a":1}x', UNSURE),
        ('{"a":1]', UNSURE),
        ('{"a":[1}', UNSURE),
        ('{"a":1,}', UNSURE),
        ('{,"a":1}', UNSURE),
        ('{"a" 1}', UNSURE),
        ('{"a":}', UNSURE),
        ("{'a':1}", UNSURE),
        ('{"a":01}', UNSURE),
        ('{"a":-}', UNSURE),
        ('{"a":1.}', UNSURE),
        ('{"a":1e}', UNSURE),
        ('{"a":+1}', UNSURE),
        ('{"a":NaN}', UNSURE),
        ('{"a":tru}', UNSURE),
        ('{"a":"\x00"}', UNSURE),
        ('{"a":"\x1f"}', UNSURE),
        ('{"a":"\x7f"}', PARTLY),
        ('{"a":"\\x"}', UNSURE),
        ('{"a":"\\u12g4"}', UNSURE),
        ('{"a":"\\u12"}', UNSURE),
        ('{"a":"x\\uD834\\udd1e\\"\\\\\\/\\b\\f\\n\\r\\t"}', FILLED),
        ('{"a":"\\', UNSURE),
        ('{"a":"\\"}', UNSURE),
        ("\ufeff{}", UNSURE),
        ('{"a":' + "9" * 600 + "}", FILLED),
        ('{"a":' + "9" * 601 + "}", UNSURE),
        ('{"a":' * 64 + "1" + "}" * 64, FILLED),
        ('{"a":' * 65 + "1" + "}" * 65, UNSURE),
        ('{"a":' + "[" * 63 + "]" * 63 + "}", FILLED),
        ('{"a":' + "[" * 64 + "]" * 64 + "}", UNSURE),
        ('{"a":' + "[{" * 40, UNSURE),
    ],
)
def test_texts_of_every_kind(text, expected):
    assert said(text.encode()) == expected
    holds(text.encode())


@pytest.mark.parametrize("length", range(40))
def test_a_string_s_end_and_what_is_wrong_in_it_are_found_wherever_they_stand(length):
    x = "x" * length
    for text in ('{"%s":"%s"}', '{"%s":"%s","b":2}', '{"%s\\n":"%s\\u0041"}'):
        assert said((text % (x, x)).encode()) == (FILLED if length or "u0041" not in text else PARTLY) or not length
        holds((text % (x, x)).encode())
    for wrong in ("\x01", "\n", "\\", "\\q"):
        assert said(f'{{"a":"{x}{wrong}{x}"}}'.encode()) == UNSURE or wrong == "\\"
        assert said(f'{{"a{x}{wrong}{x}":1}}'.encode()) == UNSURE or wrong == "\\"


def test_each_of_many_texts_is_judged_by_itself():
    texts = [b"{}", b'{"a":"', b'x"}', b'{"a":1}', b"", b"[]", b'{"a":null}']
    assert scanned(texts) == [EMPTY, UNSURE, UNSURE, FILLED, UNSURE, UNSURE, PARTLY]
