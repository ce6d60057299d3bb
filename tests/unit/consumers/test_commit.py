"""The protocol's order, and that a failure at any step loses nothing and doubles nothing."""

import errno
import io
import os
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake.exceptions import DeltaError

from headrace.config import load
from headrace.errors import ConfigError
from headrace_consumers.dataset.chunks import CHUNK_RECORDS
from headrace_consumers.dataset.commit import Committer
from headrace_consumers.dataset.delta.table import InteractionTable
from headrace_consumers.dataset.errors import Fenced, TableError
from headrace_consumers.dataset.judging.filter import Filter
from headrace_consumers.dataset.kafka.messages import Messages
from headrace_consumers.dataset.kafka.source import Source
from headrace_consumers.dataset.landing import Landing
from headrace_consumers.dataset.records.columnar import ColumnarDecoder
from headrace_consumers.dataset.seen.seen_file import Origin
from headrace_consumers.dataset.seen.seen_set import DuckDbSeenSet
from headrace_consumers.dataset.sightings import SIGHTINGS
from headrace_consumers.dataset.sightings_table import SightingsTable
from headrace_consumers.dataset.steps import KILL_VARIABLE, Step, hook_from_environment, no_hook
from headrace_consumers.deadletters import DeadLetterError
from tests.support.interactions import MemoryDeadLetters, interaction, kept, message_of

SOURCE = Source("topic", "id", 1)


class Ground:
    """A committer over a real table and a real seen-set in a folder."""

    def __init__(self, folder, hook=no_hook, chunk_records=CHUNK_RECORDS):
        self.table = InteractionTable(folder / "t", sleep=lambda _: None)
        self.sightings = InteractionTable(folder / "t-sightings", SIGHTINGS, sleep=lambda _: None)
        self.seen = DuckDbSeenSet(folder, Origin(self.table.id, "id", 1))
        self.dead_letters = MemoryDeadLetters()
        self.reported = []
        self.points = []
        self.committer = Committer(
            landing=Landing(
                source=SOURCE,
                table=self.table,
                dead_letters=self.dead_letters,
                report_offsets=self.reported.append,
                consumer_name="group headrace/0",
                hook=lambda point: (self.points.append(point), hook(point)),
            ),
            source=SOURCE,
            seen=self.seen,
            decoder=ColumnarDecoder(),
            filter_=Filter(load(None, {}, {}).filters),
            sightings=SightingsTable(self.sightings, SOURCE),
            chunk_records=chunk_records,
        )

    def sighted(self):
        frame = pl.scan_delta(str(self.sightings.path)).select("dedup_key", "offset").collect()
        return frame.sort("offset").rows()

    def files(self):
        return set(self.table.path.glob("ingest_date=*/*"))

    def keys(self):
        return [key for rows in self.table.key_rows() for key in rows.keys]


def is_new(ground):
    messages = Messages.of(BATCH)
    return ground.seen.is_new(messages.fingerprints, messages.partitions)


@pytest.fixture
def ground(tmp_path):
    ground = Ground(tmp_path)
    yield ground
    ground.seen.close()


BATCH = [
    message_of(interaction("a"), 10),
    message_of(b"rubbish", 11, key=b"k"),
    message_of(interaction("a"), 12),
    message_of(interaction("b"), 15),
]


def test_the_steps_come_in_their_order(ground):
    tally = ground.committer.commit(BATCH, {0: None})
    assert ground.points == [f"{edge}:{step}" for step in Step for edge in ("before", "after")]
    assert (tally.kept, tally.duplicates, tally.dead_letters) == (2, 1, {"not_single_object": 1})
    assert ground.table.position("id/0") == 16
    assert ground.seen.watermark(0) == 16
    assert ground.reported == [{0: 16}]
    assert is_new(ground).tolist() == [False, True, False, False]


def test_a_dead_letter_holds_the_original_and_where_it_was(ground):
    ground.committer.commit(BATCH, {0: None})
    (letter,) = ground.dead_letters.letters
    assert (letter["topic"], letter["topic_id"], letter["partition"], letter["offset"]) == ("topic", "id", 0, 11)
    assert (letter["key"], letter["value"], letter["reason"]) == (b"k", b"rubbish", "not_single_object")
    assert letter["consumer"] == "group headrace/0"


def test_copies_within_the_batch_and_of_rows_before_are_sighted(ground):
    ground.committer.commit(BATCH, {0: None})
    ground.committer.commit([message_of(interaction("b"), 16), message_of(interaction("c"), 17)], {0: 16})
    keys = {question: interaction(question)["dedup_key"] for question in "ab"}
    assert ground.sighted() == [(keys["a"], 12), (keys["b"], 16)]


def test_rows_that_another_member_has_committed_are_not_sighted_as_their_own_copies(ground):
    batch = [message_of(interaction(question), offset) for offset, question in enumerate("abc")]
    ground.committer.commit(batch, {0: None})  # by the member before, after the next one has read where to begin
    assert ground.sighted() == []
    with pytest.raises(Fenced, match="id/0 at 3, read from None"):
        ground.committer.commit(batch, {0: None})
    assert ground.sighted() == []


def test_where_the_sightings_cannot_be_written_nothing_is_committed(ground, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(ground.sightings.store, "publish", full)
        with pytest.raises(TableError, match="t-sightings: cannot write"):
            ground.committer.commit(BATCH, {0: None})
    assert (ground.keys(), ground.table.position("id/0")) == ([], None)
    assert ground.committer.commit(BATCH, {0: None}).duplicates == 1
    assert len(ground.sighted()) == 1


def test_of_a_batch_that_is_tried_again_dead_letters_are_written_once(ground, monkeypatch):
    def away(*_arguments, **_options):
        raise TableError("the store is away")

    with monkeypatch.context() as patch:
        patch.setattr(ground.table, "commit", away)
        for _ in range(3):
            with pytest.raises(TableError):
                ground.committer.commit(BATCH, {0: None})
    assert ground.committer.commit(BATCH, {0: None}).dead_letters == {"not_single_object": 1}
    assert len(ground.dead_letters.letters) == 1


def test_without_acknowledged_dead_letters_nothing_is_committed(ground):
    ground.dead_letters.error = DeadLetterError("no")
    with pytest.raises(DeadLetterError):
        ground.committer.commit(BATCH, {0: None})
    assert ground.table.position("id/0") is None
    ground.dead_letters.error = None
    ground.committer.commit(BATCH, {0: None})
    assert len(ground.keys()) == 2


def test_a_fenced_batch_leaves_no_file_behind(ground):
    ground.committer.commit(BATCH, {0: None})
    before = ground.files()
    with pytest.raises(Fenced):
        ground.committer.commit([message_of(interaction("c"), 20)], {0: 7})
    assert ground.files() == before
    assert ground.seen.watermark(0) == 16


@pytest.mark.parametrize("step", ["handle", "sync_log"])
def test_a_commit_that_landed_keeps_its_files_whatever_fails_then(ground, monkeypatch, step):
    table = ground.table
    write = table._write

    def fail(*_):
        raise OSError(5, "no disk")

    def write_and_fail(*arguments):
        write(*arguments)
        monkeypatch.setattr(table.store, step, fail)
        if step == "handle":
            raise DeltaError("a hook failed")

    monkeypatch.setattr(table, "_write", write_and_fail)
    with pytest.raises((TableError, OSError)):
        ground.committer.commit(BATCH, {0: None})
    monkeypatch.undo()
    assert table.is_in_doubt
    table.refresh()
    assert len(ground.keys()) == 2
    with pytest.raises(Fenced):
        ground.committer.commit(BATCH, {0: None})
    assert len(ground.keys()) == 2


def test_an_unwritable_disk_is_one_line(ground):
    date = next(iter(ground.table.path.glob("ingest_date=*")), None)
    assert date is None
    ground.table.path.joinpath("ingest_date=" + _date()).write_text("a file where the folder should be")
    with pytest.raises(TableError, match="nothing is lost"):
        ground.committer.commit(BATCH, {0: None})
    assert ground.table.position("id/0") is None


@pytest.fixture
def in_chunks(tmp_path):
    ground = Ground(tmp_path, chunk_records=1)
    yield ground
    ground.seen.close()


def test_the_chunks_of_a_batch_are_row_groups_of_one_file(in_chunks):
    tally = in_chunks.committer.commit(BATCH, {0: None})
    (path,) = in_chunks.files()
    assert pq.ParquetFile(path).metadata.num_row_groups == 2
    assert (tally.kept, tally.duplicates, tally.dead_letters) == (2, 1, {"not_single_object": 1})
    assert in_chunks.sighted() == [(interaction("a")["dedup_key"], 12)]
    (file,) = pa.table(in_chunks.table._table.get_add_actions(flatten=True)).to_pylist()
    assert (file["num_records"], file["min.offset"], file["max.offset"]) == (2, 10, 15)
    assert is_new(in_chunks).tolist() == [False, True, False, False]


class SmallDisk(io.BytesIO):
    """Takes so many bytes."""

    def __init__(self, room):
        super().__init__()
        self.room = room

    def write(self, data):
        if self.tell() + len(data) > self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(data)


# Nothing fits; the first row group fits; both do, and the file's end does not.
@pytest.mark.parametrize("share", [0, 0.3, 0.5, 0.99])
def test_a_disk_that_fills_up_under_the_batch_is_one_line_and_leaves_nothing(in_chunks, tmp_path, monkeypatch, share):
    other = Ground(tmp_path / "other", chunk_records=1)
    other.committer.commit(BATCH, {0: None})
    room = share * next(iter(other.files())).stat().st_size
    stage = in_chunks.table.store.stage
    sinks = []

    def stage_on_it(name):
        stage(name)
        sinks.append(SmallDisk(room))
        return pa.PythonFile(sinks[-1], "w")

    with monkeypatch.context() as patch:
        patch.setattr(in_chunks.table.store, "stage", stage_on_it)
        with pytest.raises(TableError, match=r"cannot write .*No space left"):
            in_chunks.committer.commit(BATCH, {0: None})
    assert len(sinks) == 1
    assert in_chunks.files() == set()
    assert in_chunks.table.position("id/0") is None
    assert in_chunks.committer.commit(BATCH, {0: None}).kept == 2
    other.seen.close()


def test_a_full_disk_is_told_in_its_own_words(ground, monkeypatch):
    stage = ground.table.store.stage
    with monkeypatch.context() as patch:
        patch.setattr(ground.table.store, "stage", lambda name: stage(name) and Path("/dev/full"))
        with pytest.raises(TableError, match=r"cannot write .*No space left"):
            ground.committer.commit(BATCH, {0: None})
    assert ground.files() == set()
    assert ground.dead_letters.letters == []


def test_who_is_erased_while_the_batch_is_on_its_way_is_left_out_and_so_is_the_file(tmp_path):
    erased = []

    def erase(point):
        if point == "before:files" and not erased:
            erased.append("r1")
            InteractionTable(tmp_path / "t").properties.suppress([], erased, "2026-01-01T00:00:00Z")

    ground = Ground(tmp_path, erase, chunk_records=1)
    records = [interaction("a", request_id="r1"), interaction("b", request_id="r2")]
    tally = ground.committer.commit([message_of(record, n) for n, record in enumerate(records)], {0: None})
    assert (tally.kept, tally.rejected, len(ground.files())) == (1, {"suppressed": 1}, 1)
    assert ground.keys() == [records[1]["dedup_key"]]
    ground.seen.close()


@pytest.mark.parametrize("step", list(Step))
@pytest.mark.parametrize("edge", ["before", "after"])
def test_interrupted_anywhere_and_started_again_the_table_is_the_same(tmp_path, edge, step):
    class Interrupted(BaseException):
        pass

    def interrupt(point):
        if point == f"{edge}:{step}":
            raise Interrupted

    first = Ground(tmp_path, interrupt)
    with pytest.raises(Interrupted):
        first.committer.commit(BATCH, {0: None})
    first.seen.close()

    second = Ground(tmp_path)
    position = second.table.position("id/0")
    left = [message for message in BATCH if message.offset >= (position or 0)]
    if left:
        second.committer.commit(left, {0: position})
    wanted = sorted(interaction(q)["dedup_key"] for q in ("a", "b"))
    assert sorted(second.keys()) == wanted
    assert second.table.position("id/0") == 16
    letters = {(letter["partition"], letter["offset"]) for letter in first.dead_letters.letters}
    letters |= {(letter["partition"], letter["offset"]) for letter in second.dead_letters.letters}
    assert letters == {(0, 11)}
    assert second.sighted() == [(interaction("a")["dedup_key"], 12)]
    second.seen.close()


@pytest.mark.parametrize("value", ["after", "after:lunch", "during:commit", "after:commit:x"])
def test_a_wrong_kill_point_is_one_line(value):
    with pytest.raises(ConfigError, match=KILL_VARIABLE):
        hook_from_environment({KILL_VARIABLE: value})


def test_no_kill_point_is_no_hook():
    assert hook_from_environment({}) is no_hook


def _date():
    from headrace_consumers.dataset.delta.rows import to_rows

    rows = to_rows(kept([interaction("a")], BATCH[:1]), "topic", "id")
    return rows["ingest_date"][0].as_py().isoformat()
