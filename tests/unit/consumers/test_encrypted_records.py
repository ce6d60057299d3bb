"""From a producer that encrypts to the table: plain rows with the keys, dead letters without, nothing lost between."""

import base64
import dataclasses
import re

import polars as pl
import pytest

from headrace.config import load
from headrace.delivery.finishing import Finisher
from headrace.delivery.protection import Protection
from headrace.key_material import producer_keys, reading_keys
from headrace_consumers.dataset.commit import Committer
from headrace_consumers.dataset.delta.table import InteractionTable
from headrace_consumers.dataset.judging.filter import Filter
from headrace_consumers.dataset.kafka.message import Message
from headrace_consumers.dataset.kafka.source import Source
from headrace_consumers.dataset.landing import Landing
from headrace_consumers.dataset.records.columnar import ColumnarDecoder
from headrace_consumers.dataset.records.decode import FastavroDecoder
from headrace_consumers.dataset.seen.seen_file import Origin
from headrace_consumers.dataset.seen.seen_set import DuckDbSeenSet
from headrace_schemas import interaction_codec
from tests.support.interactions import NOW_MS, MemoryDeadLetters
from tests.unit.headrace.calls import captured_call

ENVIRON = {name: base64.b64encode(bytes([number] * 32)).decode() for number, name in enumerate(["OLD", "NEW", "DEDUP"])}


SOURCE = Source("topic", "id", 1)


def config(write_key, *key_ids):
    keys = {key_id: f"env:{key_id.upper()}" for key_id in key_ids}
    return load(None, {"encryption": {"write_key": write_key, "keys": keys, "dedup_key": "env:DEDUP"}}, {})


def sent(write_key, question, offset):
    """The message of a call by a producer that writes with a key."""
    producer = config(write_key, write_key)
    finisher = Finisher(producer, "host-1", Protection(producer, producer_keys(producer, ENVIRON)))
    call = captured_call(offset, input={"question": question}, output={"answer": "because"}, timestamp_ms=NOW_MS)
    record, _ = finisher.finish(call)
    return Message(0, offset, record["dedup_key"].encode(), interaction_codec().encode(record), NOW_MS)


class Ground:
    def __init__(self, folder, keys):
        self.table = InteractionTable(folder / "t", sleep=lambda _: None)
        self.seen = DuckDbSeenSet(folder, Origin(self.table.id, "id", 1))
        self.dead_letters = MemoryDeadLetters()
        self.keys = keys

    def commit(self, messages, start):
        return Committer(
            landing=Landing(
                source=SOURCE,
                table=self.table,
                dead_letters=self.dead_letters,
                report_offsets=lambda _: None,
            ),
            source=SOURCE,
            seen=self.seen,
            decoder=ColumnarDecoder(FastavroDecoder(keys=self.keys)),
            filter_=Filter(load(None, {}, {}).filters),
        ).commit(messages, {0: start})

    def questions(self):
        return sorted(pl.read_delta(str(self.table.path))["input"].to_list())


@pytest.fixture
def ground(tmp_path):
    ground = Ground(tmp_path, reading_keys(config(None, "old", "new"), ENVIRON))
    yield ground
    ground.seen.close()


def test_rows_are_plain_and_a_key_change_in_between_makes_no_duplicate(ground):
    messages = [sent("old", "why?", 0), sent("new", "why?", 1), sent("new", "how?", 2)]
    assert not re.search(rb"why|how|because", b"".join(message.value for message in messages))
    tally = ground.commit(messages, None)
    assert (tally.kept, tally.duplicates, tally.dead_letters.total()) == (2, 1, 0)
    assert ground.questions() == ['{"question":"how?"}', '{"question":"why?"}']


def test_without_the_key_a_record_is_a_dead_letter_and_its_replay_finds_the_key(ground):
    keys, ground.keys = ground.keys, {}
    tally = ground.commit([sent("new", "why?", 0)], None)
    assert tally.dead_letters == {"undecryptable": 1}
    assert tally.balances
    (letter,) = ground.dead_letters.letters
    assert b"why" not in letter["value"]
    ground.keys = keys
    replayed = dataclasses.replace(sent("new", "x", 1), key=letter["key"], value=letter["value"])
    assert ground.commit([replayed], 1).kept == 1
    assert ground.questions() == ['{"question":"why?"}']


def test_the_filter_judges_the_plain_output(ground):
    producer = config("new", "new")
    finisher = Finisher(producer, "host-1", Protection(producer, producer_keys(producer, ENVIRON)))
    record, _ = finisher.finish(captured_call(output={"answer": ""}, timestamp_ms=NOW_MS))
    message = Message(0, 0, record["dedup_key"].encode(), interaction_codec().encode(record), NOW_MS)
    assert ground.commit([message], None).rejected == {"quality": 1}
