"""The demo's traffic."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_consumers.demo.tickets import REPEAT_SHARE, SHARES, Mishap, tickets


@given(st.integers(1, 400), st.integers(0, 5))
def test_the_same_seed_gives_the_same_calls(count, seed):
    made = tickets(count, seed)
    assert made == tickets(count, seed)
    assert len(made) == count
    assert len({ticket.request_id for ticket in made}) == count


@pytest.mark.parametrize("seed", range(3))
def test_repeats_failures_and_slow_calls_have_their_shares(seed):
    made = tickets(6000, seed)
    repeats = len(made) - len({(ticket.customer, ticket.text) for ticket in made})
    assert abs(repeats / len(made) - REPEAT_SHARE) < 0.03
    mishaps = Counter(ticket.mishap for ticket in made)
    for mishap, share in SHARES.items():
        assert abs(mishaps[mishap] / len(made) - share) < 0.01
    assert 8 <= mishaps[Mishap.slow] <= 16


@pytest.mark.parametrize("count", [1, 2, 10, 100])
def test_even_a_short_run_has_a_slow_call(count):
    assert any(ticket.mishap is Mishap.slow for ticket in tickets(count))


def test_every_tenth_answer_is_rated_and_what_customers_write_is_personal():
    made = tickets(600)
    rated = {position: ticket.verdict for position, ticket in enumerate(made) if ticket.verdict is not None}
    assert list(rated) == list(range(0, 600, 10))
    assert {(said.score, said.label) for said in rated.values()} == {(1.0, "thumbs_up"), (0.0, "thumbs_down")}
    comments = [said.comment for said in rated.values() if said.comment is not None]
    assert comments
    assert all("@example.com" in comment for comment in comments)


def test_slow_calls_repeat_nothing():
    made = tickets(3000)
    first = {}
    for position, ticket in enumerate(made):
        first.setdefault(ticket.text, position)
    assert all(first[ticket.text] == at for at, ticket in enumerate(made) if ticket.mishap is Mishap.slow)


def test_personal_data_of_every_kind_is_in_them():
    text = "\n".join(ticket.text for ticket in tickets(500))
    for trace in ("@example.com", "+49 30 ", "4111 1111 1111 1111", "203.0.113.", "sk-"):
        assert trace in text
