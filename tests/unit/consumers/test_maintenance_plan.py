"""What maintenance plans: few files whatever came, each row rewritten a few times, nothing young removed."""

import datetime as dt
import itertools
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace_consumers.dataset.upkeep.maintenance_plan import (
    ActiveFile,
    expired,
    has_room,
    is_crowded,
    log_bases,
    to_merge,
)
from headrace_consumers.table_files import MOST_FILES

NOON = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
TARGET = 128_000_000
names = itertools.count()


def file(size_bytes, written_at=NOON, *, date=None, rows=1):
    return ActiveFile(f"f{next(names)}", size_bytes, rows, date or written_at.date(), written_at)


files = st.lists(
    st.builds(
        file,
        st.integers(0, 2 * TARGET),
        st.integers(0, 36 * 3600).map(lambda ago_s: NOON - dt.timedelta(seconds=ago_s)),
    ),
    max_size=40,
)


class Table:
    """Files as maintenance would leave them, in memory."""

    def __init__(self):
        self.files = []
        self.rewritten_bytes = 0

    def maintain(self, now, most=1_000_000):
        for _ in range(most):
            group = to_merge(self.files, now, TARGET)
            if not group:
                return
            size = sum(f.size_bytes for f in group)
            gone = {f.path for f in group}
            self.files = [f for f in self.files if f.path not in gone]
            newest = max(f.written_at for f in group)
            self.files.append(file(size, newest, date=group[0].date, rows=sum(f.rows for f in group)))
            self.rewritten_bytes += size


@settings(max_examples=40)
@given(files)
def test_a_group_is_of_one_date_fits_and_makes_fewer_files(some):
    group = to_merge(some, NOON, TARGET)
    assert not group or (
        len(group) > 1
        and len({f.date for f in group}) == 1
        and sum(f.size_bytes for f in group) <= TARGET
        and len({f.path for f in group}) == len(group)
    )


@settings(max_examples=40)
@given(files)
def test_merging_comes_to_an_end_and_keeps_every_row(some):
    table = Table()
    table.files = list(some)
    rows_before = Counter(f.date for f in some)
    table.maintain(NOON)
    assert sum(f.rows for f in table.files) == len(some)
    assert Counter({d: sum(f.rows for f in table.files if f.date == d) for d in rows_before}) == rows_before


@settings(max_examples=40)
@given(files)
def test_a_date_at_rest_is_left_with_at_most_one_small_file(some):
    table = Table()
    table.files = list(some)
    table.maintain(NOON + dt.timedelta(days=2))
    for date in {f.date for f in some}:
        sizes = [f.size_bytes for f in table.files if f.date == date]
        assert sum(size < TARGET / 2 for size in sizes) <= 1


def test_a_date_that_is_written_is_merged_by_tiers():
    nine = [file(50_000) for _ in range(9)]
    assert to_merge(nine, NOON, TARGET) == []
    assert len(to_merge([*nine, file(50_000)], NOON, TARGET)) == 10
    assert to_merge([*nine, file(60_000_000)], NOON, TARGET) == []


def test_while_a_backlog_is_read_files_wait_until_many_do():
    waiting = [file(5_000_000) for _ in range(199)]
    assert to_merge(waiting, NOON, TARGET, has_backlog=True) == []
    assert len(to_merge(waiting, NOON, TARGET)) == 25  # 125 MB
    assert len(to_merge([*waiting, file(5_000_000)], NOON, TARGET, has_backlog=True)) == 25


def test_a_merge_takes_what_is_smaller_along():
    medium = [file(400_000) for _ in range(10)]
    assert len(to_merge([*medium, file(10_000)], NOON, TARGET)) == 11


@pytest.mark.parametrize(("interval_s", "size_bytes"), [(5, 9_000), (5, 300_000), (15, 20_000_000)])
def test_a_day_of_commits_leaves_few_files_and_rewrites_each_row_a_few_times(interval_s, size_bytes):
    table = Table()
    most = 0
    begin = NOON.replace(hour=0)
    for second in range(0, 86_400, interval_s):
        now = begin + dt.timedelta(seconds=second)
        table.files.append(file(size_bytes, now))
        if second % 60 < interval_s:
            table.maintain(now, most=3)  # in a minute
        most = max(most, len(table.files))
    written = size_bytes * (86_400 // interval_s)
    needed = written / (TARGET / 2)
    assert most <= 150 + needed
    assert table.rewritten_bytes <= 5 * written
    table.maintain(begin + dt.timedelta(days=1, hours=2))
    assert len(table.files) <= 2 + needed


def test_a_month_of_little_traffic_leaves_a_file_a_day():
    table = Table()
    for hour in range(30 * 24):
        now = NOON.replace(hour=0) + dt.timedelta(hours=hour, minutes=30)
        table.files.append(file(9_000, now))
        table.maintain(now)
    assert len(table.files) <= 30 + 10


def test_a_crowded_table_is_merged_whatever_its_tiers():
    crowd = [file(9_000, NOON, date=NOON.date() - dt.timedelta(days=n % 900)) for n in range(MOST_FILES * 82 // 100)]
    assert is_crowded(crowd)
    table = Table()
    table.files = crowd
    table.maintain(NOON)
    assert not is_crowded(table.files)
    assert to_merge([file(9_000), file(9_000)], NOON, TARGET) == []


@given(st.integers(1, 400), st.integers(0, 800))
def test_rows_expire_by_their_ingest_date(retention_days, age_days):
    of_age = file(1, NOON, date=NOON.date() - dt.timedelta(days=age_days))
    assert expired([of_age], NOON.date(), retention_days) == ([of_age] if age_days > retention_days else [])
    assert expired([replace(of_age, date=NOON.date() + dt.timedelta(days=1))], NOON.date(), retention_days) == []


@given(st.sets(st.integers(0, 500)), st.sets(st.integers(0, 500)), st.integers(0, 300))
def test_a_log_keeps_its_newest_entries_and_a_base_for_them(versions, checkpoints, kept):
    bases = log_bases(versions, checkpoints, kept)
    assert bases == sorted(bases, reverse=True)
    for base in bases:
        assert base in checkpoints
        assert any(version < base for version in versions)
        assert max(versions) - base >= kept


@pytest.mark.parametrize(("free_bytes", "has"), [(349, False), (350, True)])
def test_a_merge_needs_room_for_its_file_and_leaves_a_twentieth_of_the_disk(free_bytes, has):
    assert has_room([file(100), file(200)], free_bytes, 1000) is has
