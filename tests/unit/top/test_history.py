"""Counters to increases."""

from hypothesis import given
from hypothesis import strategies as st

from headrace_consumers.monitoring.catalogue import calls, consumers
from headrace_consumers.top.history import History, increases
from headrace_consumers.top.page import Reading

A, B = (calls.CALLS_TOTAL.name, ("a",)), (calls.CALLS_TOTAL.name, ("b",))
RECORDS = (consumers.RECORDS.name, ("topic",))


def reading(records, consumer="dataset", is_ready=True, **counters):
    named = {{"a": A, "b": B}[name]: value for name, value in counters.items()}
    return Reading(consumer, "0.1.0", {RECORDS: records, **named}, {(consumers.READY.name, (consumer,)): is_ready})


def test_a_counter_adds_what_it_grew_and_a_new_one_all_of_it():
    assert increases(reading(5, a=3), reading(5, a=7, b=2)) == {A: 4, B: 2}


def test_a_process_that_began_again_has_added_all_that_it_says():
    assert increases(reading(100, a=3), reading(4, a=7)) == {A: 7, RECORDS: 4}


def test_a_counter_that_falls_by_itself_adds_nothing():
    assert increases(reading(100, a=30), reading(100, a=29)) == {}


def test_another_consumer_at_the_same_address_is_another_process():
    assert increases(reading(5, a=3), reading(9, "metrics", a=4)) == {A: 4, RECORDS: 9}


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(1, 9), st.dictionaries(st.sampled_from("ab"), st.integers(0, 50))),
        max_size=8,
    )
)
def test_increases_add_up_to_what_happened_whenever_the_process_begins_again(steps):
    """A restart shows where the new process has dealt with fewer records than the former one had."""
    history, happened = History(over_s=1e6), {"a": 0, "b": 0}
    records, state = 1_000, {"a": 0, "b": 0}
    history.add(reading(records, **state), 0.0)
    for number, (restarts, read, more) in enumerate(steps, 1):
        if restarts and records > read:
            records, state = 0, {"a": 0, "b": 0}
        records += read
        for name, count in more.items():
            state[name] += count
            happened[name] += count
        history.add(reading(records, **state), float(number))
    grown = history.window().grown
    assert {"a": grown.get(A, 0), "b": grown.get(B, 0)} == happened
    assert history.window().lasted_s == len(steps)


@given(st.lists(st.integers(0, 100), min_size=2, max_size=30))
def test_no_increase_is_below_zero_and_the_window_holds_no_more_than_it_should(values):
    history = History(over_s=5.0)
    for number, value in enumerate(values):
        history.add(reading(value, a=value), float(number))
        window = history.window()
        assert window.lasted_s == min(number, 5)
        assert min(window.grown.values(), default=1) > 0


def test_one_reading_tells_no_rate():
    history = History(over_s=5.0)
    assert (history.reading, history.window().lasted_s) == (None, 0.0)
    history.add(reading(1, a=1), 100.0)
    assert (history.window().lasted_s, history.window().grown) == (0.0, {})


def test_what_a_metrics_consumer_counts_as_it_catches_up_is_no_rate():
    history = History(over_s=60.0)
    grown = []
    for now, (records, is_ready, calls_) in enumerate(
        [
            (100, True, 100),
            (101, True, 110),
            (40, True, 9_000),
            (50, False, 9_500),
            (60, True, 9_900),
            (61, True, 9_910),
        ]
    ):
        history.add(reading(records, "metrics", is_ready=is_ready, a=calls_), float(now))
        grown.append(history.window().grown.get(A))
    assert grown == [None, 10, None, None, None, 10]


def test_of_less_time_than_producers_take_to_tell_nothing_is_said():
    history = History(over_s=60.0, least_s=10.0)
    for now in (0.0, 9.0, 10.0):
        assert history.window().lasted_s == 0
        history.add(reading(now, a=now), now)
    assert (history.window().lasted_s, history.window().grown[A]) == (10, 10)


def test_a_rate_does_not_depend_on_when_the_producer_tells():
    """It makes a call a second, and tells of them each 10 s."""
    for phase in range(10):
        history = History(over_s=60.0, least_s=10.0)
        for now in range(0, 100, 2):
            told = (now + phase) // 10 * 10
            history.add(reading(told, a=told), float(now))
            window = history.window()
            assert window.lasted_s == min(now // 10 * 10, 60)
            assert window.grown.get(A, 0) == window.lasted_s


def test_after_a_long_gap_rates_begin_anew():
    history = History(over_s=5.0)
    history.add(reading(1, a=1), 0.0)
    history.add(reading(2, a=2), 1.0)
    history.add(reading(9, a=900), 22.0)
    assert (history.window().lasted_s, history.window().grown) == (0.0, {})
    history.add(reading(10, a=901), 23.0)
    assert history.window().grown == {A: 1, RECORDS: 1}
