"""Which calls are the same: fields, case, white space, off; and the policy's name in the record."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.config import load
from headrace.dedup import Policies
from headrace.errors import ConfigError


def policies(**signatures: Any) -> Policies:
    return Policies(load(None, {"dedup": {"signatures": signatures}}, {}).dedup)


INPUTS = {"question": "Why  NOT?\n", "hints": ["A ", {"Place": " B"}], "top": 3, "sure": None}


@pytest.mark.parametrize(
    ("policy", "name", "inputs"),
    [
        ({}, "all", INPUTS),
        ({"fields": ["top", "question", "top"]}, "fields:question,top", {"question": "Why  NOT?\n", "top": 3}),
        ({"fields": ["no such field"]}, "all", INPUTS),
        ({"ignore_case": True}, "all+case", {**INPUTS, "question": "why  not?\n", "hints": ["a ", {"Place": " b"}]}),
        ({"ignore_white_space": True}, "all+space", {**INPUTS, "question": "Why NOT?", "hints": ["A", {"Place": "B"}]}),
        (
            {"fields": ["question"], "ignore_case": True, "ignore_white_space": True},
            "fields:question+case+space",
            {"question": "why not?"},
        ),
        ({"enabled": False, "ignore_case": True}, "off", None),
    ],
)
def test_what_is_compared(policy: dict[str, Any], name: str, inputs: dict[str, Any] | None) -> None:
    counted = policies(Answer=policy).counted("Answer", INPUTS)
    assert (counted.policy, counted.inputs) == (name, inputs)


def test_a_signature_has_its_own_policy_or_that_of_all_others() -> None:
    both = policies(**{"*": {"ignore_case": True}, "my answer": {"fields": ["top"]}})
    assert both.counted("Rank", INPUTS).policy == "all+case"
    assert policies(Answer={"enabled": False}).counted("Rank", INPUTS).policy == "all"
    from headrace_schemas.names import to_valid_name

    assert both.counted(to_valid_name("my answer"), INPUTS).policy == "fields:top"


@given(st.text(), st.text(alphabet=" \t\n\u00a0\u2003", min_size=1))
def test_white_space_and_case_never_make_two_of_one(text: str, space: str) -> None:
    plain = policies(Answer={"ignore_case": True, "ignore_white_space": True})
    spaced = space + space.join(text.split()) + space
    first, second = (plain.counted("Answer", {"q": each}).inputs for each in (text, spaced.casefold()))
    assert first == second


@pytest.mark.parametrize("policy", [{"fields": []}, {"ignore_case": "yes"}, {"field": ["a"]}])
def test_a_policy_that_makes_no_sense_is_refused(policy: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"dedup\.signatures\.Answer"):
        policies(Answer=policy)
