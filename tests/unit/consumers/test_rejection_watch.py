"""When a signature's rejections are worth a warning."""

from collections import Counter

from headrace_consumers.dataset.judging.rejection_watch import AGAIN_S, AGEING, MOST_SIGNATURES, Alarm, RejectionWatch
from headrace_consumers.dataset.tally import Tally


def tally(kept=0, signature="A", **rejected):
    return Tally(rows=Counter({signature: kept}), rejections=Counter({(signature, r): n for r, n in rejected.items()}))


class Clock:
    now_s = 0.0

    def __call__(self):
        return self.now_s


def test_over_half_of_at_least_a_hundred_for_one_reason():
    watch = RejectionWatch(Clock())
    assert watch.note(tally(49, cost=50)) == []  # 99
    assert watch.note(tally(1)) == []  # exactly half
    assert watch.note(tally(0, cost=1)) == [Alarm("A", "cost", 51, 101)]


def test_two_reasons_that_only_together_are_over_half_are_none():
    assert RejectionWatch(Clock()).note(tally(40, cost=40, failed=40)) == []


def test_once_an_hour_for_each_signature():
    clock = Clock()
    watch = RejectionWatch(clock)
    assert len(watch.note(tally(0, cost=100))) == 1
    assert watch.note(tally(0, cost=1000)) == []
    assert [alarm.signature for alarm in watch.note(tally(0, "B", cost=100))] == ["B"]
    clock.now_s = AGAIN_S
    assert [alarm.signature for alarm in watch.note(tally(0, cost=1))] == ["A"]


def test_a_long_good_time_does_not_hide_what_is_now():
    watch = RejectionWatch(Clock())
    for _ in range(100):
        assert watch.note(tally(AGEING)) == []
    alarms = [alarm for _ in range(3 * AGEING // 100) for alarm in watch.note(tally(0, cost=100))]
    assert [alarm.reason for alarm in alarms] == ["cost"]


def test_it_remembers_a_bounded_number_of_signatures():
    watch = RejectionWatch(Clock())
    for number in range(MOST_SIGNATURES + 50):
        watch.note(tally(1, f"S{number}"))
    assert len(watch._recent) == MOST_SIGNATURES
    assert "S0" not in watch._recent
