"""Where a partition is read from, and from where on it counts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_consumers.statistics.beginning import RECALL_MS, Beginning, Held, beginning, timely
from headrace_consumers.statistics.producers import LATE_MS

NOW_MS = 1_795_000_000_000
_S = 1000


def _at(*times_ms: int, oldest: int = 0):
    """Return what finds the first offset of a time, of a partition with records of these times."""

    def offset_at(time_ms: int) -> int:
        later = [place for place, each in enumerate(times_ms) if each >= time_ms]
        return oldest + (later[0] if later else len(times_ms))

    return offset_at


def _minutely(minutes: int, oldest: int = 0):
    return _at(*(NOW_MS - minute * 60 * _S for minute in range(minutes, 0, -1)), oldest=oldest)


def test_the_first_time_what_is_younger_than_five_minutes_counts() -> None:
    held = Held(oldest=100, end=160, committed=None, committed_at_ms=None)
    found = beginning(held, _minutely(60, oldest=100), NOW_MS)
    assert found == Beginning(read_from=140, start=155, complete_since_ms=NOW_MS - LATE_MS - RECALL_MS)


def test_after_a_restart_a_quarter_of_an_hour_before_the_committed_offset_is_remembered() -> None:
    held = Held(oldest=100, end=160, committed=130, committed_at_ms=NOW_MS - 31 * 60 * _S)
    found = beginning(held, _minutely(60, oldest=100), NOW_MS)
    assert found == Beginning(read_from=114, start=130, complete_since_ms=NOW_MS - 46 * 60 * _S)


def test_an_empty_partition_begins_at_its_end() -> None:
    held = Held(oldest=7, end=7, committed=None, committed_at_ms=None)
    assert beginning(held, _at(oldest=7), NOW_MS) == Beginning(read_from=7, start=7, complete_since_ms=None)


def test_what_kafka_no_longer_holds_is_told_of() -> None:
    held = Held(oldest=100, end=160, committed=30, committed_at_ms=NOW_MS - 86_400 * _S)
    found = beginning(held, _minutely(60, oldest=100), NOW_MS)
    assert found == Beginning(read_from=100, start=100, complete_since_ms=None, skipped=70)


def test_an_offset_of_a_topic_that_was_made_anew_means_nothing() -> None:
    held = Held(oldest=0, end=3, committed=500, committed_at_ms=NOW_MS - _S)
    assert beginning(held, _minutely(3), NOW_MS) == Beginning(read_from=0, start=0, complete_since_ms=None)


def test_of_samples_what_is_too_old_is_passed_over_however_long_nobody_was_there() -> None:
    held = Held(oldest=100, end=160, committed=110, committed_at_ms=NOW_MS - 51 * 60 * _S)
    offset_at = _minutely(60, oldest=100)
    found = timely(beginning(held, offset_at, NOW_MS), offset_at, NOW_MS)
    assert (found.read_from, found.start, found.passed_over) == (155, 155, 45)


def test_of_samples_nothing_is_passed_over_after_a_short_while() -> None:
    held = Held(oldest=100, end=160, committed=158, committed_at_ms=NOW_MS - 3 * 60 * _S)
    offset_at = _minutely(60, oldest=100)
    found = timely(beginning(held, offset_at, NOW_MS), offset_at, NOW_MS)
    assert (found.read_from, found.start, found.passed_over) == (158, 158, 0)


def test_of_a_group_that_does_not_say_when_the_present_is_looked_back_from() -> None:
    held = Held(oldest=0, end=60, committed=50, committed_at_ms=None)
    assert beginning(held, _minutely(60), NOW_MS).read_from == 45


@given(st.integers(0, 50), st.integers(0, 60), st.none() | st.integers(0, 120), st.none() | st.integers(-90, 0))
def test_reading_stays_within_what_kafka_holds(
    oldest: int, count: int, committed: int | None, minute: int | None
) -> None:
    held = Held(
        oldest=oldest,
        end=oldest + count,
        committed=committed,
        committed_at_ms=None if minute is None else NOW_MS + minute * 60 * _S,
    )
    found = beginning(held, _minutely(count, oldest=oldest), NOW_MS)
    assert oldest <= found.read_from <= found.start <= oldest + count
    if committed is not None and oldest <= committed <= oldest + count:
        assert found.start == committed
        assert found.skipped == 0


@pytest.mark.parametrize("committed", [100, 101, 160])
def test_a_committed_offset_that_kafka_holds_is_where_counting_goes_on(committed: int) -> None:
    held = Held(oldest=100, end=160, committed=committed, committed_at_ms=NOW_MS)
    assert beginning(held, _minutely(60, oldest=100), NOW_MS).start == committed
