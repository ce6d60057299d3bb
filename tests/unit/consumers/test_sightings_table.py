"""Copies to a table of their own: each once, however batches end and whoever was faster."""

import random

import numpy as np
import polars as pl
import pytest

from headrace_consumers.dataset.delta.table import InteractionTable
from headrace_consumers.dataset.errors import Fenced, TableError
from headrace_consumers.dataset.kafka.message import Message
from headrace_consumers.dataset.kafka.messages import Messages
from headrace_consumers.dataset.kafka.source import Source
from headrace_consumers.dataset.sightings import SIGHTINGS
from headrace_consumers.dataset.sightings_table import SightingsTable
from tests.support.interactions import NOW_MS

SOURCE = Source("topic", "id", 2)


@pytest.fixture
def table(tmp_path):
    return InteractionTable(tmp_path / "table-sightings", SIGHTINGS, sleep=lambda _: None)


@pytest.fixture
def sightings(table):
    return SightingsTable(table, SOURCE)


def copies(*places):
    return Messages.of([Message(partition, offset, b"ab" * 32, b"v", NOW_MS) for partition, offset in places])


def places(table):
    rows = pl.scan_delta(str(table.path)).select("partition", "offset").collect()
    return sorted(rows.rows())


def test_a_batch_without_copies_writes_nothing(table, sightings):
    assert sightings.add(copies(), {0: 90}) == 0
    assert (table.version, table.position("id/0")) == (0, None)


def test_copies_are_there_with_the_offsets_up_to_which_they_were_looked_for(table, sightings):
    assert sightings.add(copies((0, 3), (0, 5), (1, 2)), {0: 9, 1: 4}) == 3
    assert places(table) == [(0, 3), (0, 5), (1, 2)]
    assert (table.position("id/0"), table.position("id/1")) == (9, 4)


def test_what_is_there_already_is_left_out(table, sightings):
    sightings.add(copies((0, 3), (0, 5)), {0: 6})
    version = table.version
    assert sightings.add(copies((0, 3), (0, 5)), {0: 6}) == 0
    assert table.version == version
    assert sightings.add(copies((0, 5), (0, 8), (1, 0)), {0: 10, 1: 1}) == 2
    assert places(table) == [(0, 3), (0, 5), (0, 8), (1, 0)]


def test_a_partition_of_which_nothing_is_new_is_not_moved_back(table, sightings):
    sightings.add(copies((0, 3), (0, 30)), {0: 40})
    assert sightings.add(copies((0, 3), (1, 1)), {0: 10, 1: 2}) == 1
    assert (table.position("id/0"), table.position("id/1")) == (40, 2)


@pytest.mark.parametrize("seed", range(8))
def test_each_is_there_once_wherever_batches_end_and_however_often_they_are_read_again(table, sightings, seed):
    draw = random.Random(seed)
    offsets = sorted(draw.sample(range(300), 60))
    position = 0
    while position < 300:
        target = min(300, position + draw.randrange(1, 80))
        sightings.add(copies(*((0, o) for o in offsets if position <= o < target)), {0: target})
        if draw.random() < 0.5:  # the dataset's commit came too
            position = target
    assert places(table) == [(0, offset) for offset in offsets]


def test_of_two_at_once_one_is_told_to_begin_again(table, sightings, monkeypatch):
    other = InteractionTable(table.path, SIGHTINGS, sleep=lambda _: None)
    write = table.commit

    def late(*arguments, **options):
        monkeypatch.setattr(table, "commit", write)
        SightingsTable(other, SOURCE).add(copies((0, 3)), {0: 4})
        return write(*arguments, **options)

    monkeypatch.setattr(table, "commit", late)
    with pytest.raises(Fenced):
        sightings.add(copies((0, 3), (0, 5)), {0: 6})
    assert places(table) == [(0, 3)]
    assert len(list(table.path.glob("ingest_date=*/*.parquet"))) == 1
    sightings.add(copies((0, 3), (0, 5)), {0: 6})
    assert places(table) == [(0, 3), (0, 5)]


def test_a_full_disk_is_an_error_that_is_tried_again(table, sightings, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(table.store, "publish", full)
        with pytest.raises(TableError, match="No space left"):
            sightings.add(copies((0, 3)), {0: 4})
    assert places(table) == []
    assert sightings.add(copies((0, 3)), {0: 4}) == 1


def test_what_is_chosen_of_a_batch_keeps_its_order(table, sightings):
    batch = copies((0, 1), (0, 2), (0, 4), (1, 7))
    sightings.add(batch.chosen(np.asarray([1, 3])), {0: 5, 1: 8})
    assert places(table) == [(0, 2), (1, 7)]
