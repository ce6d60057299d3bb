"""What LMs cost, and the budget that is never passed."""

import threading
from asyncio import CancelledError
from contextvars import Context

import pytest

from headrace_consumers.cycle.ending import Ending
from headrace_consumers.cycle.spending import Budget, Spending, Taken, note_hit

PAID = {"usage": {"total_tokens": 9}, "cost": 0.25}
CACHED = {"usage": {}, "cost": 0.25, "response": {"usage": {"total_tokens": 9}}}
UNPRICED = {"usage": {"total_tokens": 9}, "cost": None, "model": "openai/mine"}


class EndedError(Exception):
    """A thread would not return here."""


def _raise():
    raise EndedError


@pytest.fixture
def ending():
    return Ending(_raise)


def one_call(spending, entry=PAID):
    spending.begin()
    spending.pay(entry)
    spending.end(None)


def test_paid_calls_are_counted_over_processes_and_cached_ones_are_not(tmp_path, ending):
    spending = Spending(tmp_path / "spent.jsonl", Budget(), ending)
    one_call(spending)
    one_call(spending, CACHED)
    one_call(spending, UNPRICED)
    again = Spending(tmp_path / "spent.jsonl", Budget(), ending)
    assert again.taken == spending.taken == Taken(0, 2, 0.25, 1)
    assert (tmp_path / "spent.jsonl").stat().st_mode & 0o777 == 0o600


def test_a_line_that_a_crash_tore_is_no_call(tmp_path, ending):
    (tmp_path / "spent.jsonl").write_bytes(b'{"cost_usd": 0.5}\n{"cost_u')
    assert Spending(tmp_path / "spent.jsonl", Budget(), ending).taken.calls == 1


def test_the_budget_of_calls_ends_the_work_before_the_first_call_too_many(tmp_path, ending):
    spending = Spending(tmp_path / "spent.jsonl", Budget(calls=3), ending)
    for _ in range(3):
        one_call(spending)
    with pytest.raises(EndedError):
        spending.begin()
    assert ending.wait().stopped == "lm_calls"
    assert spending.taken.calls == 3


def test_the_budget_of_cost_ends_the_work(tmp_path, ending):
    spending = Spending(tmp_path / "spent.jsonl", Budget(cost_usd=0.5), ending)
    one_call(spending)
    one_call(spending)
    with pytest.raises(EndedError):
        spending.begin()
    assert ending.wait().stopped == "cost"


def test_what_is_set_aside_is_not_spent_and_never_less_than_before(tmp_path, ending):
    spending = Spending(tmp_path / "spent.jsonl", Budget(calls=5), ending)
    spending.reserve(3, 0.0)
    spending.reserve(1, 0.0)
    one_call(spending)
    one_call(spending)
    with pytest.raises(EndedError):
        spending.begin()
    costly = Spending(tmp_path / "costly.jsonl", Budget(cost_usd=1.0), ending)
    costly.reserve(0, 0.75)
    one_call(costly)
    with pytest.raises(EndedError):
        costly.begin()


def test_what_a_task_has_taken_is_told_over_processes(tmp_path, ending):
    path = tmp_path / "spent.jsonl"
    path.write_bytes(b'{"cost_usd": 0.5}\n')  # of a release that did not note the task
    one_call(Spending(path, Budget(), ending, "collect"))
    one_call(Spending(path, Budget(), ending, "baseline"))
    spending = Spending(path, Budget(), ending, "baseline")
    before = spending.of_task
    one_call(spending)
    one_call(spending, CACHED)
    assert (spending.taken.calls, spending.of_task) == (4, Taken(2, 2, 0.5))
    assert spending.of_task.since(before) == Taken(2, 1, 0.25)


def test_what_was_spent_before_counts(tmp_path, ending):
    one_call(Spending(tmp_path / "spent.jsonl", Budget(), ending))
    with pytest.raises(EndedError):
        Spending(tmp_path / "spent.jsonl", Budget(calls=1), ending).begin()


def test_many_threads_do_not_pass_the_budget_and_cached_calls_make_room(tmp_path, ending):
    spending = Spending(tmp_path / "spent.jsonl", Budget(calls=20), ending)
    made = []

    def work(number):
        try:
            for turn in range(30):
                spending.begin()
                made.append(number)
                spending.pay(CACHED if (number + turn) % 2 else PAID)
                spending.end(None)
        except EndedError:
            return

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert spending.taken.calls == 20
    assert len(made) > 20
    assert ending.wait().stopped == "lm_calls"


def test_a_call_without_a_price_ends_work_whose_cost_is_bounded_and_only_that(tmp_path, ending):
    one_call(Spending(tmp_path / "spent.jsonl", Budget(calls=9), ending), UNPRICED)
    spending = Spending(tmp_path / "spent.jsonl", Budget(cost_usd=0.5), ending)
    one_call(spending)
    one_call(spending, {**UNPRICED, "cost": 0.0})  # it costs nothing
    spending.begin()
    with pytest.raises(EndedError):
        spending.pay(UNPRICED)
    assert ending.wait().failure == (
        "optimization.max_cost_usd is $0.5, but DSPy knows no price of openai/mine, so that what it costs cannot be "
        "bounded; take an LM with a price, or leave max_cost_usd out and bound the calls with optimization.max_lm_calls"
    )
    assert spending.taken == Taken(0, 4, 0.25, 2)


def test_a_call_that_dspy_does_not_tell_of_is_paid_for_unless_the_cache_had_it(tmp_path, ending):
    spending = Spending(tmp_path / "spent.jsonl", Budget(), ending)
    spending.begin()
    spending.end(None)
    spending.begin()
    note_hit()
    spending.end(None)
    spending.begin()
    note_hit()
    spending.pay({"usage": {}, "cost": None, "response": {}})
    spending.end(None)
    assert (spending.taken, spending.of_task) == (Taken(0, 1, 0.0, 1), Taken(3, 1, 0.0, 1))


def test_a_cancelled_call_counts_once_and_is_no_lm_without_a_price(tmp_path, ending):
    spending = Spending(tmp_path / "spent.jsonl", Budget(calls=3, cost_usd=2.0), ending)
    for error in (None, CancelledError()):
        spending.begin()
        spending.end(error, is_cancelled=True)
    assert spending.taken == Taken(0, 2, 0.0, 2)
    spending.begin()
    note_hit()
    spending.end(None, is_cancelled=True)
    spending.begin()
    spending.begin()
    for _ in range(2):  # the inner one, and the one that asks it
        spending.end(None, is_cancelled=True)
    assert spending.taken == Taken(0, 3, 0.0, 3)
    with pytest.raises(EndedError):
        spending.begin()
    assert ending.wait().stopped == "lm_calls"


def test_an_lm_that_asks_another_one_in_place_of_one_that_it_cancelled_counts_both(tmp_path, ending):
    spending = Spending(tmp_path / "spent.jsonl", Budget(), ending)
    spending.begin()
    spending.begin()
    spending.end(None, is_cancelled=True)
    one_call(spending)
    spending.end(None)
    assert spending.taken == Taken(0, 2, 0.25, 1)


def test_an_lm_that_asks_another_one_counts_once_and_waits_for_nobody(tmp_path, ending):
    spending = Spending(tmp_path / "spent.jsonl", Budget(calls=3), ending)

    def wrapped():
        spending.begin()
        one_call(spending)
        spending.pay(PAID)  # some hand on what the inner one has used
        spending.end(None)

    for _ in range(3):
        wrapped()
    assert (spending.taken, spending.of_task) == (Taken(0, 3, 0.75), Taken(3, 3, 0.75))
    with pytest.raises(EndedError):
        wrapped()
    assert ending.wait().stopped == "lm_calls"


def test_an_lm_that_answers_itself_once_the_one_that_it_asks_has_failed_counts(tmp_path, ending):
    class LMError(Exception):
        pass

    spending = Spending(tmp_path / "spent.jsonl", Budget(calls=1), ending)
    spending.begin()
    spending.begin()
    spending.end(LMError("no key"))
    refused = []

    def another():
        try:
            spending.begin()
        except EndedError:
            refused.append(None)

    others = threading.Thread(target=another)
    others.start()
    spending.pay(PAID)
    spending.end(None)
    others.join(60)
    assert refused == [None]
    assert (spending.taken.calls, spending.of_task) == (1, Taken(2, 1, 0.25))


def test_a_loop_waits_for_no_call_of_its_own_but_for_those_of_others(tmp_path, ending):
    loop, other = object(), object()
    spending = Spending(tmp_path / "spent.jsonl", Budget(calls=1), ending)
    spending.begin(loop)
    with pytest.raises(EndedError):
        Context().run(spending.begin, loop)
    waiting = threading.Thread(target=spending.begin, args=(other,))
    waiting.start()
    spending.pay(CACHED)
    spending.end(None)
    waiting.join(60)
    assert not waiting.is_alive()
    assert ending.wait().stopped == "lm_calls"


def test_calls_that_do_not_end_count_as_spent_in_the_end(tmp_path, ending):
    spending = Spending(tmp_path / "spent.jsonl", Budget(calls=1), ending, patience_s=0)
    others = threading.Thread(target=spending.begin)
    others.start()
    others.join()
    with pytest.raises(EndedError):
        spending.begin()
    assert ending.wait().stopped == "lm_calls"


def test_an_lm_that_refuses_ends_the_work_and_a_prompt_that_is_refused_does_not(tmp_path, ending):
    class LMError(Exception):
        pass

    class BadRequestError(LMError):
        pass

    spending = Spending(tmp_path / "spent.jsonl", Budget(), ending)
    for _ in range(9):
        spending.begin()
        spending.end(BadRequestError("too long"))
    for _ in range(4):
        spending.begin()
        spending.end(LMError("no key"))
    one_call(spending)
    for _ in range(4):
        spending.begin()
        spending.end(LMError("no key"))
    spending.begin()
    with pytest.raises(EndedError):
        spending.end(LMError("no key"))
    assert ending.wait().failure.startswith("the LM does not answer, 5 times in a row: no key; start the run again")
