"""The sample program on its offline model: each mishap shows as it would in a service."""

import dspy
import pytest

from headrace_consumers.demo.program import SLOW_ANSWER_S, OfflineLM, SupportDesk, happening
from headrace_consumers.demo.tickets import Mishap

# The interface of custom models that works in all DSPy versions supported here is deprecated in the newest.
pytestmark = pytest.mark.filterwarnings("ignore:Implementing custom LMs:DeprecationWarning")

TICKET = "My order A-123456 was charged twice for one kettle. This is urgent!"


@pytest.fixture
def slept():
    return []


@pytest.fixture
def ask(slept):
    def ask(mishap=Mishap.none, ticket=TICKET, customer="customer-3"):
        lm = OfflineLM(sleep=slept.append)
        with dspy.context(lm=lm), happening(mishap):
            return SupportDesk()(ticket=ticket, customer=customer), lm.history

    return ask


def test_a_ticket_is_triaged_and_answered(ask):
    answer, history = ask()
    assert (answer.team, answer.urgency) == ("billing", "high")
    assert "A-123456" in answer.reply
    assert len(history) == 2
    assert all(entry["cost"] > 0 and entry["usage"]["total_tokens"] > 0 for entry in history)


def test_the_instructions_do_not_decide_the_team(ask):
    answer, _ = ask(ticket="My order A-000001 came with the wrong size of backpack. Thanks in advance.")
    assert (answer.team, answer.urgency) == ("delivery", "normal")


@pytest.mark.parametrize(
    ("mishap", "error"),
    [
        (Mishap.unknown_customer, LookupError),
        (Mishap.outage, ConnectionError),
        (Mishap.garbled, dspy.utils.exceptions.AdapterParseError),
    ],
)
def test_mishaps_that_fail_a_call(ask, mishap, error):
    with pytest.raises(error):
        ask(mishap)


def test_an_empty_reply_is_no_error(ask):
    answer, _ = ask(Mishap.empty_reply)
    assert answer.reply == ""


def test_a_costly_call_exceeds_the_filters_default(ask):
    _, history = ask(Mishap.costly)
    assert max(entry["cost"] for entry in history) > 0.10


def test_a_slow_call_exceeds_the_filters_default(ask, slept):
    ask(Mishap.slow)
    assert slept == [SLOW_ANSWER_S]
    assert SLOW_ANSWER_S * 1000 > 5000


def test_a_mishap_ends_with_its_block(ask):
    with pytest.raises(LookupError):
        ask(Mishap.unknown_customer)
    answer, _ = ask()
    assert answer.team == "billing"
