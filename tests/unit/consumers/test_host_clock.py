"""A clock that is wrong, or jumps, removes no rows and deletes no files; an idle table still loses its old ones."""

import datetime as dt
import os

import polars as pl
import pytest
from deltalake import DeltaTable
from structlog.testing import capture_logs

from headrace.config.consumers import Dataset
from headrace_consumers.dataset.delta.files import write_files
from headrace_consumers.dataset.delta.moves import Move
from headrace_consumers.dataset.delta.rows import to_rows
from headrace_consumers.dataset.delta.table import InteractionTable
from headrace_consumers.dataset.upkeep.host_clock import Course, HostClock, follow, is_plausible, since_boot_s
from headrace_consumers.dataset.upkeep.maintenance import Maintenance
from tests.support.interactions import NOW_MS, interaction, kept, message_of

DAY = dt.timedelta(days=1)
TODAY = dt.datetime.fromtimestamp(NOW_MS / 1000, dt.UTC).replace(hour=1)
NOW = TODAY - 3 * DAY  # delta-rs looks at the clock of this machine, for which all of it has been
YEAR = 365 * DAY
HOUR_S = 3600.0


class Host:
    """Real time, what its clock shows beyond it, and upkeep that looks every four hours."""

    def __init__(self, path, *, wrong_by=0 * DAY):
        self.table = InteractionTable(path, sleep=lambda _: None)
        self.seconds = 0.0
        self.wrong_by = wrong_by
        self.start()

    def start(self):
        self.clock = HostClock(self.wall, lambda: self.seconds, 24)
        self.work = Maintenance(
            self.table.path,
            Dataset(retention_days=30),
            now=self.clock.now,
            clock=lambda: self.seconds,
            host_clock=self.clock,
        )

    def wall(self):
        return NOW + dt.timedelta(seconds=self.seconds) + self.wrong_by

    def commit(self, *, days_ago=0.0):
        """A row that the brokers have dated rightly."""
        offset = self.table.position("id/0") or 0
        record = interaction(str(offset))
        at_ms = int((NOW.timestamp() + self.seconds - days_ago * 86_400) * 1000)
        frame = kept([record], [message_of(record, offset)]).with_columns(append_time_ms=pl.lit(at_ms, pl.Int64))
        files = write_files(self.table.store, to_rows(frame, "topic", "id"), self.table.layout)
        self.table.commit(files, [Move("id/0", offset or None, offset + 1)])

    def run(self, hours, *, commits=False):
        for _ in range(hours // 4):
            self.seconds += 4 * HOUR_S
            if commits:
                self.commit()
            self.work.run()

    def dates(self):
        frame = pl.scan_delta(str(self.table.path)).select("ingest_date").unique().collect()
        return sorted((NOW.date() - date).days for date in frame["ingest_date"])


@pytest.fixture
def host(tmp_path):
    host = Host(tmp_path / "t")
    for days_ago in (29, 1, 0):
        host.commit(days_ago=days_ago)
    return host


def test_a_clock_that_is_right_removes_what_is_past_the_retention(host):
    host.commit(days_ago=31)
    host.run(4)
    assert host.dates() == [0, 1, 29]


def test_a_host_that_starts_in_another_year_removes_nothing_while_rows_come(host):
    host.wrong_by = YEAR
    host.start()
    with capture_logs() as logs:
        host.run(48, commits=True)
    assert host.dates() == [-2, -1, 0, 1, 29]
    (told,) = [line for line in logs if line["log_level"] == "warning"]
    assert told["event"].startswith("no rows and files are removed")
    host.wrong_by = 0 * DAY  # it is set
    host.run(4, commits=True)
    assert host.dates() == [-2, -1, 0, 1]


def test_a_clock_that_jumps_while_it_runs_removes_nothing_and_says_what_to_do(host):
    host.run(4, commits=True)
    host.wrong_by = YEAR
    with capture_logs() as logs:
        host.run(36, commits=True)
    assert host.dates() == [-1, 0, 1, 29]
    assert [line["event"].split(":")[0] for line in logs if line["log_level"] == "warning"] == [
        "this host's clock has jumped ahead",
        "no rows and files are removed",
    ]


def test_a_jump_of_a_day_deletes_no_file_of_a_commit_under_way(host):
    record = interaction("z")
    (staged,) = write_files(
        host.table.store, to_rows(kept([record], [message_of(record, 9)]), "topic", "id"), host.table.layout
    )
    host.run(4)
    os.utime(host.table.path / staged.path, (host.wall().timestamp(),) * 2)
    host.wrong_by = dt.timedelta(hours=25)
    host.run(20)
    assert (host.table.path / staged.path).exists()
    host.run(8)
    assert not (host.table.path / staged.path).exists()


@pytest.mark.parametrize("ahead_h", [25, 47])
def test_a_clock_ahead_by_less_than_two_days_from_the_start_removes_nothing_before_its_time(host, ahead_h):
    host.run(4, commits=True)
    host.wrong_by = dt.timedelta(hours=ahead_h)
    host.start()
    record = interaction("z")
    (staged,) = write_files(
        host.table.store, to_rows(kept([record], [message_of(record, 9)]), "topic", "id"), host.table.layout
    )
    written_at = NOW.timestamp() + host.seconds  # by the right clock of another member, or of the object store
    os.utime(host.table.path / staged.path, (written_at,) * 2)
    host.commit()
    host.run(20, commits=True)
    assert (host.table.path / staged.path).exists()
    assert host.dates() == [-1, 0, 1, 29]
    host.run(24, commits=True)  # what is due is removed nevertheless
    assert not (host.table.path / staged.path).exists()
    assert host.dates() == [-2, -1, 0, 1]


def test_a_newest_file_that_cannot_be_read_tells_nothing(host):
    (newest,) = [path for path in host.table.path.glob("ingest_date=*/*") if str(NOW.date()) in str(path)]
    newest.write_bytes(b"")
    host.commit(days_ago=31)
    host.run(4)
    assert not host.clock.has_heard
    remaining = DeltaTable(host.table.path).file_uris()
    assert len(remaining) == 3


def test_a_jump_back_removes_nothing_more_and_is_followed(host):
    host.wrong_by = -10 * DAY
    host.run(4)
    assert host.dates() == [0, 1, 29]
    assert host.clock.now() == host.wall()


def test_an_idle_month_goes_by_itself_after_a_restart_too(host):
    host.run(4)
    host.seconds += 40 * 24 * HOUR_S
    host.start()
    host.run(4)
    assert host.dates() == [0, 1, 29]
    host.run(24)
    assert host.dates() == []


def test_small_corrections_are_followed_and_a_jump_only_when_it_has_run_evenly():
    course = Course(0.0, 0.0, 0.0)
    for look in range(1, 50):
        course = follow(course, look * 60 + look, look * 60, 86_400)
    assert (course.followed, course.even_since, course.ahead_s) == (49, 0.0, 0.0)
    jumped = follow(course, 10_000 + 7200, 10_000, 86_400)
    assert (jumped.followed, jumped.even_since, jumped.ahead_s) == (49, 10_000, 7151)
    again = follow(jumped, 50_000 + 9200, 50_000, 86_400)  # once more
    assert again.even_since == 50_000
    assert follow(again, 136_000 + 9200, 136_000, 86_400).followed == 49
    assert follow(again, 137_000 + 9200, 137_000, 86_400).followed == 9200
    assert follow(again, 51_000 - 500, 51_000, 86_400).followed == -500


def test_one_idle_table_beside_one_that_is_not_is_judged_by_both():
    clock = HostClock(lambda: NOW, lambda: 0.0, 24)
    clock.note("idle", (NOW - 20 * DAY).date(), 1)
    assert not clock.may_remove()
    clock.note("written", NOW.date(), 1)
    assert clock.may_remove()


@pytest.mark.parametrize(
    ("late_days", "quiet_s", "may"), [(2, 0, True), (3, 86_399, False), (3, 86_400, True), (-5, 0, True)]
)
def test_a_clock_is_plausible_near_the_newest_rows_or_where_nobody_commits(late_days, quiet_s, may):
    assert is_plausible(NOW.date(), (NOW - late_days * DAY).date(), quiet_s) is may


def test_an_empty_table_has_nothing_to_lose():
    assert is_plausible(NOW.date(), None, 0)


def test_seconds_since_boot_do_not_go_back():
    assert since_boot_s() <= since_boot_s()
