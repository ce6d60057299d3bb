"""The protocol's order, and that a failure at any step loses nothing and doubles nothing."""

import polars as pl
import pytest
from deltalake.exceptions import DeltaError

from headrace.config import load
from headrace.errors import ConfigError
from headrace_consumers.dataset.commit import Committer
from headrace_consumers.dataset.delta.table import InteractionTable
from headrace_consumers.dataset.errors import Fenced, TableError
from headrace_consumers.dataset.judging.filter import Filter
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

    def __init__(self, folder, hook=no_hook):
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
        )

    def sighted(self):
        frame = pl.scan_delta(str(self.sightings.path)).select("dedup_key", "offset").collect()
        return frame.sort("offset").rows()

    def keys(self):
        return [key for rows in self.table.key_rows() for key in rows.keys]


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
    assert ground.seen.is_new([message.key for message in BATCH], [0] * 4).tolist() == [False, True, False, False]


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
    before = set(ground.table.path.glob("ingest_date=*/*"))
    with pytest.raises(Fenced):
        ground.committer.commit([message_of(interaction("c"), 20)], {0: 7})
    assert set(ground.table.path.glob("ingest_date=*/*")) == before
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

    rows, _ = to_rows(kept([interaction("a")], BATCH[:1]), "topic", "id")
    return rows["ingest_date"][0].as_py().isoformat()
