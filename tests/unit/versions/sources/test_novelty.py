"""What is new differs in more than blanks, case and a few letters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_consumers.versions.sources.novelty import Novelty, resemblance

THERE = {"ticket": "The invoice for March shows the wrong total, please correct it", "tags": ["billing", 3]}
JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))  # fmt: skip # noqa: E501


@pytest.mark.parametrize(
    ("ticket", "is_new"),
    [
        ("The invoice for March shows the wrong total, please correct it", False),
        ("  the invoice FOR march shows the wrong\ntotal, please correct it", False),
        ("The invoice for May shows the wrong total, please correct it", False),
        ("My parcel never arrived and nobody answers the phone", True),
        ("", True),
    ],
)
def test_inputs_that_resemble_what_is_there_are_not_new(ticket, is_new):
    assert Novelty([THERE], 0.7).is_new({**THERE, "ticket": ticket}) is is_new


def test_with_nothing_there_all_is_new():
    assert Novelty([], 0.7).is_new(THERE)


def test_what_was_added_is_known():
    novelty = Novelty([], 0.7)
    novelty.add(THERE)
    assert not novelty.is_new(THERE)


@given(st.lists(st.dictionaries(st.text(max_size=3), JSON, max_size=3), max_size=6), st.dictionaries(st.text(max_size=3), JSON, max_size=3), st.floats(0, 0.99))  # fmt: skip # noqa: E501
def test_the_index_says_what_comparing_with_each_would(there, asked, most_alike):
    expected = all(resemblance(each, asked) <= most_alike for each in there)
    assert Novelty(there, most_alike).is_new(asked) is expected
