"""The intervals hold what they promise, and the estimates are those of textbooks."""

import numpy as np
import pytest

from headrace_consumers.metrics.estimates import MIN_REQUESTS, Estimate, mean_of, share_of

_ROUNDS = 1_000


def _coverage(population, rate, estimate, seed, fewest=1):
    """Return the share of intervals that hold the truth, of samples of whole requests.

    Args:
        population: of each call its request and its value.
        rate: at which requests are sampled; or of each.
        estimate: what gives the interval.
        seed: of the samples.
        fewest: requests of a sample that is estimated from.
    """
    requests, values = population
    truth = values.mean()
    draw = np.random.default_rng(seed)
    names = np.array([f"r{number}" for number in range(requests.max() + 1)])
    rates = np.broadcast_to(rate, len(names))
    held = []
    while len(held) < _ROUNDS:
        is_drawn = draw.random(len(names)) < rates
        if is_drawn.sum() < fewest:
            continue
        is_in = is_drawn[requests]
        found = estimate(names[requests[is_in]], 1 / rates[requests[is_in]], values[is_in])
        held.append(found.lower <= truth <= found.upper)
    return sum(held) / _ROUNDS


def _requests(draw, count):
    """Return the request of each call: 1 to 4 calls each."""
    return np.repeat(np.arange(count), draw.integers(1, 5, count))


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_the_interval_of_a_mean_covers_the_truth_in_95_of_100_samples(rate):
    draw = np.random.default_rng(1)
    requests = _requests(draw, 3_000)
    of_request = draw.lognormal(0, 0.5, 3_000)  # calls of one request are alike, and costs are skewed
    costs = 0.01 * of_request[requests] * draw.lognormal(0, 0.3, len(requests))
    assert 0.93 <= _coverage((requests, costs), rate, mean_of, seed=2) <= 0.97


@pytest.mark.parametrize("share", [0.97, 0.8])
def test_the_interval_of_a_share_covers_the_truth_in_95_of_100_samples(share):
    draw = np.random.default_rng(3)
    requests = _requests(draw, 4_000)
    is_good_request = draw.random(4_000) < share
    successes = (is_good_request[requests] & (draw.random(len(requests)) < 0.995)).astype(float)
    assert 0.93 <= _coverage((requests, successes), 0.1, share_of, seed=4) <= 0.98


_POPULATIONS = [
    pytest.param(3_000, (0.05, 0.2), id="380 requests of two rates"),
    pytest.param(300, (0.1,), id="the fewest requests"),
    pytest.param(300, (0.05, 0.15), id="the fewest requests, of two rates"),
]


@pytest.mark.parametrize(("requests", "rates"), _POPULATIONS)
@pytest.mark.parametrize("share", [None, 0.97, 0.8])
def test_few_requests_and_several_rates_cover_the_truth_as_often(requests, rates, share):
    draw = np.random.default_rng(11)
    of_call = _requests(draw, requests)
    if share is None:
        values = 0.01 * draw.lognormal(0, 0.5, requests)[of_call] * draw.lognormal(0, 0.3, len(of_call))
    else:
        values = ((draw.random(requests) < share)[of_call] & (draw.random(len(of_call)) < 0.995)).astype(float)
    estimate = mean_of if share is None else share_of
    covered = _coverage((of_call, values), draw.choice(rates, requests), estimate, seed=12, fewest=MIN_REQUESTS)
    assert covered >= 0.93


def test_calls_of_one_request_taken_for_independent_would_promise_too_much():
    draw = np.random.default_rng(5)
    requests = np.repeat(np.arange(1_000), 10)
    values = draw.lognormal(0, 0.5, 1_000)[requests]

    def alone(names, weights, values):
        return mean_of([f"{name}-{place}" for place, name in enumerate(names)], weights, values)

    assert _coverage((requests, values), 0.1, alone, seed=6) < 0.6
    assert _coverage((requests, values), 0.1, mean_of, seed=6) >= 0.93


def test_where_everything_is_sampled_there_is_nothing_to_doubt():
    assert mean_of(["a", "b"], [1, 1], [1, 3]) == Estimate(2, 2, 2)
    assert share_of(["a", "b"], [1, 1], [1, 1]) == Estimate(1, 1, 1)


def test_a_record_weighs_by_what_it_stands_for():
    assert mean_of(["a", "b"], [10, 30], [1, 3]).value == pytest.approx(2.5)


def test_the_variance_is_that_of_the_formula():
    found = mean_of(["a", "a", "b"], [2, 2, 4], [1, 3, 5])
    mean = (2 + 6 + 20) / 8
    residuals = (2 * (1 - mean) + 2 * (3 - mean), 4 * (5 - mean))
    variance = (0.5 * residuals[0] ** 2 + 0.75 * residuals[1] ** 2) / 64
    quantile = 2.776445  # of Student's t with the least degrees of freedom, 4: two requests have fewer
    assert found.upper - found.value == pytest.approx(quantile * variance**0.5, rel=0.02)


def test_a_sample_without_failure_does_not_prove_that_there_is_none():
    found = share_of([f"r{number}" for number in range(100)], [10] * 100, [1] * 100)
    assert (found.value, found.upper) == (1, 1)
    assert found.lower == pytest.approx(0.9664, abs=1e-3)  # Wilson's for 100 / 0.9 observations


def test_what_cannot_be_negative_has_no_negative_bound():
    assert mean_of(["a", "b", "c"], [10, 10, 10], [0, 0, 3]).lower == 0
