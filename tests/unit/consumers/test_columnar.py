"""The columnar decoder and the reference say the same of every mix of messages."""

import io
import json
from pathlib import Path

import fastavro
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.config import load
from headrace_consumers.dataset.judging.filter import Filter
from headrace_consumers.dataset.kafka.message import Message
from headrace_consumers.dataset.records.columnar import ColumnarDecoder
from headrace_consumers.dataset.records.decode import Decoded, FastavroDecoder
from headrace_consumers.dataset.records.filled import filled_share
from headrace_consumers.dataset.records.frame import frame_of
from headrace_schemas import Registry, interaction_codec
from headrace_schemas.codec import MARKER
from headrace_schemas.registry import fingerprint_of
from tests.support.interactions import NOW_MS, interaction, message_of
from tests.support.mutation import mutants
from tests.support.poison import POISON

OLDER = Path(__file__).parents[2] / "fixtures" / "schemas" / "interaction.older.avsc"
REGISTRY = Registry([OLDER])
REFERENCE = FastavroDecoder(REGISTRY)
DECODER = ColumnarDecoder(REFERENCE)
SCHEMA = Registry().current("headrace.v1.Interaction")
ENCODE = interaction_codec().encode


class Forbidden:
    """A reference that must not be asked."""

    def decode(self, messages):
        assert list(messages) == []
        return []


def agree(messages):
    columns = DECODER.decode(messages)
    expected = REFERENCE.decode(messages)
    readable = {place: result for place, result in enumerate(expected) if isinstance(result, Decoded)}
    assert columns.at.tolist() == list(readable)
    assert columns.unreadable == {place: r for place, r in enumerate(expected) if place not in readable}
    for row, filled, result in zip(
        columns.records.iter_rows(named=True), columns.filled.tolist(), readable.values(), strict=True
    ):
        assert repr(row) == repr({name: result.record[name] for name in row})  # repr tells -0.0 from 0.0
        assert filled == filled_share(result.output)


def older(question):
    """The message of a producer of an earlier release."""
    schema = json.loads(OLDER.read_text())
    buffer = io.BytesIO(MARKER + fingerprint_of(schema))
    buffer.seek(0, io.SEEK_END)
    record = {**interaction(question), "error": None}
    fastavro.schemaless_writer(buffer, schema, {f["name"]: record[f["name"]] for f in schema["fields"]})
    return buffer.getvalue(), record["dedup_key"].encode()


def test_what_is_plainly_right_never_reaches_the_reference():
    draw = [interaction(number, error=None if number % 2 else "lily", success=bool(number % 2)) for number in range(50)]
    draw += [interaction("größe ✓ \U0001f600", attributes='{"a":[1,{"b":null}]}', latency_ms=0.0, tokens=None)]
    draw += [interaction("o", capture_level="outcome", dedup_key="event-1", input="{}", output="{}")]
    columns = ColumnarDecoder(Forbidden()).decode([message_of(record, n) for n, record in enumerate(draw)])
    assert columns.records.rows(named=True) == draw
    assert columns.unreadable == {}


def test_no_messages_are_no_rows():
    columns = DECODER.decode([])
    assert (columns.records.shape, len(columns.filled), columns.unreadable) == ((0, len(SCHEMA["fields"])), 0, {})


def test_strings_of_every_length_around_the_one_that_a_view_holds_itself():
    texts = ["0123456789abcdefgh"[:length] for length in range(19)] + ["ü" * length for length in range(1, 9)]
    draw = [
        interaction(number, service=text, model=None if number % 3 else text, error=text[::-1], success=False)
        for number, text in enumerate(texts)
    ]
    columns = ColumnarDecoder(Forbidden()).decode([message_of(record, n) for n, record in enumerate(draw)])
    assert columns.records.rows(named=True) == draw
    assert columns.records["service"].unique(maintain_order=True).to_list() == list(dict.fromkeys(texts))
    assert columns.records.filter(pl.col("service") == "0123456789ab")["event_id"].len() == 1


def test_without_a_compiler_all_is_the_reference_s():
    messages = [message_of(interaction(1)), message_of(b"noise", 1), message_of(interaction(2), 2)]
    fast, slow = DECODER.decode(messages), ColumnarDecoder(REFERENCE, is_compiled=False).decode(messages)
    assert slow.records.equals(fast.records)
    assert (slow.at.tolist(), slow.filled.tolist()) == (fast.at.tolist(), fast.filled.tolist())
    assert slow.unreadable == fast.unreadable


def test_all_poison_at_once():
    agree([Message(0, offset, poison.key, poison.value, NOW_MS) for offset, poison in enumerate(POISON)])


@pytest.mark.parametrize("poison", POISON, ids=lambda poison: poison.name)
def test_one_poisoned_message_among_good_ones(poison):
    agree([message_of(interaction(1)), Message(0, 1, poison.key, poison.value, NOW_MS), message_of(interaction(2))])


@pytest.mark.parametrize("seed", range(20))
def test_mutated_messages(seed):
    agree(list(mutants(500, seed)))


def test_an_older_producer_s_record_among_new_ones():
    value, key = older("old")
    messages = [message_of(interaction(1)), Message(0, 1, key, value, NOW_MS), message_of(interaction(2))]
    agree(messages)
    assert DECODER.decode(messages).at.tolist() == [0, 1, 2]


@pytest.mark.parametrize("at", range(4))
def test_a_message_that_holds_the_next_one_s_beginning(at):
    """Together the bytes are right, and only the border is wrong: a columnar reader alone would see nothing."""
    values = [ENCODE(interaction(number)) for number in range(4)]
    whole = b"".join(values)
    border = sum(map(len, values[: at + 1])) + 5
    first = sum(map(len, values[:at]))
    split = [*values[:at], whole[first:border], whole[border:]]
    agree([Message(0, n, interaction(n)["dedup_key"].encode(), value, NOW_MS) for n, value in enumerate(split)])


def test_each_byte_changed_to_some_others():
    """Union branches, booleans, lengths, varints: what polars reads more loosely than the reference does."""
    record = interaction("q", error=None, tokens=3)
    value, key = ENCODE(record), record["dedup_key"].encode()
    for byte in (0, 1, 2, 3, 4, 6, 0x7F, 0x80, 0xFF):
        messages = [
            Message(0, at, key, value[:at] + bytes([byte]) + value[at + 1 :], NOW_MS) for at in range(len(value))
        ]
        agree(messages)


def shapes(number):
    good = ENCODE(interaction(number))
    return {
        "good": good,
        "double": good + good,
        "two datums": good + good[10:],
        "trailing": good + b"\0",
        "short": good[:-1],
        "empty": b"",
        "tombstone": None,
        "no UTF-8": good.replace(b"production", b"producti\xffn"),
        "wide boolean": good.replace(b"\x02\x01", b"\x02\x02", 1),
        "older": older(number)[0],
    }


@settings(max_examples=100)
@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.sampled_from(sorted(shapes(0))), st.booleans(), st.booleans()), max_size=30
    )
)
def test_every_mix_of_good_and_bad(drawn):
    agree(
        [
            Message(
                0,
                offset,
                interaction(number)["dedup_key"].encode() if has_key else b"other",
                shapes(number)[shape],
                NOW_MS if has_time else None,
            )
            for offset, (number, shape, has_key, has_time) in enumerate(drawn)
        ]
    )


@settings(max_examples=60)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "signature": st.sampled_from(["a", "b", "c"]),
                "environment": st.sampled_from(["production", "staging"]),
                "success": st.booleans(),
                "truncated": st.booleans(),
                "latency_ms": st.sampled_from([None, 0.0, 99.9, 100.0, 5000.0, 5000.1, 30000.0, 30000.1]),
                "cost_usd": st.sampled_from([None, 0.0, 0.1, 0.2]),
                "tokens": st.sampled_from([None, 49, 50]),
                "output": st.sampled_from(
                    [
                        '{"a":"x"}',
                        '{"a":"x","b":null}',
                        "{}",
                        '{"a":" \\n","b":1}',
                        '{"a":[],"b":{},"c":"<unencodable X>"}',
                    ]
                ),
            }
        ),
        max_size=20,
    )
)
def test_the_filter_says_the_same_of_a_frame_as_of_each_record(drawn):
    signatures = {
        "a": {"scorer": "legacy", "require_success": False, "min_quality_score": 0.5},
        "b": {"max_latency_ms": 100, "max_cost_usd": 0.0, "min_quality_score": 0.0},
    }
    filter_ = Filter(load(None, {"filters": {"signatures": signatures}}, {}).filters)
    records = [interaction(number, **changes) for number, changes in enumerate(drawn)]
    outputs = [json.loads(record["output"]) for record in records]
    frame, _ = frame_of(records)
    filled = np.asarray([filled_share(output) for output in outputs])
    expected = [filter_.judge(record, output) for record, output in zip(records, outputs, strict=True)]
    found = filter_.judge_all(frame, filled)
    assert found["reason"].to_list() == [verdict.reason for verdict in expected]
    assert found["quality"].to_list() == pytest.approx([verdict.quality for verdict in expected])
    assert found.schema["quality"] == pl.Float64
