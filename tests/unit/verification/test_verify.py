"""`headrace dataset verify` on real tables: whole ones, and each kind of damage."""

import dataclasses
import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.transaction import AddAction

from headrace.config import load
from headrace_consumers.dataset.delta.known_topics import Gap, KnownTopic
from headrace_consumers.dataset.delta.moves import Move
from headrace_consumers.verification import examination, verify
from tests.support.committing import SOURCE, CommitPath
from tests.support.interactions import interaction, message_of

PLACE = "topic-id/0"


@pytest.fixture
def path(tmp_path):
    """Three commits of five rows each, offsets 0 to 14."""
    path = CommitPath(tmp_path)
    for start in (0, 5, 10):
        path.commit([message_of(interaction(f"question {n}"), n) for n in range(start, start + 5)])
    yield path
    path.close()


def results(tmp_path, **kwargs):
    config = load(None, {"dataset": {"path": str(tmp_path / "table"), "state_path": str(tmp_path / "state")}}, {})
    return {result.check: result for result in verify(config, **kwargs)}


def wrongs(tmp_path, **kwargs):
    return {check: result.what for check, result in results(tmp_path, **kwargs).items() if result.state == "wrong"}


def files(tmp_path):
    return sorted((tmp_path / "table").glob("ingest_date=*/*.parquet"))


def raw_commit(tmp_path, paths, target, **changes):
    """Somebody else's commit of files, past all checks of ours."""
    table = DeltaTable(str(tmp_path / "table"))
    actions = [
        AddAction(
            str(path.relative_to(tmp_path / "table")),
            changes.get("size_bytes", path.stat().st_size),
            {"ingest_date": path.parent.name.removeprefix("ingest_date=")},
            0,
            data_change=True,
            stats=json.dumps(changes.get("stats", {"numRecords": pq.ParquetFile(path).metadata.num_rows})),
        )
        for path in paths
    ]
    table.create_write_transaction(
        actions,
        "append",
        table.schema(),
        ["ingest_date"],
        commit_properties=CommitProperties(app_transactions=[Transaction(PLACE, target)] if target else []),
    )


def copied(tmp_path, number=0):
    source = files(tmp_path)[number]
    target = source.with_name("copy.parquet")
    shutil.copy(source, target)
    return target


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("full", [False, True])
def test_a_whole_table_is_ok_in_each_line(tmp_path, full):
    found = results(tmp_path, full=full)
    assert {check: result.state for check, result in found.items()} == {
        "log": "ok",
        "files": "ok",
        "keys": "ok",
        "offsets": "ok",
        "commits": "ok",
        "seen-set": "note",
        "Kafka": "note",
    }
    assert found["keys"].what == "15 rows, each with a key of its own"
    assert found["commits"].what.startswith("the last 3 go on")


def test_an_empty_table_is_ok(tmp_path):
    CommitPath(tmp_path).close()
    assert wrongs(tmp_path) == {}


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (lambda path: path.unlink(), "it is not there"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "bytes, and"),
        (lambda path: path.write_bytes(bytes(path.stat().st_size)), "ArrowInvalid"),
        (lambda path: path.write_bytes(b"PAR1" + bytes(path.stat().st_size - 4)), "ArrowInvalid"),
    ],
    ids=["missing", "short", "zeros", "no footer"],
)
def test_a_file_that_cannot_be_relied_on_is_named(tmp_path, damage, what):
    victim = files(tmp_path)[1]
    damage(victim)
    found = wrongs(tmp_path)
    assert list(found) == [f"file {victim.relative_to(tmp_path / 'table')}"]
    assert what in next(iter(found.values()))


@pytest.mark.usefixtures("path")
def test_a_damaged_payload_is_found_where_payloads_are_read(tmp_path):
    victim = files(tmp_path)[0]
    columns = pq.ParquetFile(victim).metadata.row_group(0)
    chunk = next(columns.column(n) for n in range(columns.num_columns) if columns.column(n).path_in_schema == "input")
    content = bytearray(victim.read_bytes())
    start = chunk.data_page_offset
    content[start : start + chunk.total_compressed_size] = bytes(chunk.total_compressed_size)
    victim.write_bytes(content)
    assert wrongs(tmp_path) == {}
    assert list(wrongs(tmp_path, full=True)) == [f"file {victim.relative_to(tmp_path / 'table')}"]


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"stats": {"numRecords": 4}}, "it has 5 rows, and 4 in the log"),
        ({"size_bytes": 17}, "and 17 in the log"),
        (
            {"stats": {"numRecords": 5, "minValues": {"offset": 9_000}, "maxValues": {"offset": 9_000}}},
            "in the log from 9000 to 9000",
        ),
    ],
)
def test_a_log_that_says_otherwise_than_the_file(tmp_path, changes, what):
    raw_commit(tmp_path, [copied(tmp_path)], None, **changes)
    found = wrongs(tmp_path)
    assert any(what in each for each in found.values())


@pytest.mark.usefixtures("path")
def test_keys_in_several_rows_are_named_with_their_places(tmp_path):
    twice = pq.read_table(files(tmp_path)[0])["dedup_key"].to_pylist()
    raw_commit(tmp_path, [copied(tmp_path)], None)
    found = wrongs(tmp_path)
    assert len(found) == 5
    assert set(found) == {f"key {key[:16]}..." for key in twice}
    assert all(f"it stands in 2 rows: {SOURCE.topic}/0/" in what for what in found.values())


@pytest.mark.usefixtures("path")
def test_two_keys_with_one_fingerprint_are_not_one(tmp_path):
    victim = files(tmp_path)[0]
    rows = pq.read_table(victim, partitioning=None)
    keys = rows["dedup_key"].to_pylist()
    keys[1] = keys[0][:16] + keys[1][16:]
    rows = rows.set_column(rows.schema.get_field_index("dedup_key"), "dedup_key", pa.array(keys))
    target = victim.with_name("changed.parquet")
    pq.write_table(rows.slice(1, 1), target)
    raw_commit(tmp_path, [target], None)
    assert not any(check.startswith("key") for check in wrongs(tmp_path))


@pytest.mark.usefixtures("path")
def test_a_key_that_is_none(tmp_path):
    rows = pq.read_table(files(tmp_path)[0], partitioning=None).slice(0, 1)
    rows = rows.set_column(rows.schema.get_field_index("dedup_key"), "dedup_key", pa.array(["A" * 64]))
    target = files(tmp_path)[0].with_name("odd.parquet")
    pq.write_table(rows, target)
    raw_commit(tmp_path, [target], None)
    assert wrongs(tmp_path)["keys"].startswith("1 rows have a dedup_key that is not 64 hex digits")


def test_rows_beyond_the_tables_position(tmp_path, path):
    rows = pq.read_table(files(tmp_path)[0], partitioning=None).slice(0, 1)
    for name, value in (("offset", 99), ("dedup_key", "0" * 64)):
        at = rows.schema.get_field_index(name)
        rows = rows.set_column(at, name, pa.array([value], rows.schema.field(at).type))
    target = files(tmp_path)[0].with_name("beyond.parquet")
    pq.write_table(rows, target)
    raw_commit(tmp_path, [target], None)
    assert wrongs(tmp_path) == {
        "offsets of interactions/0": "a row has offset 99, but the table says it has read offset 14: a commit was torn"
    }
    del path


def test_a_commit_that_passes_offsets_over(tmp_path, path):
    raw_commit(tmp_path, [], 20)
    path._position = 20
    path.commit([message_of(interaction("later"), 20)])
    assert wrongs(tmp_path) == {"commit 5": f"{PLACE} goes on at 20, and was read to 15"}


def test_a_gap_that_was_accepted_is_told_and_is_no_fault(tmp_path, path):
    gap = Gap("interactions", "topic-id", 0, 15, 20, "2026-03-02T09:00:00+00:00")
    known = KnownTopic("topic-id", 1, (0,))
    path.table.properties.remember(lambda topics: topics.with_topic("interactions", known).with_gaps(gap))
    path.table.commit([], [Move(PLACE, 15, 20)])
    path._position = 20
    path.commit([message_of(interaction("later"), 20)])
    found = results(tmp_path)
    assert not any(result.state == "wrong" for result in found.values())
    assert found["gap of interactions/0"].what == "offsets 15 to 19 were given up on 2026-03-02"


def test_an_offset_before_the_topics_beginning(tmp_path, path):
    path.table.properties.remember(lambda topics: topics.with_topic("interactions", KnownTopic("topic-id", 1, (3,))))
    assert "before the beginning at 3" in wrongs(tmp_path)["offsets of interactions/0"]


class Broker:
    """Answers as Kafka's administrative side does."""

    def __init__(self, source, oldest, ends):
        self.source, self._oldest, self._ends = source, oldest, ends

    def describe(self):
        return self.source

    def oldest(self, _source):
        return self._oldest

    def ends(self, _source):
        return self._ends


@pytest.mark.parametrize(
    ("changes", "holds", "state", "what"),
    [
        ({}, (0, 40), "ok", "Kafka holds all that the table has not read: 25 offsets"),
        ({}, (15, 15), "ok", "0 offsets"),
        ({}, (17, 40), "wrong", "Kafka no longer holds 15 to 16, which the table has not read"),
        ({}, (0, 14), "wrong", "Kafka ends at 14, and the table has read to 15"),
        ({"topic_id": "other"}, (0, 40), "wrong", "it is not the topic that the table was built from"),
        ({"partition_count": 2}, (0, 40), "wrong", "it has 2 partitions, and the table was built with 1"),
    ],
)
def test_what_kafka_holds(tmp_path, path, monkeypatch, *, changes, holds, state, what):
    path.table.properties.remember(lambda topics: topics.with_topic("interactions", KnownTopic("topic-id", 1, (0,))))
    source = dataclasses.replace(SOURCE, **changes)
    count = range(source.partition_count)
    broker = Broker(source, *(dict.fromkeys(count, offset) for offset in holds))
    monkeypatch.setattr(examination, "TopicAdmin", lambda _: broker)
    config = load(None, {"dataset": {"path": str(tmp_path / "table")}, "kafka": {"bootstrap_servers": "x:1"}}, {})
    (found,) = [result for result in verify(config) if "interactions" in result.check]
    assert found.state == state
    assert what in found.what


@pytest.mark.usefixtures("path")
def test_a_torn_last_commit_is_wrong(tmp_path):
    entry = max((tmp_path / "table" / "_delta_log").glob("*.json"))
    entry.write_bytes(b"\n".join(entry.read_bytes().split(b"\n")[:2]) + b"\n")
    assert wrongs(tmp_path)["last commit"] == f"it is torn: {entry.name}"


def test_nothing_is_changed_by_it(tmp_path, path):
    path.close()
    before = {entry: entry.stat().st_mtime_ns for entry in Path(tmp_path).rglob("*")}
    results(tmp_path, full=True)
    assert {entry: entry.stat().st_mtime_ns for entry in Path(tmp_path).rglob("*")} == before
