"""Erased from tables in a real S3-compatible server: exactly the person's rows, whatever happens meanwhile."""

import datetime as dt
import itertools
import json
import os
import signal
import threading
import time
import uuid

import polars as pl
import pytest

from headrace.config.consumers import Dataset
from headrace_consumers.cli import main
from headrace_consumers.dataset.delta.files import write_files
from headrace_consumers.dataset.delta.moves import Move
from headrace_consumers.dataset.delta.store_at import store_at
from headrace_consumers.dataset.delta.table import InteractionTable
from headrace_consumers.dataset.errors import TableError
from headrace_consumers.dataset.feedback.rows import FEEDBACK, feedback_rows
from headrace_consumers.dataset.kafka.message import Message
from headrace_consumers.dataset.kafka.messages import Messages
from headrace_consumers.dataset.side_tables import feedback_beside, sightings_path
from headrace_consumers.dataset.sightings import SIGHTINGS, sighting_rows
from headrace_consumers.dataset.steps import ErasureStep
from headrace_consumers.dataset.upkeep.erasures import erasures_in
from headrace_consumers.dataset.upkeep.maintenance import Maintenance
from headrace_schemas import keys
from headrace_schemas.topics import REQUEST_HEADER
from tests.support import warm
from tests.support.erasing import append, erasure, holds_anywhere, of_person, person
from tests.support.interactions import NOW_MS, interaction
from tests.support.s3_proxy import S3Proxy


class Killed(BaseException):
    """What SIGKILL is to a test in one process."""


class Ground:
    """A dataset's name in a bucket, and the ways to its tables: those that give up at once, or those as deployed."""

    def __init__(self, s3, uri, *, is_patient=False):
        self.s3 = s3
        self.uri = uri
        self.is_patient = is_patient
        self.sleep = time.sleep if is_patient else lambda _: None
        self.folder = s3.data / uri.removeprefix("s3://")

    def options(self, port=None):
        at_once = {} if self.is_patient else {"max_retries": "0", "retry_timeout": "1s"}
        return {**self.s3.options(port), **at_once}

    def table(self, beside="", layout=None):
        store = store_at(self.uri + beside, self.options())
        return InteractionTable(store, *([layout] if layout else []), sleep=self.sleep)

    def erasure(self, *numbers, port=None, **named):
        return erasure(self.uri, *numbers, options=self.options(port), sleep=self.sleep, **named)

    def rows(self, beside=""):
        handle = store_at(self.uri + beside, self.options()).handle()
        return pl.from_arrow(handle.to_pyarrow_table()).sort("topic_id", "partition", "offset")

    def maintenance(self, now=None):
        now = now or dt.datetime.now(dt.UTC)
        return Maintenance(store_at(self.uri, self.options()), Dataset(), now=lambda: now, clock=lambda: 0.0)

    def erase_up_to(self, stop, tmp_path):
        """Erase the first person, killed at a point.

        delta-rs keeps Python's lock while it changes properties, and a proxy in this process cannot answer: so that
        step is done without one.
        """

        def strike(point):
            if point == stop:
                raise Killed

        with pytest.raises(Killed):
            self.erasure(1, hook=strike).run(tmp_path / "c.json")

    def holding(self, number):
        return holds_anywhere(self.folder, number)


@pytest.fixture
def ground(s3):
    return Ground(s3, s3.uri(uuid.uuid4().hex))


@pytest.fixture
def with_sides(ground):
    """Rows of two people, copies of them, and feedback of theirs, on their requests, by them and by nobody known."""
    mine, theirs = of_person(1, "a", request_id="mine"), of_person(2, "b", request_id="theirs")
    append(ground.table(), [mine, theirs])
    copies = [
        Message(0, n, of["dedup_key"].encode(), b"", NOW_MS, ((REQUEST_HEADER, keys.request_id_hash(request)),))
        for n, (of, request) in enumerate([(mine, "theirs"), (theirs, "mine"), (theirs, "theirs")])
    ]
    sightings = ground.table("-sightings", SIGHTINGS)
    rows = sighting_rows(Messages.of(copies), "topic", "id")
    sightings.commit(write_files(sightings.store, rows, SIGHTINGS), [Move("id/0", None, 3)])
    told = [(Message(0, n, b"", b"", NOW_MS), of) for n, of in enumerate(FEEDBACKS)]
    feedback = ground.table("-feedback", FEEDBACK)
    rows = feedback_rows(told, "feedback", "id")
    feedback.commit(write_files(feedback.store, rows, FEEDBACK), [Move("id/0", None, 3)])
    return ground


def _feedback(number, request_id, subject):
    return {
        "feedback_id": f"{number:032x}", "request_id": request_id, "module_name": None, "subject_id": subject,
        "score": 1.0, "label": None, "comment": f"comment {number}", "correction": None, "timestamp_ms": NOW_MS,
        "service": "s", "environment": "production", "instance": "i", "redaction_version": "1", "redactions": 0,
        "truncated": False,
    }  # fmt: skip


FEEDBACKS = [_feedback(0, "theirs", person(1)), _feedback(1, "mine", None), _feedback(2, "theirs", None)]


def offsets(ground, beside=""):
    return ground.rows(beside)["offset"].to_list()


def test_exactly_the_persons_rows_go_from_the_bucket(ground, tmp_path):
    table = ground.table()
    for day in (-1, 0, 0):
        append(table, [of_person(who, f"{table.version} {who}") for who in (1, 2, None, 1)], day=day)
    append(table, [of_person(1, "alone")])
    before = ground.rows()
    objects = {path: path.read_bytes() for path in ground.folder.rglob("*") if path.is_file()}
    plan = ground.erasure(1).look()
    assert {path: path.read_bytes() for path in ground.folder.rglob("*") if path.is_file()} == objects
    made = ground.erasure(1).run(tmp_path / "c.json")
    (report,) = made.tables
    assert plan.tables["interactions"][0] == report.path == ground.uri
    assert plan.tables["interactions"][1].rows.total() == sum(report.rows.values()) == 7
    assert (report.files, report.deleted, report.unreadable, report.keeps_deleted) == (4, 4, [], False)
    assert ground.rows().equals(before.filter(pl.col("subject_id").ne_missing(person(1))))
    assert ground.holding(1) == []
    table.refresh()
    assert (table.position("id/0"), erasures_in(table)) == (13, 2)  # a commit for each date
    assert json.loads((tmp_path / "c.json").read_text()) == made.as_dict()
    append(table, [of_person(1, "again"), of_person(2, "new")])
    assert ground.rows().filter(subject_id=person(1)).is_empty()


@pytest.mark.parametrize("edge", ["before", "after"])
@pytest.mark.parametrize("step", list(ErasureStep))
def test_killed_at_a_step_the_next_one_does_the_rest(with_sides, tmp_path, step, edge):
    ground, certificate = with_sides, tmp_path / "c.json"
    for strike_at in (1, 2, 3):
        met = []

        def strike(point, at=strike_at, met=met):
            met.append(point)
            if met.count(f"{edge}:{step}") == at:
                raise Killed

        try:
            ground.erasure(1, hook=strike).run(certificate)
        except Killed:
            assert not (certificate.exists() and ground.holding(1))
            certificate.unlink(missing_ok=True)
        else:
            certificate.unlink()
    made = ground.erasure(1).run(certificate)
    assert ground.holding(1) == holds_anywhere(ground.folder.with_name(f"{ground.folder.name}-feedback"), 1) == []
    assert offsets(ground) == [1]
    assert offsets(ground, "-sightings") == offsets(ground, "-feedback") == [2]
    assert [(table.holds, sum(table.rows.values())) for table in made.tables] == [
        ("interactions", 1), ("feedback", 2), ("sightings", 2),
    ]  # fmt: skip


def test_processes_killed_at_each_step_in_turn(with_sides, tmp_path):
    config = {"dataset": {"path": with_sides.uri, "storage_options": with_sides.s3.options()}}
    (tmp_path / "headrace.json").write_text(json.dumps(config))

    def erase(kill_at):
        options = ["--config", str(tmp_path / "headrace.json"), "--certificate", str(tmp_path / f"{kill_at}.json")]
        environment = {**os.environ, **({"HEADRACE_TEST_KILL_AT": kill_at} if kill_at else {})}
        return warm.run("erase", "--pseudonym", person(1), "--apply", *options, env=environment)

    for step, edge in itertools.product(ErasureStep, ("before", "after")):
        killed = erase(f"{edge}:{step}")
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        append(with_sides.table(), [of_person(1, f"{edge} {step}"), of_person(2, f"{edge} {step}")])
    done = erase(None)
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "None.json").read_text())
    assert [sum(table["rows"].values()) for table in told["tables"]] == [2, 2, 2]  # one came before the suppression
    assert offsets(with_sides, "-sightings") == offsets(with_sides, "-feedback") == [2]
    assert with_sides.rows()["subject_id"].to_list() == [person(2)] * (1 + 2 * len(ErasureStep))
    assert with_sides.holding(1) == []


def test_two_beside_appenders_and_a_maintainer_nothing_else_goes_and_nothing_slips_through(s3, tmp_path):
    ground = Ground(s3, s3.uri(uuid.uuid4().hex), is_patient=True)
    ground.table()
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
        table = ground.table()
        for number in range(15):
            append(table, [of_person(who, f"{partition} {number} {who}") for who in (1, 2, 3)], partition=partition)

    def maintainer():
        while not over.is_set():
            ground.maintenance().run()

    def eraser(number):
        ground.erasure(number).run(tmp_path / f"{number}.json")

    appenders = [guarded(lambda p=p: appender(p)) for p in range(2)]
    keeper, erasers = guarded(maintainer), [guarded(lambda who=who: eraser(who)) for who in (1, 3)]
    for thread in (*appenders, keeper, *erasers):
        thread.start()
    for thread in (*appenders, *erasers):
        thread.join()
    over.set()
    keeper.join()
    assert failures == []
    rows = ground.rows()
    assert rows.select("partition", "offset").rows() == [(p, 3 * number + 1) for p in range(2) for number in range(15)]
    assert set(rows["subject_id"]) == {person(2)}
    assert ground.holding(1) == ground.holding(3) == []


def test_files_that_maintenance_replaced_before_are_deleted_too(ground, tmp_path):
    table = ground.table()
    for number in range(12):
        append(table, [of_person(1 + number % 2, number)])
    ground.maintenance().run()
    made = ground.erasure(1).run(tmp_path / "c.json")
    assert made.tables[0].deleted == 7  # the merged one and the six of before
    assert ground.holding(1) == []
    assert len(ground.rows()) == 6


def test_a_file_too_large_for_one_request_is_read_in_parts(ground, tmp_path):
    noise = [os.urandom(600_000).hex() for _ in range(40)]
    append(ground.table(), [of_person(1 + n % 2, text) for n, text in enumerate(noise)])
    assert max(path.stat().st_size for path in ground.folder.rglob("*.parquet")) > 16_000_000
    ground.erasure(1).run(tmp_path / "c.json")
    assert ground.rows()["subject_id"].to_list() == [person(2)] * 20
    assert ground.holding(1) == []


def test_a_commit_whose_answer_is_lost_is_found_by_the_next_run(ground, tmp_path):
    append(ground.table(), [of_person(1, "a"), of_person(2, "b")])
    ground.erase_up_to(f"after:{ErasureStep.SUPPRESS}", tmp_path)
    with S3Proxy(ground.s3.port, loses_answer_to="_delta_log/00000000000000000003.json") as proxy:
        with pytest.raises(TableError) as refused:
            ground.erasure(1, port=proxy.port).run(tmp_path / "c.json")
        assert "\n" not in str(refused.value)
    made = ground.erasure(1).run(tmp_path / "c.json")
    assert (made.tables[0].rows, made.tables[0].versions) == ({interaction()["signature"]: 1}, [3])
    assert offsets(ground) == [1]
    assert ground.holding(1) == []


@pytest.mark.parametrize("away_from", ["", "_probe", "_delta_log", "ingest_date"])
def test_a_store_that_is_away_is_one_line(ground, tmp_path, away_from):
    append(ground.table(), [of_person(1, "a"), of_person(2, "b")])
    ground.erase_up_to(f"after:{ErasureStep.SUPPRESS}", tmp_path)
    with S3Proxy(ground.s3.port, away_from=away_from) as proxy:
        with pytest.raises(TableError) as refused:
            ground.erasure(1, port=proxy.port).run(tmp_path / "c.json")
        assert "\n" not in str(refused.value)
        assert "restore it from a backup" not in str(refused.value)
        assert not (tmp_path / "c.json").exists()
    ground.erasure(1).run(tmp_path / "c.json")
    assert offsets(ground) == [1]


def test_old_files_that_the_store_does_not_give_are_not_taken_for_damaged(ground, tmp_path):
    append(ground.table(), [of_person(1, "a"), of_person(2, "b")])
    (old,) = (path.name for path in ground.folder.rglob("*.parquet"))
    ground.erase_up_to(f"before:{ErasureStep.PURGE}", tmp_path)
    with (
        S3Proxy(ground.s3.port, away_from=old) as proxy,
        pytest.raises(TableError, match="old files cannot be looked through"),
    ):
        ground.erasure(1, port=proxy.port).run(tmp_path / "c.json")
    assert not (tmp_path / "c.json").exists()
    assert ground.holding(1)
    ground.erasure(1).run(tmp_path / "c.json")
    assert ground.holding(1) == []


def test_damaged_objects_of_nobody_are_told_and_one_of_the_table_is_no_success(ground, tmp_path):
    append(ground.table(), [of_person(1, "a"), of_person(2, "b")])
    store = store_at(ground.uri, ground.options())
    torn = b"PAR1" + b"\xff" * 99 + (80).to_bytes(4, "little") + b"PAR1"  # of this Arrow makes an OSError
    for name, content in (("0", b""), ("1", b"rubbish" * 99), ("2", torn)):
        store.stage(f"ingest_date=2026-11-27/{name}.parquet").write(content)
        store.publish(f"ingest_date=2026-11-27/{name}.parquet")
    made = ground.erasure(1).run(tmp_path / "c.json")
    assert made.tables[0].unreadable == [f"{ground.uri}/ingest_date=2026-11-27/{n}.parquet" for n in range(3)]
    (named,) = [path for path in ground.folder.rglob("*.parquet") if path.stem not in {"0", "1", "2"}]
    named.write_bytes(b"rubbish" * 99)
    with pytest.raises(TableError, match="nobody knows whose rows"):
        ground.erasure(2).run(tmp_path / "d.json")


def test_a_versioned_bucket_is_told_of_and_what_the_docs_say_empties_it(s3, tmp_path):
    bucket = s3.versioned_bucket()
    ground = Ground(s3, f"s3://{bucket.name}/interactions")
    append(ground.table(), [of_person(1, "a"), of_person(2, "b")])
    made = ground.erasure(1).run(tmp_path / "c.json")
    assert made.tables[0].keeps_deleted
    assert any("keeps old versions of deleted objects" in line for line in made.not_touched)
    kept = [version for version in bucket.object_versions.filter(Prefix="interactions") if version.size]
    assert sum(_holds(version, tmp_path) for version in kept) == 1
    for version in bucket.object_versions.filter(Prefix="interactions"):
        if not version.is_latest:
            version.delete()
    assert not any(_holds(version, tmp_path) for version in bucket.object_versions.filter(Prefix="interactions"))
    assert ground.rows()["subject_id"].to_list() == [person(2)]
    append(ground.table(), [of_person(1, "again"), of_person(2, "c")])  # the table works on
    assert len(ground.rows()) == 2


def _holds(version, tmp_path):
    """Tell whether an object's version is a file with the person's rows."""
    if not version.size or not version.object_key.endswith(".parquet"):
        return False
    path = tmp_path / "version.parquet"
    path.write_bytes(version.get()["Body"].read())
    return person(1) in pl.read_parquet(path, columns=["subject_id"])["subject_id"]


def test_the_command(with_sides, tmp_path, monkeypatch, capsys):
    ground = with_sides
    monkeypatch.chdir(tmp_path)
    config = {"dataset": {"path": str(tmp_path / "other"), "storage_options": ground.s3.options()}}
    (tmp_path / "headrace.json").write_text(json.dumps(config))
    command = ["erase", "--pseudonym", person(1), "--table", ground.uri, "--config", "headrace.json"]
    assert main(command) in (0, None)
    said = capsys.readouterr().out
    assert "nothing was changed" in said
    assert offsets(ground) == [0, 1]
    assert main([*command, "--apply"]) in (0, None)
    said = capsys.readouterr().out
    for beside in (ground.uri, sightings_path(ground.uri), feedback_beside(ground.uri)):
        assert f"{beside}: " in said
    assert "uploads in parts that a killed process began" in said
    assert offsets(ground) == [1]


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("s3://headrace/nothing-here", "no Delta table here; check dataset.path, or give --table"),
        ("s3://no-such-bucket/table", "NoSuchBucket: The specified bucket does not exist"),
        ("gopher://bucket/table", "gopher is not supported"),
    ],
)
def test_a_place_without_a_table_is_one_line(s3, tmp_path, capsys, place, line):
    (tmp_path / "headrace.json").write_text(json.dumps({"dataset": {"storage_options": s3.options()}}))
    ended = main(["erase", "--request", "r", "--table", place, "--config", str(tmp_path / "headrace.json")])
    told = capsys.readouterr()
    assert (ended, told.out, len(told.err.splitlines())) == (1, "", 1)
    assert line in told.err
