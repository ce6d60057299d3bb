import enum
import json
import math
import random
import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace_schemas import CanonicalizationError, canonical
from tests.unit.schemas.values import alike, json_values

_RFC_NUMBERS = {  # RFC 8785, appendix B
    "0000000000000000": "0",
    "8000000000000000": "0",
    "0000000000000001": "5e-324",
    "8000000000000001": "-5e-324",
    "7fefffffffffffff": "1.7976931348623157e+308",
    "ffefffffffffffff": "-1.7976931348623157e+308",
    "4340000000000000": "9007199254740992",
    "c340000000000000": "-9007199254740992",
    "4430000000000000": "295147905179352830000",
    "44b52d02c7e14af5": "9.999999999999997e+22",
    "44b52d02c7e14af6": "1e+23",
    "44b52d02c7e14af7": "1.0000000000000001e+23",
    "444b1ae4d6e2ef4e": "999999999999999700000",
    "444b1ae4d6e2ef4f": "999999999999999900000",
    "444b1ae4d6e2ef50": "1e+21",
    "3eb0c6f7a0b5ed8c": "9.999999999999997e-7",
    "3eb0c6f7a0b5ed8d": "0.000001",
    "41b3de4355555553": "333333333.3333332",
    "41b3de4355555554": "333333333.33333325",
    "41b3de4355555555": "333333333.3333333",
    "41b3de4355555556": "333333333.3333334",
    "41b3de4355555557": "333333333.33333343",
    "becbf647612f3696": "-0.0000033333333333333333",
    "43143ff3c1cb0959": "1424953923781206.2",
}


@given(json_values)
def test_reading_gives_back_what_was_written(value: Any) -> None:
    assert alike(canonical.loads(canonical.dumps(value)), value)


@given(json_values)
def test_writing_again_gives_the_same_bytes(value: Any) -> None:
    text = canonical.dumps(value)
    assert canonical.dumps(canonical.loads(text)) == text
    assert canonical.dumps(canonical.loads(text.decode())) == text


@given(st.dictionaries(st.text(max_size=5) | st.integers() | st.just(math.nan), json_values, max_size=8), st.randoms())
def test_the_order_of_members_does_not_matter(value: dict[Any, Any], chance: random.Random) -> None:
    shuffled = list(value.items())
    chance.shuffle(shuffled)
    assert canonical.dumps(dict(shuffled)) == canonical.dumps(value)


COMMON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**54), 2**54)
    | st.floats()
    | st.floats(1e-5, 1e-3)
    | st.floats(1e14, 1e17)
    | st.text(st.characters())
    | st.text('\0\x1f\x7f\u2028"\\/\b\f\n\r\té😀'),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(
            st.text('aZ_-\n"é\ufb33😀', max_size=4) | st.sampled_from(["$hr:int", "$hr"]), inner, max_size=4
        )
    ),
    max_leaves=20,
)


@settings(max_examples=1000)
@given(COMMON)
def test_what_the_fast_encoder_writes_is_what_the_rfc_library_writes(value: Any) -> None:
    assert canonical.dumps(value) == rfc8785.dumps(canonical._to_plain(value, 0))


@pytest.mark.parametrize("value", [{"b": [1, 1.5, True, None, "é\x00"], "a": {"c": (1,)}}, "x", 5])
def test_what_records_hold_goes_the_fast_way(value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = rfc8785.dumps(canonical._to_plain(value, 0))
    monkeypatch.setattr(rfc8785, "dumps", pytest.fail)
    assert canonical.dumps(value) == expected


def test_members_whose_keys_are_several_nans_have_one_order() -> None:
    one, other = float("nan"), float("nan")
    assert canonical.dumps({one: 1, other: 2}) == canonical.dumps({other: 2, one: 1})


@given(json_values)
def test_the_result_is_json_that_any_parser_reads(value: Any) -> None:
    json.loads(canonical.dumps(value), parse_constant=pytest.fail)


@given(json_values, json_values)
def test_different_values_have_different_bytes(one: Any, other: Any) -> None:
    assert (canonical.dumps(one) == canonical.dumps(other)) == alike(one, other)


@pytest.mark.parametrize(("ieee", "text"), _RFC_NUMBERS.items())
def test_numbers_are_written_as_the_rfc_lists_them(ieee: str, text: str) -> None:
    (number,) = struct.unpack(">d", bytes.fromhex(ieee))
    assert canonical.dumps(number) == text.encode()
    assert canonical.loads(text) == number


def test_the_rfcs_example_of_serialization() -> None:
    value = json.loads(
        r"""{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}"""
    )
    expected = (
        r'{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        r'"string":"€$\u000f\nA' + "'" + r'B\"\\\\\"/"}'
    )
    assert canonical.dumps(value).decode() == expected


def test_the_rfcs_example_of_sorting() -> None:
    keys = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    written = canonical.dumps(dict.fromkeys(keys, 0))
    assert list(json.loads(written)) == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (math.nan, '{"$hr:float":"NaN"}'),
        (math.inf, '{"$hr:float":"Infinity"}'),
        (-math.inf, '{"$hr:float":"-Infinity"}'),
        (2**53 - 1, "9007199254740991"),
        (2**53, '{"$hr:int":"9007199254740992"}'),
        (-(2**53), '{"$hr:int":"-9007199254740992"}'),
        (float(2**53), "9007199254740992"),
        ("\ud800", '{"$hr:str":"eda080"}'),
        ("\ud83d\ude00", '{"$hr:str":"eda0bdedb880"}'),  # two surrogates are no character
        ({1: "a", "1": "b"}, '{"$hr:map":[["1","b"],[1,"a"]]}'),
        ({(1, 2): 3}, '{"$hr:map":[[[1,2],3]]}'),
        ({"$hr:int": "5"}, '{"$hr:map":[["$hr:int","5"]]}'),
        ({"$hr:int": "5", "b": 1}, '{"$hr:int":"5","b":1}'),  # two members are no tag
        ({"\ud800": 1}, '{"$hr:map":[[{"$hr:str":"eda080"},1]]}'),
        ((1, (2,)), "[1,[2]]"),
        (MappingProxyType({"a": True}), '{"a":true}'),
    ],
)
def test_each_rule_of_the_mapping(value: Any, text: str) -> None:
    assert canonical.dumps(value).decode() == text


def test_a_users_object_that_looks_like_a_tag_comes_back_as_it_was() -> None:
    hostile: Any = {"$hr:float": "NaN"}
    for _ in range(5):  # as deep as somebody quotes it
        assert canonical.loads(canonical.dumps(hostile)) == hostile
        hostile = json.loads(canonical.dumps(hostile))


class Colour(str, enum.Enum):  # noqa: UP042  # StrEnum's str() is the value; this one's is not
    RED = "red"


class Loud(str):
    __slots__ = ()

    def __str__(self) -> str:
        return self.upper()


class Level(enum.IntEnum):
    LOW = 1


def test_subclasses_are_written_by_value() -> None:
    assert canonical.dumps([Colour.RED, Loud("a"), Level.LOW]) == b'["red","a",1]'
    assert canonical.dumps({Colour.RED: 1, Loud("a"): 2}) == b'{"a":2,"red":1}'


def _nested(depth: int, innermost: Any = 0, key: Any = "k") -> Any:
    value = innermost
    for level in range(depth):
        value = [value] if level % 2 else {key: value}
    return value


@pytest.mark.parametrize("key", ["k", 1, "$hr:x"])
def test_nesting_is_taken_to_the_limit_and_refused_beyond(key: Any) -> None:
    deepest = _nested(canonical.MAX_DEPTH, 2**60, key)
    assert canonical.loads(canonical.dumps(deepest)) == deepest
    with pytest.raises(CanonicalizationError, match=r"^no canonical JSON: more than 100 levels$"):
        canonical.dumps([deepest])


def test_a_value_that_contains_itself_is_refused() -> None:
    bomb: list[Any] = []
    bomb.append(bomb)
    with pytest.raises(CanonicalizationError):
        canonical.dumps(bomb)


def test_a_stack_that_is_nearly_full_is_one_clear_error() -> None:
    value = _nested(canonical.MAX_DEPTH)

    def from_deep_down() -> None:
        try:
            from_deep_down()
        except RecursionError:
            canonical.dumps(value)

    with pytest.raises(CanonicalizationError, match="too deeply for the stack"):
        from_deep_down()


class FrozenMapping(Mapping[str, int]):
    """A mapping that can be a key: another language has nothing like it."""

    def __getitem__(self, key: str) -> int:
        return {"a": 1}[key]

    def __iter__(self) -> Any:
        return iter(["a"])

    def __len__(self) -> int:
        return 1

    def __hash__(self) -> int:
        return 1


@pytest.mark.parametrize(
    "value",
    [
        *(b"x", {1, 2}, object(), 1j, {b"k": 1}, {FrozenMapping(): 1}, {(1, FrozenMapping()): 1}),
        pytest.param(10**5000, id="5001 digits"),
    ],
)
def test_what_is_no_json_is_refused_in_one_line_without_its_content(value: Any) -> None:
    with pytest.raises(CanonicalizationError, match=r"^no canonical JSON: [^\n]*$"):
        canonical.dumps([value])


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "nul", "[1,]", '{"a":1}x', "NaN", "-Infinity", "1e999", "-1e999", "1" * 400, "1" * 5000),
        *('{"$hr:new":"x"}', '{"$hr:":1}', '{"$hr:int":5}', '{"$hr:int":"5"}', '{"$hr:int":" 9007199254740993"}'),
        *('{"$hr:int":"9_007_199_254_740_993"}', '{"$hr:float":"nan"}', '{"$hr:float":1}', '{"$hr:int":"x"}'),
        *('{"$hr:str":"zz"}', '{"$hr:str":"ED A0 80"}', '{"$hr:str":"ff"}', '{"$hr:str":""}'),
        *('{"$hr:map":{}}', '{"$hr:map":[1]}', '{"$hr:map":["ab"]}', '{"$hr:map":[[1]]}', '{"$hr:map":[[1,2,3]]}'),
        *('{"$hr:map":[[{"a":1},2]]}', '{"$hr:map":[[[{"a":1}],2]]}', "[" * 101 + "]" * 101, "[" * 10**5),
    ],
    ids=lambda text: text[:30],
)
def test_what_is_not_canonical_is_refused(text: str) -> None:
    with pytest.raises(CanonicalizationError, match=r"^not canonical JSON: \w+$"):
        canonical.loads(text)


@pytest.mark.parametrize("text", [b'"\xff"', b'"\xed\xa0\x80"', '"x"'.encode("utf-16")])
def test_bytes_that_are_not_utf8_are_refused(text: bytes) -> None:
    with pytest.raises(CanonicalizationError):
        canonical.loads(text)


@given(st.text(alphabet='{}[]":,$hrintmapfloas0159eE+-. \\u', max_size=40) | st.binary(max_size=40))
def test_reading_anything_gives_a_value_or_one_kind_of_error(text: str | bytes) -> None:
    try:
        value = canonical.loads(text)
    except CanonicalizationError:
        return
    canonical.dumps(value)
