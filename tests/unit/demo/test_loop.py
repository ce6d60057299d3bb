"""The program of `headrace demo --loop`: weak until demos tell it; and the service around it."""

import os
import threading

import dspy
import pytest

from headrace.config.environment import check_names
from headrace.errors import UsageError
from headrace_consumers.demo.endpoint import model_at
from headrace_consumers.demo.loop_program import LM_VARIABLE, RouteTicket, ShowMeLM, program, right_desk, ticket_text
from headrace_consumers.demo.loop_service import Tally, serve
from tests.support.openai_server import MODEL, Reply, serving

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def lm():
    return ShowMeLM(answer_s=0)


def share_right(sorter, lm, numbers=range(300, 330)):
    with dspy.context(lm=lm):
        return sum(sorter(ticket=ticket_text(n)).desk == right_desk(ticket_text(n)) for n in numbers) / len(numbers)


def demo(number, desk=None):
    ticket = ticket_text(number)
    return dspy.Example(ticket=ticket, desk=desk or right_desk(ticket)).with_inputs("ticket")


def test_nobody_has_told_the_program_which_desk_answers_what(lm):
    assert share_right(dspy.Predict(RouteTicket), lm) == pytest.approx(1 / 3)


def test_words_do_not_help_it_and_demos_do(lm):
    program = dspy.Predict(RouteTicket.with_instructions("Take great care."))
    assert share_right(program, lm) == pytest.approx(1 / 3)
    program.demos = [demo(0), demo(1)]
    assert share_right(program, lm) == pytest.approx(2 / 3)
    program.demos = [demo(0), demo(1), demo(2)]
    assert share_right(program, lm) == 1


def test_it_does_as_it_was_shown_also_where_that_is_wrong(lm):
    program = dspy.Predict(RouteTicket)
    program.demos = [demo(0, "bravo")]
    with dspy.context(lm=lm):
        assert program(ticket=ticket_text(3)).desk == "bravo"


def test_each_ticket_has_its_own_text():
    assert len({ticket_text(number) for number in range(1000)}) == 1000


def test_a_call_that_fails_is_counted_and_the_next_one_is_made(capsys):
    answers = iter([dspy.Prediction(desk="charlie"), ValueError(), dspy.Prediction(desk="charlie")])

    def route(**_):
        found = next(answers)
        if isinstance(found, Exception):
            raise found
        return found

    tally, paused = Tally(), threading.Event()
    serve(route, range(3), tally, paused.set)
    assert (tally.calls, tally.right, tally.failed) == (3, 1, 1)
    assert paused.is_set()
    assert "a call failed (ValueError)" in capsys.readouterr().err


def test_an_endpoint_takes_the_place_of_the_offline_model(monkeypatch):
    offline = ShowMeLM(answer_s=0)

    def answer(body):
        return Reply(offline.forward(messages=body["messages"]).choices[0].message.content)

    before = dspy.settings.lm
    with serving(answer) as server:
        monkeypatch.setenv(LM_VARIABLE, f"openai/{model_at(server.url)} {server.url}")
        check_names(os.environ, {})  # each process of the demo reads its configuration
        try:
            found = program()
            model, lm = dspy.settings.lm.model, dspy.settings.lm
            lm.cache = False  # or DSPy's, on disk, answers what another run has asked
        finally:
            dspy.configure(lm=before)
        assert model == MODEL
        assert share_right(found, lm) == pytest.approx(1 / 3)
        found.demos = [demo(0), demo(1), demo(2)]
        assert share_right(found, lm) == 1
        assert len(server.requests) == 60


@pytest.mark.parametrize("url", ["localhost:8000", "http://127.0.0.1:9/v1"])
def test_an_endpoint_that_serves_no_model_is_one_line(url):
    with pytest.raises(UsageError, match=r"^--lm "):
        model_at(url)
