"""Exactly a person's rows go, all others stay as they were, whatever happens meanwhile."""

import datetime as dt
import json
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.config.consumers import Dataset
from headrace_consumers.dataset.delta.files import DataFile
from headrace_consumers.dataset.delta.moves import Move
from headrace_consumers.dataset.delta.table import InteractionTable
from headrace_consumers.dataset.errors import Fenced, TableError
from headrace_consumers.dataset.steps import ErasureStep, no_hook
from headrace_consumers.dataset.upkeep.erasures import erasures_in
from headrace_consumers.dataset.upkeep.maintenance import Maintenance
from headrace_consumers.erasure.certificate import CertificateError
from tests.support.erasing import append, erasure, holds_anywhere, of_person, person, rows_of
from tests.support.interactions import interaction

PEOPLE = st.sampled_from([None, 1, 2, 3])
COMMITS = st.lists(st.tuples(st.integers(-2, 0), st.lists(PEOPLE, min_size=1, max_size=6)), min_size=1, max_size=6)


@pytest.fixture
def table(tmp_path):
    table = InteractionTable(tmp_path / "t", sleep=lambda _: None)
    yield table
    table.close()


def maintenance(table, now=None, hook=no_hook):
    now = now or dt.datetime.now(dt.UTC)
    return Maintenance(table.path, Dataset(), now=lambda: now, clock=lambda: 0.0, hook=hook)


def to_the_end(work):
    while work.step():
        pass


@settings(max_examples=15, deadline=None)
@given(COMMITS, st.sets(st.sampled_from([1, 2, 3]), min_size=1))
def test_exactly_the_persons_rows_go(commits, erased):
    with tempfile.TemporaryDirectory() as folder:
        table = InteractionTable(Path(folder) / "t")
        for number, (day, people) in enumerate(commits):
            append(table, [of_person(who, f"{number} {i}") for i, who in enumerate(people)], day=day)
        before = rows_of(table.path)
        goes = before["subject_id"].is_in([person(number) for number in erased]).fill_null(value=False)
        planned = erasure(table.path, *erased).look().tables["interactions"][1]
        made = erasure(table.path, *erased).run(Path(folder) / "certificate.json")
        after = rows_of(table.path)
        assert after.equals(before.filter(~goes))
        assert after.schema == before.schema
        assert planned.rows.total() == sum(made.tables[0].rows.values()) == goes.sum()
        table.refresh()
        assert table.position("id/0") == sum(len(people) for _, people in commits)
        assert all(holds_anywhere(table.path, number) == [] for number in erased)
        table.close()


def test_rows_are_told_by_signature_and_files_say_what_they_hold(table, tmp_path):
    append(table, [of_person(1, "a", signature="A"), of_person(2, "b", signature="B"), of_person(1, "c")])
    append(table, [of_person(1, "d", signature="A")])
    made = erasure(table.path, 1).run(tmp_path / "c.json")
    (report,) = made.tables
    assert report.rows == {"A": 2, interaction()["signature"]: 1}
    assert (report.files, report.deleted, len(report.versions)) == (2, 2, 1)
    entry = (table.path / "_delta_log" / f"{report.versions[0]:020}.json").read_text()
    added = [json.loads(line)["add"] for line in entry.splitlines() if '"add"' in line]
    (statistics,) = [json.loads(add["stats"]) for add in added]
    assert statistics["numRecords"] == 1
    assert statistics["minValues"]["offset"] == statistics["maxValues"]["offset"] == 1
    assert all(add["dataChange"] for add in added)


def test_the_plan_changes_nothing(table):
    append(table, [of_person(1, "a"), of_person(2, "b")])
    files = {path: path.read_bytes() for path in table.path.rglob("*") if path.is_file()}
    plan = erasure(table.path, 1).look()
    assert plan.tables["interactions"][1].rows.total() == 1
    assert {path: path.read_bytes() for path in table.path.rglob("*") if path.is_file()} == files


def test_a_request_goes_with_all_of_its_records(table, tmp_path):
    append(table, [of_person(1, "a", request_id="one"), of_person(2, "b", request_id="two"), of_person(1, "c")])
    erasure(table.path, requests=["one"]).run(tmp_path / "c.json")
    assert rows_of(table.path)["request_id"].to_list() == ["two", "r 1 c"]
    append(table, [of_person(3, "again", request_id="one")])
    assert "one" not in rows_of(table.path)["request_id"].to_list()


class Killed(BaseException):
    """What SIGKILL is to a test in one process."""


@pytest.mark.parametrize("edge", ["before", "after"])
@pytest.mark.parametrize("step", list(ErasureStep))
def test_killed_at_a_step_the_next_one_does_the_rest(table, tmp_path, edge, step):
    append(table, [of_person(1, "a"), of_person(2, "b")])
    append(table, [of_person(1, "c")], day=-1)
    path, certificate = table.path, tmp_path / "c.json"

    def strike(point):
        if point == f"{edge}:{step}":
            raise Killed

    with pytest.raises(Killed):
        erasure(path, 1, hook=strike).run(certificate)
    rows_are_there = bool(rows_of(path).filter(subject_id=person(1)).height)
    assert not (certificate.exists() and (rows_are_there or holds_anywhere(path, 1)))
    if certificate.exists():
        return
    made = erasure(path, 1).run(certificate)
    assert rows_of(path)["subject_id"].to_list() == [person(2)]
    assert holds_anywhere(path, 1) == []
    assert sum(made.tables[0].rows.values()) == 2  # of both runs
    again = erasure(path, 1).run(tmp_path / "again.json")
    assert again.tables[0].rows == made.tables[0].rows
    assert again.suppressed_since == made.suppressed_since


def test_two_beside_appenders_and_a_maintainer_nothing_else_goes_and_nothing_slips_through(tmp_path):
    path = tmp_path / "t"
    InteractionTable(path).close()
    failures = []
    over = threading.Event()

    def guarded(work):
        def run():
            try:
                work()
            except BaseException as error:
                failures.append(error)

        return threading.Thread(target=run)

    def appender(partition):
        table = InteractionTable(path)
        for number in range(40):
            append(table, [of_person(who, f"{partition} {number} {who}") for who in (1, 2, 3)], partition=partition)

    def maintainer():
        while not over.is_set():
            maintenance(InteractionTable(path)).run()

    def eraser(number):
        erasure(path, number).run(tmp_path / f"{number}.json")

    appenders = [guarded(lambda p=p: appender(p)) for p in range(2)]
    keeper, erasers = guarded(maintainer), [guarded(lambda who=who: eraser(who)) for who in (1, 3)]
    for thread in (*appenders, keeper, *erasers):
        thread.start()
    for thread in (*appenders, *erasers):
        thread.join()
    over.set()
    keeper.join()
    assert failures == []
    rows = rows_of(path)
    expected = [(p, 3 * number + 1) for p in range(2) for number in range(40)]
    assert rows.select("partition", "offset").rows() == expected
    assert set(rows["subject_id"]) == {person(2)}
    assert holds_anywhere(path, 1) == []


def test_a_maintainer_that_had_begun_is_refused_and_what_it_wrote_is_gone(table, tmp_path):
    for number in range(12):
        append(table, [of_person(1 + number % 2, number)])
    work = maintenance(table)
    assert work.step()  # files are listed, and read
    erasure(table.path, 1).run(tmp_path / "c.json")
    with pytest.raises(Fenced):
        to_the_end(work)
    work.run()
    assert set(rows_of(table.path)["subject_id"]) == {person(2)}
    assert holds_anywhere(table.path, 1) == []


def test_a_maintainer_whose_files_are_deleted_lists_anew(table, tmp_path):
    for number in range(12):
        append(table, [of_person(1, number), of_person(2, f"b{number}")])
    erased = []

    def erase(point):
        if point == "before:merge" and not erased:
            erased.append(erasure(table.path, 1).run(tmp_path / "c.json"))

    work = maintenance(table, hook=erase)
    work.run()
    assert (len(erased), work.done.files_merged) == (1, 12)
    assert rows_of(table.path)["subject_id"].to_list() == [person(2)] * 12


def test_rows_that_an_older_release_commits_meanwhile_are_not_torn_away(table, tmp_path):
    append(table, [of_person(1, "a"), of_person(2, "b")])
    (first,) = table.path.glob("ingest_date=*/*.parquet")
    name = f"ingest_date={dt.datetime.now(dt.UTC).date()}/{'0' * 32}.parquet"
    path = table.store.stage(name)
    path.write_bytes(first.read_bytes())

    def commit_it(_):
        table.refresh()
        if table.position("id/0") == 2:
            table.commit([DataFile(name, path.stat().st_size, name[12:22], "{}")], [Move("id/0", 2, 4)])

    with pytest.raises(TableError, match="older release"):
        erasure(table.path, 1, sleep=commit_it).run(tmp_path / "c.json")
    assert path.exists()
    erasure(table.path, 1).run(tmp_path / "c.json")
    assert set(rows_of(table.path)["subject_id"]) == {person(2)}


def test_files_that_a_maintainer_replaced_between_two_groups_are_listed_anew(table, tmp_path):
    append(table, [of_person(1, "a"), of_person(2, "b")], day=-1)
    for number in range(3):
        append(table, [of_person(1, f"c{number}"), of_person(2, f"d{number}")])
    before = rows_of(table.path).filter(subject_id=person(2))
    merged = []

    def merge_the_other_day(point):
        if point == f"after:{ErasureStep.TAKE_OUT}" and not merged:
            work = maintenance(table, dt.datetime.now(dt.UTC) + dt.timedelta(hours=2))
            work.run()
            merged.append(work.done.files_merged)

    erasure(table.path, 1, hook=merge_the_other_day).run(tmp_path / "c.json")
    assert merged == [3]
    assert rows_of(table.path).equals(before)


def test_files_that_maintenance_replaced_before_are_deleted_too(table, tmp_path):
    for number in range(12):
        append(table, [of_person(1 + number % 2, number)])
    maintenance(table).run()
    assert len(holds_anywhere(table.path, 1)) == 7  # the merged one and the six of before
    made = erasure(table.path, 1).run(tmp_path / "c.json")
    assert made.tables[0].deleted == 7
    assert holds_anywhere(table.path, 1) == []
    assert len(rows_of(table.path)) == 6


def test_a_file_that_cannot_be_read_and_may_hold_rows_is_no_success(table, tmp_path):
    append(table, [of_person(1, "a")])
    (spoilt,) = table.path.glob("ingest_date=*/*.parquet")
    spoilt.write_bytes(b"rubbish")
    with pytest.raises(TableError, match="nobody knows whose rows"):
        erasure(table.path, 1).run(tmp_path / "c.json")
    assert not (tmp_path / "c.json").exists()


def test_what_somebody_is_writing_is_left_and_told(table, tmp_path):
    append(table, [of_person(1, "a"), of_person(2, "b")])
    staged = table.store.stage(f"ingest_date=2026-11-27/{'0' * 32}.parquet")
    made = erasure(table.path, 1).run(tmp_path / "c.json")
    assert made.tables[0].unreadable == [str(staged)]
    assert made.unreadable_gone_by > made.made_at


def test_a_commit_under_way_has_time_to_take_its_file_away_itself(table, tmp_path):
    append(table, [of_person(1, "a"), of_person(2, "b")])
    (written,) = table.path.glob("ingest_date=*/*.parquet")
    ours = table.store.stage(f"ingest_date=2026-11-27/{'0' * 32}.parquet")
    ours.write_bytes(written.read_bytes())
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        if len(slept) == 3:
            table.store.discard(f"ingest_date=2026-11-27/{'0' * 32}.parquet")

    erasure(table.path, 1, sleep=sleep).run(tmp_path / "c.json")
    assert len(slept) == 3
    ours.write_bytes(next(table.path.glob("ingest_date=*/*.parquet")).read_bytes())
    erasure(table.path, 2, sleep=slept.append).run(tmp_path / "d.json")
    assert sum(slept[3:]) == pytest.approx(30)  # and then it is deleted
    assert not ours.exists()


def test_files_that_a_killed_run_replaced_are_not_waited_for(table, tmp_path):
    append(table, [of_person(1, "a"), of_person(2, "b")])

    def strike(point):
        if point == f"after:{ErasureStep.TAKE_OUT}":
            raise Killed

    with pytest.raises(Killed):
        erasure(table.path, 1, hook=strike).run(tmp_path / "c.json")
    slept = []
    made = erasure(table.path, 1, sleep=slept.append).run(tmp_path / "c.json")
    assert (made.tables[0].deleted, slept) == (1, [])


def test_a_reader_whose_file_is_deleted_starts_anew(table, tmp_path):
    append(table, [of_person(1, "a"), of_person(2, "b")])
    erasure(table.path, 1).run(tmp_path / "c.json")
    with pytest.raises(Fenced):
        list(table.key_rows())  # its handle is of before
    assert sum(len(rows) for rows in table.key_rows()) == 1
    for file in table.path.glob("ingest_date=*/*.parquet"):
        file.unlink()
    with pytest.raises(TableError, match="not there"):
        list(table.key_rows())


def test_members_are_told_to_make_their_seen_sets_anew(table, tmp_path):
    append(table, [of_person(1, "a"), of_person(2, "b")])
    assert erasures_in(table) == 0
    erasure(table.path, 1).run(tmp_path / "c.json")
    table.refresh()
    assert erasures_in(table) == 1
    erasure(table.path, 1).run(tmp_path / "again.json")  # nothing is left to remove
    table.refresh()
    assert erasures_in(table) == 1


def test_a_certificate_is_private_and_never_overwritten(table, tmp_path):
    append(table, [of_person(1, "a")])
    path = tmp_path / "c.json"
    made = erasure(table.path, 1).run(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text()) == made.as_dict()
    with pytest.raises(CertificateError, match="cannot be written"):
        erasure(table.path, 1).run(path)
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["c.json"]


def test_all_files_of_a_table_are_the_owners_only(table, tmp_path):
    append(table, [of_person(1, "a"), of_person(2, "b")])
    for offset in range(2, 102):
        table.commit([], [Move("id/0", offset, offset + 1)])
    table.properties.suppress([person(7)], [], "2026-11-27T00:00:00+00:00")
    erasure(table.path, 1).run(tmp_path / "c.json")
    assert list(table.path.glob("_delta_log/*.checkpoint.parquet"))
    modes = {p.relative_to(table.path): p.stat().st_mode & 0o777 for p in table.path.rglob("*")}
    assert {path: mode for path, mode in modes.items() if mode not in {0o600, 0o700}} == {}


def test_nobody_s_rows_are_no_failure(table, tmp_path):
    append(table, [of_person(None, "a"), of_person(2, "b")])
    made = erasure(table.path, 4).run(tmp_path / "c.json")
    assert (made.tables[0].rows, made.tables[0].versions, made.tables[0].deleted) == ({}, [], 0)
    assert len(rows_of(table.path)) == 2
