"""A table in a real S3-compatible server: written, read, maintained, verified; and stores that are not to be used."""

import datetime as dt
import itertools
import json
import os
import threading
import time
import uuid

import duckdb
import polars as pl
import pytest
from deltalake import DeltaTable

from headrace.config.consumers import Dataset
from headrace_consumers.cli import main
from headrace_consumers.dataset.delta.files import write_files
from headrace_consumers.dataset.delta.moves import Move
from headrace_consumers.dataset.delta.rows import to_rows
from headrace_consumers.dataset.delta.store_at import store_at
from headrace_consumers.dataset.delta.table import InteractionTable
from headrace_consumers.dataset.errors import Fenced, TableError
from headrace_consumers.dataset.landing import commit_files
from headrace_consumers.dataset.rebuild import refuse_in_rebuild
from headrace_consumers.dataset.upkeep.maintenance import Maintenance
from tests.support.interactions import interaction, kept, message_of
from tests.support.s3_proxy import S3Proxy


class Ground:
    """A name in the bucket, and the ways to it."""

    def __init__(self, s3):
        self.s3 = s3
        self.name = uuid.uuid4().hex
        self.uri = s3.uri(self.name)

    def store(self, port=None, **options):
        hurried = {"max_retries": "0", "retry_timeout": "1s"}
        return store_at(self.uri, {**self.s3.options(port), **hurried, **options})

    def table(self, port=None, **options):
        return InteractionTable(self.store(port, **options), sleep=lambda _: None)

    def rows(self):
        return pl.from_arrow(self.store().handle().to_pyarrow_table()).sort("partition", "offset")

    def offsets(self):
        return list(self.rows().select("partition", "offset").iter_rows())


@pytest.fixture
def ground(s3):
    return Ground(s3)


def files_of(table, *questions, partition=0, first_offset=0):
    records = [interaction(question) for question in questions]
    messages = [message_of(record, first_offset + i, partition) for i, record in enumerate(records)]
    rows = to_rows(kept(records, messages), "topic", "id")
    return write_files(table.store, rows, table.layout)


def append(table, offset, partition=0):
    files = files_of(table, f"{partition}/{offset}", partition=partition, first_offset=offset)
    commit_files(table, files, [Move(f"id/{partition}", offset or None, offset + 1)])


def test_rows_and_offsets_stand_in_one_commit(ground):
    table = ground.table()
    for offset in range(3):
        append(table, offset)
    assert ground.offsets() == [(0, 0), (0, 1), (0, 2)]
    again = ground.table()
    assert (again.position("id/0"), again.version, again.store.is_remote) == (3, 3, True)
    assert [len(rows.keys) for rows in again.key_rows("id", 0, from_offset=2)] == [1]
    assert sum(len(rows) for rows in again.key_rows()) == 3


def test_nothing_is_left_of_the_probe(ground):
    ground.table()
    assert ground.s3.objects(ground.name) == {f"_delta_log/{0:020}.json"}


def test_of_two_members_with_one_batch_one_is_fenced_and_leaves_no_file(ground):
    one, other = ground.table(), ground.table()
    append(one, 0)
    before = ground.s3.objects(ground.name)
    with pytest.raises(Fenced):
        append(other, 0)
    assert ground.s3.objects(ground.name) == before
    assert ground.offsets() == [(0, 0)]


def test_members_that_race_lose_no_row_and_write_none_twice(ground):
    tables = [ground.table() for _ in range(4)]
    barrier = threading.Barrier(len(tables))
    failed = []

    def work(partition):
        barrier.wait()
        try:
            for offset in range(10):
                append(tables[partition], offset, partition)
        except Exception as error:  # told below
            failed.append(error)

    threads = [threading.Thread(target=work, args=(partition,)) for partition in range(len(tables))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert ground.offsets() == list(itertools.product(range(4), range(10)))


def test_a_store_that_ignores_the_condition_is_refused_in_one_line(ground):
    with (
        S3Proxy(ground.s3.port, overwrites_in=ground.s3.data) as proxy,
        pytest.raises(TableError, match=r"has no conditional put \(If-None-Match\)") as refused,
    ):
        ground.table(proxy.port)
    assert "\n" not in str(refused.value)
    assert ground.s3.objects(ground.name) == set()


def test_conditional_put_that_is_switched_off_is_refused(ground):
    with pytest.raises(TableError, match="has no conditional put"):
        ground.table(aws_conditional_put="disabled")


@pytest.mark.parametrize(
    "options",
    [{"aws_secret_access_key": "wrong"}, {"aws_endpoint_url": "http://127.0.0.1:1"}, {"aws_allow_http": "false"}],
)
def test_a_store_that_cannot_be_written_is_one_line(ground, options):
    with pytest.raises(TableError, match="cannot write to the store") as refused:
        ground.table(**options)
    assert "\n" not in str(refused.value)
    assert "headrace-test-secret" not in str(refused.value)


def test_credentials_of_the_environment_are_enough(ground, monkeypatch):
    for name, value in ground.s3.options().items():
        monkeypatch.setenv(name.upper(), value)
    append(InteractionTable(store_at(ground.uri)), 0)
    assert ground.offsets() == [(0, 0)]


def test_a_store_that_is_away_is_one_line_and_the_batch_can_be_tried_again(ground):
    with S3Proxy(ground.s3.port) as proxy:
        table = ground.table(proxy.port)
        append(table, 0)
        proxy.away_from = ""
        with pytest.raises((TableError, OSError)):
            append(table, 1)
        proxy.away_from = None
        append(table, 1)
    assert ground.offsets() == [(0, 0), (0, 1)]


def test_a_commit_whose_answer_is_lost_keeps_its_files_for_it_has_landed(ground):
    with S3Proxy(ground.s3.port, loses_answer_to="_delta_log/00000000000000000001.json") as proxy:
        table = ground.table(proxy.port)
        with pytest.raises(TableError):
            append(table, 0)
        assert table.is_in_doubt
        proxy.away_from = proxy.loses_answer_to = None
        assert ground.offsets() == [(0, 0)]  # all files of the table are there
        with pytest.raises(Fenced):  # the batch is dropped and the partition starts from the table
            append(table, 0)
        table.refresh()
        assert table.position("id/0") == 1
    assert ground.offsets() == [(0, 0)]


def test_encryption_is_asked_for_with_every_object(ground):
    with S3Proxy(ground.s3.port) as proxy:
        table = ground.table(proxy.port, aws_server_side_encryption="aws:kms", aws_sse_kms_key_id="key-of-ours")
        append(table, 0)
        maintained = Maintenance(table.store, Dataset(), now=lambda: dt.datetime.now(dt.UTC), clock=time.monotonic)
        maintained.run()
        puts = proxy.puts()
    assert {"_probe", "_delta_log", "ingest_date"} <= {name for put in puts for name in _parts(put.path)}
    asked = {
        (
            put.headers.get("x-amz-server-side-encryption"),
            put.headers.get("x-amz-server-side-encryption-aws-kms-key-id"),
        )
        for put in puts
    }
    assert asked == {("aws:kms", "key-of-ours")}


def test_files_are_merged_and_what_nobody_names_is_deleted_in_its_time(ground):
    table = ground.table()
    for offset in range(12):
        append(table, offset)
    old, young = (files_of(table, "nobody's", first_offset=99)[0].path for _ in range(2))
    os.utime(ground.s3.data / "headrace" / ground.name / old, (1, 1))
    before = ground.rows()
    work = Maintenance(table.store, Dataset(), now=lambda: dt.datetime.now(dt.UTC), clock=lambda: 0.0)
    work.run()
    assert (work.done.files_merged, work.done.files_written, work.done.files_deleted) == (12, 1, 1)
    left = ground.s3.objects(ground.name)
    assert (old in left, young in left) == (False, True)
    assert len([name for name in left if name.endswith(".parquet")]) == 14  # those that were merged stay for readers
    assert ground.rows().equals(before)


def test_two_maintainers_do_not_double_rows(ground):
    table = ground.table()
    for offset in range(12):
        append(table, offset)
    now = dt.datetime.now(dt.UTC)
    one, other = (Maintenance(table.store, Dataset(), now=lambda: now, clock=lambda: 0.0) for _ in range(2))
    for _ in range(20):
        one.turn()
        other.turn()
    one.run()
    other.run()
    assert ground.offsets() == [(0, offset) for offset in range(12)]


def test_rows_past_the_retention_go(ground):
    table = ground.table()
    append(table, 0)
    then = dt.datetime.now(dt.UTC) + dt.timedelta(days=100)
    Maintenance(table.store, Dataset(), now=lambda: then, clock=lambda: 0.0).run()
    assert ground.offsets() == []
    assert ground.table().position("id/0") == 1


@pytest.fixture
def configured(ground, tmp_path):
    table = ground.table()
    append(table, 0)
    append(table, 1)
    path = tmp_path / "headrace.json"
    options = {"path": ground.uri, "state_path": str(tmp_path / "state"), "storage_options": ground.s3.options()}
    path.write_text(json.dumps({"dataset": options}))
    return path


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["ls"], "extract_requirements"),
        (["show", "-s", "extract_requirements", "-n", "1"], "0/1"),
        (["sample", "-n", "2"], "0/0"),
        (["query", 'select count(*) as many from dataset where "offset" = 1'], "1"),
        (["verify"], "version 2"),
        (["maintain"], "files in the table"),
    ],
)
def test_the_commands_read_it(configured, capsys, command, told):
    assert main(["dataset", *command, "--config", str(configured)]) in (0, None)
    assert told in capsys.readouterr().out


@pytest.mark.parametrize(
    "refusal",
    [
        ({"aws_secret_access_key": "wrong"}, "SignatureDoesNotMatch: "),
        ({"aws_endpoint_url": "http://127.0.0.1:1", "max_retries": "0"}, "Connection refused"),
    ],
)
@pytest.mark.parametrize("command", ["ls", "verify", "maintain", "trace x", "sample"])
def test_a_store_that_refuses_is_one_line_that_says_why(ground, tmp_path, capsys, command, refusal):
    options, told = refusal
    dataset = {"path": ground.uri, "storage_options": {**ground.s3.options(), **options}}
    (tmp_path / "headrace.json").write_text(json.dumps({"dataset": dataset}))
    assert main(["dataset", *command.split(), "--config", str(tmp_path / "headrace.json")]) == 1
    said = capsys.readouterr()
    assert (said.out, len(said.err.splitlines())) == ("", 1)
    assert told in said.err
    assert ground.uri in said.err
    assert "unexpected" not in said.err
    assert "torn" not in said.err
    assert said.err.rstrip("\n").isprintable()


def test_a_trace_tells_that_there_is_no_table(ground, tmp_path, capsys):
    dataset = {"path": ground.uri, "storage_options": ground.s3.options()}
    (tmp_path / "headrace.json").write_text(json.dumps({"dataset": dataset}))
    assert main(["dataset", "trace", "x", "--config", str(tmp_path / "headrace.json")]) == 1
    assert f"not looked at: {ground.uri}: no Delta table here yet" in capsys.readouterr().out


def test_a_table_built_anew_refuses_whom_the_live_one_refuses(ground):
    live = ground.table()
    live.properties.suppress(["ann"], [], "2026-11-27")
    anew = store_at(f"{ground.uri}-anew", ground.s3.options())
    refuse_in_rebuild(store_at(ground.uri, ground.s3.options()), anew)
    assert InteractionTable(anew).properties.suppression().concerns("ann", "r")


def test_a_table_is_not_built_anew_while_nobody_can_tell_whom_it_must_refuse(ground):
    append(ground.table(), 0)
    with S3Proxy(ground.s3.port, away_from="") as proxy:
        live = ground.store(proxy.port)
        anew = store_at(f"{ground.uri}-anew", ground.s3.options())
        with pytest.raises(TableError, match="cannot see who was erased") as refused:
            refuse_in_rebuild(live, anew)
    assert "\n" not in str(refused.value)
    assert not anew.is_table()


def test_secrets_are_masked(configured, capsys):
    main(["config", "show", "--config", str(configured)])
    shown = capsys.readouterr().out
    assert "headrace-test-secret" not in shown
    assert "aws_endpoint_url" in shown


def test_other_readers(ground):
    table = ground.table()
    append(table, 0)
    options = ground.s3.options()
    handle = DeltaTable(ground.uri, storage_options=options)
    assert handle.to_pyarrow_table().num_rows == 1
    dataset = handle.to_pyarrow_dataset()
    assert duckdb.sql("select count(*) from dataset").fetchall() == [(1,)]
    del dataset
    assert pl.scan_delta(ground.uri, storage_options=options).select(pl.len()).collect().item() == 1


def _parts(path):
    return {part.partition("=")[0] for part in path.replace("%3D", "=").split("/")}
