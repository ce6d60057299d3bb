"""When the consumer refuses to go on making dead letters."""

from collections import Counter

import pytest

from headrace.config.consumers import DeadLetterLimits
from headrace_consumers.dataset.delta.facts import facts_of, read_facts
from headrace_consumers.dataset.errors import CircuitOpenError
from headrace_consumers.dataset.judging.breaker import Breaker
from headrace_consumers.dataset.tally import Tally

LIMITS = DeadLetterLimits(max_share=0.5, window_records=100, max_run_records=50)


def batch(kept=0, bad=0, *, rejected=0, outcomes=0, duplicates=0, reason="undecodable"):
    consumed = kept + bad + rejected + outcomes + duplicates
    return Tally(
        consumed=consumed, kept=kept, outcomes=outcomes, duplicates=duplicates,
        rejections=Counter({("S", "failed"): rejected}) if rejected else Counter(),
        dead_letters=Counter({reason: bad}) if bad else Counter(),
    )  # fmt: skip


def opens_at(batches, limits=LIMITS):
    """The number of batches that pass before one is refused; None if all pass."""
    breaker = Breaker(limits, "topic")
    for number, each in enumerate(batches):
        try:
            breaker.check(each)
        except CircuitOpenError:
            return number
        breaker.remember(each)
    return None


@pytest.mark.parametrize(
    ("batches", "opens"),
    [
        ([batch(bad=50)], 0),
        ([batch(bad=49)], None),
        ([batch(bad=20)] * 5, 2),
        ([batch(bad=30), batch(kept=1), batch(bad=30)], None),
        ([batch(bad=30), batch(rejected=1), batch(bad=30)], None),
        ([batch(bad=30), batch(outcomes=1), batch(bad=30)], None),
        ([batch(bad=30), batch(duplicates=190), batch(bad=20)], 2),  # copies are never decoded, and prove little
        ([batch(bad=1, duplicates=100)] * 1_000, None),  # but of a topic of nearly nothing else they prove enough
        ([batch(bad=1, duplicates=2)] * 1_000, 49),
        ([batch(kept=49, bad=51)], 0),
        ([batch(kept=50, bad=50)], None),  # half is not over half
        ([batch(kept=10, bad=40)], None),  # the window is not full
        ([batch(kept=5, bad=15)] * 9, 4),
        ([batch(kept=100_000)] + [batch(kept=1, bad=40)] * 9, 3),  # the good past is forgotten
        ([batch(kept=9, bad=1)] * 100, None),
    ],
)
def test_it_opens_by_run_and_by_share(batches, opens):
    assert opens_at(batches) == opens


def test_a_limit_can_be_switched_off():
    share_only = DeadLetterLimits(max_share=0.5, window_records=100, max_run_records=0)
    assert opens_at([batch(bad=30)] * 9, share_only) == 3
    neither = DeadLetterLimits(max_share=1, window_records=100, max_run_records=0)
    assert opens_at([batch(bad=100_000)] * 9, neither) is None


def test_the_defaults_stop_a_consumer_that_can_read_nothing_within_a_thousand():
    assert opens_at([batch(bad=100)] * 20, DeadLetterLimits()) == 9


def test_a_refused_batch_is_not_remembered_and_is_refused_again():
    breaker = Breaker(LIMITS, "topic")
    for _ in range(2):
        with pytest.raises(CircuitOpenError):
            breaker.check(batch(bad=50))
    breaker.check(batch(bad=49))


def test_what_was_committed_before_a_restart_counts():
    earlier = [read_facts(facts_of(each, [])) for each in (batch(kept=3, duplicates=7), batch(bad=30))]
    breaker = Breaker(LIMITS, "topic")
    breaker.recall(earlier)
    breaker.check(batch(bad=19))
    with pytest.raises(CircuitOpenError, match="50 of the last 50"):
        breaker.check(batch(bad=20))
    breaker.check(batch(kept=1, bad=20))


def test_the_error_says_where_how_much_why_and_what_to_do():
    breaker = Breaker(LIMITS, "interactions")
    breaker.remember(batch(bad=30, reason="unknown_schema"))
    with pytest.raises(CircuitOpenError) as raised:
        breaker.check(batch(bad=1_000, reason="undecryptable"))
    line = str(raised.value)
    assert "\n" not in line
    assert line.startswith("interactions: 1,030 of the last 1,030 records")
    assert "undecryptable 1,000, unknown_schema 30" in line
    assert "dataset.dead_letter_limits" in line


def test_memory_is_bounded():
    breaker = Breaker(LIMITS)
    for _ in range(10_000):
        breaker.remember(batch(kept=2))
    assert len(breaker._window) <= 50
