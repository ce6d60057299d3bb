"""What a producer last told, and how much of a topic is looked at."""

from hypothesis import given
from hypothesis import strategies as st

from headrace_consumers.ui.reading.producers import ledger_of, newest_of, silent_s
from tests.support.statistics import NOW_MS, call_statistics, record


def test_a_ledger_adds_up_or_says_by_how_much_it_does_not():
    told = record(
        [call_statistics([0.1, 0.2]), call_statistics([0.3], module_name="other")],
        sampled=10,
        adopted=2,
        delivered=6,
        spooled=3,
        in_flight=1,
        dropped=[{"name": "queue_full", "count": 2}, {"name": "nothing", "count": 0}],
    )
    ledger = ledger_of(told)
    assert (ledger.imbalance, ledger.calls, ledger.dropped) == (0, 3, {"queue_full": 2})
    assert ledger.terms["dropped"] == 2
    assert ledger_of(record(sampled=3, delivered=5)).imbalance == -2
    assert silent_s(ledger, NOW_MS / 1000 + 7) == 7


BOUNDS = st.dictionaries(
    st.integers(0, 20),
    st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)).map(lambda two: (two[0], sum(two))),
    max_size=12,
)


@given(BOUNDS, st.integers(1, 10**5))
def test_no_more_is_read_than_asked_for_and_nothing_that_is_gone(bounds, most):
    starts, is_all = newest_of(bounds, most)
    assert all(low <= starts[p] <= high for p, (low, high) in bounds.items())
    assert sum(high - starts[p] for p, (_, high) in bounds.items()) <= most + len(bounds)
    assert is_all == all(starts[p] == low for p, (low, _) in bounds.items())
