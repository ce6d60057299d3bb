"""The redactor: JSON values, kinds, counts; idempotent on any text, linear on hostile text."""

import json
import time
from collections import Counter
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headrace.redaction import MARKERS, Redactor, redactor
from headrace.redaction.rule import Rule, traits_of
from headrace_schemas import canonical
from tests.support.redaction_corpus import cases

REDACTOR = Redactor()

WIDE = "".join(chr(ord(digit) + 0xFEE0) for digit in "4111")
FRAGMENTS = st.sampled_from(
    [
        "a@b.co", "jane.doe@example.com", "@", "%40", "+1 415 555 2671", "415-555-2671", "020 7946 0958", "00", "+",
        "4111 1111 1111 1111", "4111111111111111", "123 ", "1.2.3.4", "::1", "fe80::", ":", ".", "-", " ", "/", "(",
        "sk-abcdefghijklmnop1234", "Bearer ", "abc123def", "password=", "api_key: ", '"', "'", "\\", "://", "u:p@",
        "-----BEGIN PRIVATE KEY-----", "MIIE", "-----END PRIVATE KEY-----", "eyJabcde.", "token=", "version ", "v",
        "phone ", "\n", "[EMAIL]", "DE89 3704 0044 0532 0130 00", "DE89", "cookie: a=", "my password is ", "<password>",
        " -u a:", "Private-Lines: 1\n", "b3BlbnNzaC1rZXktdjE", "ip-10-0-0-1", "(at)", "my number is ", " x12", "ext. ",
        "[SECRET]", "[CARD]", "[IP]", "[PHONE]", "0171", "#2", " dot ", " at ", "com", "o'brien", "b'", "\u2019",
        "mysql -u a -p",
        "the key is ", "Ab1", "my otp is ", WIDE, "card 4111", "eth key 0x", "0a" * 32, "[at]", "(dot)", "call ", "é",
        "\ud800",
    ]
)  # fmt: skip
TEXTS = st.one_of(st.text(), st.lists(FRAGMENTS, max_size=12).map("".join))
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), TEXTS)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(TEXTS, st.integers(), st.sampled_from(["password", "apiKey"])), inner, max_size=4),
    ),
    max_leaves=12,
)


def redact(value: Any) -> tuple[Any, Counter[str]]:
    counts: Counter[str] = Counter()
    return REDACTOR.value(value, counts), counts


@given(TEXTS)
@example("password=[SECRET]x")
@example("://:[SECRET]@@")
@example('PASSWORT IS 0000"0')
def test_redacting_a_text_twice_changes_nothing_more(text: str) -> None:
    once = REDACTOR.text(text)
    counts: Counter[str] = Counter()
    assert REDACTOR.text(once, counts) == once
    assert not counts


@given(TEXTS)
def test_no_rule_is_skipped_that_would_match(text: str) -> None:
    for rule in redactor._RULES:
        if not may_match(rule, text):
            assert rule.apply(text, blot) == text


def may_match(rule: Rule, text: str) -> bool:
    return not rule.needs & ~traits_of(text) and rule.may_match(text, text.lower())


def blot(found: str) -> str:
    return "#" * len(found)


@pytest.mark.parametrize("text", [case.text for case in cases()], ids=lambda text: text[:40])
def test_no_rule_is_skipped_that_would_match_a_known_case(text: str) -> None:
    for rule in redactor._RULES:
        if rule.apply(text, blot) != text:
            assert may_match(rule, text)


@given(VALUES)
def test_redacting_a_value_twice_changes_nothing_more(value: Any) -> None:
    once, _ = redact(value)
    again, counts = redact(once)
    assert again == once
    assert not counts


@given(VALUES)
def test_a_redacted_value_is_still_json_of_the_same_shape(value: Any) -> None:
    redacted, _ = redact(value)
    canonical.dumps(redacted)
    if isinstance(value, dict | list):
        assert len(redacted) == len(value)


def test_strings_keys_and_nested_values_are_redacted_and_counted_by_kind() -> None:
    redacted, counts = redact({"to": ["a@b.co", {"jane@example.com": "from 10.0.0.1"}], "n": 3})
    assert redacted == {"to": ["[EMAIL]", {"[EMAIL]": "from [IP]"}], "n": 3}
    assert counts == {"email": 2, "ip": 1}


def test_keys_that_become_equal_are_told_apart_whatever_their_order() -> None:
    redacted, _ = redact({"b@x.com": 2, "a@x.com": 1, "[EMAIL]": 0})
    assert redacted == {"[EMAIL]": 0, "[EMAIL]#2": 1, "[EMAIL]#3": 2}
    assert redact({"a@x.com": 1, "[EMAIL]": 0, "b@x.com": 2})[0] == redacted


@pytest.mark.parametrize("number", [4111111111111111, 4111111111111111.0])
def test_a_number_that_is_a_card_is_replaced(number: float) -> None:
    assert redact([number, number + 1, -number, True, 1.5, float("inf")]) == (
        ["[CARD]", number + 1, -number, True, 1.5, float("inf")],
        {"card": 1},
    )


def test_a_secrets_name_hides_its_value_whatever_it_looks_like() -> None:
    value = {
        "password": "tulip",
        "DB_PASSWORD": 1234,
        "apiKey": ["one", None, ""],
        "client-secret": {"x": "y"},
        "forgot_password": True,
        "max_tokens": 10,
        "token": "the",
    }
    redacted, counts = redact(value)
    assert redacted == {
        "password": "[SECRET]",
        "DB_PASSWORD": "[SECRET]",
        "apiKey": ["[SECRET]", None, ""],
        "client-secret": {"x": "[SECRET]"},
        "forgot_password": True,
        "max_tokens": 10,
        "token": "the",
    }
    assert counts == {"secret": 4}


D = "-kUu9bVt_0kZ2mQxY7wQnL3hR5sT8vX1aB4cD6eF9gH"  # 43 characters, as of a curve of 256 bits
SHORT = "AyM1SysPpbyDfgZld3umjA"  # 22, a symmetric key of 128 bits


def test_the_private_part_of_a_json_web_key_is_hidden_and_the_public_part_kept() -> None:
    pair = {"kty": "EC", "crv": "P-256", "x": D[::-1], "d": D, "kid": "2026-11"}
    rsa = {"kty": "RSA", "n": "x" * 300, "e": "AQAB", "d": "y", "p": "z", "oth": [{"r": "1", "d": "2", "t": "3"}]}
    jwks = {"keys": [pair, rsa, {"kty": "oct", "k": SHORT}, {"kty": "AKP", "priv": SHORT, "pub": SHORT}]}
    redacted, counts = redact(jwks)
    hidden = "[PRIVATE_KEY]"
    assert redacted["keys"] == [
        {**pair, "d": hidden},
        {**rsa, "d": hidden, "p": hidden, "oth": [{"r": hidden, "d": hidden, "t": hidden}]},
        {"kty": "oct", "k": hidden},
        {"kty": "AKP", "priv": hidden, "pub": SHORT},
    ]
    assert counts == {"private_key": 8}


@pytest.mark.parametrize(
    "write", [json.dumps, repr, lambda key: json.dumps(json.dumps(key)), lambda key: json.dumps(key, indent=2)]
)
@pytest.mark.parametrize(
    "key",
    [
        {"kty": "oct", "k": SHORT},
        {"k": SHORT, "alg": "A128KW", "kty": "oct"},
        {"kty": "RSA", "n": SHORT * 8, "e": "AQAB", "d": SHORT * 8, "p": SHORT, "q": SHORT, "qi": SHORT},
        {"kty": "RSA", "oth": [{"r": SHORT, "d": SHORT, "t": SHORT}]},
        {"d": D},
    ],
)
def test_so_it_is_in_a_text(key: dict[str, Any], write: Any) -> None:
    public = {"kty", "alg", "n", "e", "oth"}
    expected = {name: value if name in public else "[PRIVATE_KEY]" for name, value in key.items()}
    if "oth" in key:
        expected["oth"] = [dict.fromkeys("rdt", "[PRIVATE_KEY]")]
    assert REDACTOR.text(f"use {write(key)} now") == f"use {write(expected)} now"


def test_members_of_other_objects_that_have_the_names_of_a_key_s_are_kept() -> None:
    value = {"p": SHORT, "k": 5, "d": "x", "text": json.dumps({"p": SHORT, "k": SHORT}), "kty": None}
    assert redact(value) == (value, {})
    assert Redactor(["email"]).value({"kty": "oct", "k": SHORT}, Counter()) == {"kty": "oct", "k": SHORT}


def test_only_the_configured_kinds_are_looked_for() -> None:
    text = "a@b.co 10.0.0.1 password=x"
    assert Redactor(["email"]).text(text) == "[EMAIL] 10.0.0.1 password=x"
    assert Redactor([]).text(text) == text
    assert Redactor(["email"]).value({"password": 4111111111111111}, Counter()) == {"password": 4111111111111111}


def test_the_version_names_the_active_rules() -> None:
    assert Redactor(["email", "ip"]).version == Redactor(["ip", "email"]).version
    assert len({Redactor(kinds).version for kinds in ([], ["email"], ["email", "ip"], MARKERS)}) == 4


@pytest.mark.parametrize(
    "unit",
    [
        "a", "a@", "a@a.", "@", "1", "1 ", "4 ", "4111 ", "411 ", "1-", "+1", "0171 ", "1.", "1.1.1.1", ":", "a:",
        "-----BEGIN ", "-----BEGIN PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----\nA", "A: ", "eyJ", "eyJaaaaa.",
        "::1 ", "sk-", "sk-a", "bearer ", "password", "password=", "password='", 'password="\\', "api_key:", "://", "://:",
        "://a:b", "://a:@", "token=", "key=a", "phone ", "phone is ", "(415) ", "415-", "%40", "a%40", "\\", "\n", "é",
        "[EMAIL]", "12345678-", "DE89", "DE89 ", "DE89-", "DE", "b3BlbnNzaC1rZXktdjE", "AGE-", "Private-Lines: 1\n",
        "cookie:", "cookie: a=", "<password>", "password is ", "-u a:", " -u ", "(at)", "a(at)", "number ", "call me ",
        " dot a", "a at b dot ", "mysql ", "mysql -p", "key is ", "key is A1", "otp ", "otp 123", "card 1", "\uff10",
        "o'", "'a", "a'a@",
        "ip-", "1-1", "x1", "'d':'", "=a", '\\"', "0-", "(", "+1(", "version ", "AKIA", "xn--", "a@xn--",
    ],
)  # fmt: skip
def test_hostile_text_takes_linear_time(unit: str) -> None:
    def seconds(characters: int) -> float:
        text = unit * (characters // len(unit))
        started = time.process_time()
        REDACTOR.text(text)
        return time.process_time() - started

    # Eight times the text: quadratic work would take 64 times as long. The floor allows for a loaded machine.
    assert seconds(256_000) < 30 * max(seconds(32_000), 0.02)


@pytest.mark.parametrize("unit", ["a@", "1 ", "-----BEGIN "])
def test_a_megabyte_of_hostile_text_is_done_in_seconds(unit: str) -> None:
    started = time.process_time()
    REDACTOR.text(unit * (1_000_000 // len(unit)))
    assert time.process_time() - started < 10


class Chameleon(str):
    """A text that passes for another one."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return hash("user")


def test_a_short_text_without_a_find_is_remembered_and_nothing_else() -> None:
    ours = Redactor(["email"])
    assert [ours.text(text) for text in ("user", "a@b.co", "user", "a@b.co")] == ["user", "[EMAIL]", "user", "[EMAIL]"]
    assert ours._clean == {"user"}
    assert ours.text(Chameleon("a@b.co")) == "[EMAIL]"
    for number in range(10_000):
        ours.text(f"id {number}")
    assert len(ours._clean) <= redactor._REMEMBERED
