import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_schemas import names

_VALID = st.from_regex(r"[A-Za-z0-9_.-]{1,128}", fullmatch=True).filter(lambda name: name not in {".", ".."})
_ANY = st.text(st.characters(), max_size=140) | st.from_regex(r"[a-z./ ]{0,140}", fullmatch=True)


@given(_VALID)
def test_a_valid_name_stays_as_it_is(name: str) -> None:
    assert names.is_valid_name(name)
    assert names.to_valid_name(name) == name


@given(_ANY)
def test_every_name_becomes_a_valid_one(name: str) -> None:
    valid = names.to_valid_name(name)
    assert names.is_valid_name(valid)
    assert names.to_valid_name(valid) == valid


@given(_ANY, _ANY)
def test_two_names_do_not_become_one(one: str, other: str) -> None:
    assert (names.to_valid_name(one) == names.to_valid_name(other)) == (one == other)


@pytest.mark.parametrize("name", ["", ".", "..", "a b", "a/b", "a\n", "größe", "\u0661", "x" * 129, "a\x00"])
def test_names_that_are_no_path_label_or_key_are_invalid(name: str) -> None:
    assert not names.is_valid_name(name)


def test_names_that_differ_in_what_is_replaced_stay_apart() -> None:
    assert len({names.to_valid_name(name) for name in ("a b", "a/b", "a_b", "a:b", "a\ud800b")}) == 5
