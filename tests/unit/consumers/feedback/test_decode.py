"""Which feedback is readable, and why not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.config import load
from headrace.delivery.protection import Protection
from headrace.key_material import ProducerKeys
from headrace_consumers.dataset.feedback.decode import FeedbackDecoder
from headrace_consumers.dataset.kafka.message import Message
from headrace_consumers.dataset.records.decode import Unreadable
from headrace_consumers.deadletters import REASONS
from headrace_schemas import feedback_codec, interaction_codec
from tests.support.interactions import interaction
from tests.unit.consumers.feedback.records import NOW_MS, feedback, message_of


def test_a_good_one_is_itself():
    assert FeedbackDecoder().decode(message_of(feedback())) == feedback()
    bare = feedback(module_name=None, score=None, label=None, comment=None, correction=None)
    assert FeedbackDecoder().decode(message_of(bare)) == bare


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (Message(0, 0, b"k", None, NOW_MS), "tombstone"),
        (message_of(b"oops"), "not_single_object"),
        (message_of(interaction_codec().encode(interaction())), "unknown_schema"),
        (message_of(feedback_codec().encode(feedback())[:-4]), "undecodable"),
        (message_of(feedback_codec().encode(feedback()) + b"x"), "trailing_bytes"),
        (message_of(feedback(), key=b"another"), "key_mismatch"),
        (message_of(feedback(module_name="../x")), "invalid_name"),
        (message_of(feedback(timestamp_ms=0)), "timestamp_out_of_bounds"),
        (message_of(feedback(timestamp_ms=NOW_MS + 2 * 86_400_000)), "timestamp_out_of_bounds"),
        (message_of(feedback(score=1.5)), "invalid_number"),
        (message_of(feedback(score=float("nan"))), "invalid_number"),
        (message_of(feedback(correction="[1]")), "invalid_json"),
        (message_of(feedback(correction="[" * 100_000)), "invalid_json"),
        (message_of(feedback(comment="enc:v1:key:AAAA")), "undecryptable"),
        (Message(0, 0, message_of(feedback()).key, message_of(feedback()).value, None), "no_append_time"),
    ],
)
def test_what_is_a_dead_letter(message, reason):
    found = FeedbackDecoder().decode(message)
    assert isinstance(found, Unreadable)
    assert found.reason == reason
    assert reason in REASONS


def sealed(key):
    protection = Protection(load(None, {}, {}), ProducerKeys(write_id="k1", write=key))
    return feedback(
        comment=protection.sealed_text("secret words", "f-1", "comment"),
        correction=protection.sealed_object('{"a":1}', "f-1", "correction"),
    )


def test_encrypted_feedback_is_opened_with_its_key_and_with_no_other():
    key, message = b"k" * 32, message_of(sealed(b"k" * 32))
    opened = FeedbackDecoder(keys={"k1": key}).decode(message)
    assert opened == feedback(comment="secret words", correction='{"a":1}')
    for keys in ({}, {"k1": b"x" * 32}, {"k2": key}):
        found = FeedbackDecoder(keys=keys).decode(message)
        assert isinstance(found, Unreadable)
        assert found.reason == "undecryptable"
        assert "secret" not in found.detail


def test_a_field_moved_to_another_feedback_does_not_open():
    moved = {**sealed(b"k" * 32), "feedback_id": "f-2"}
    found = FeedbackDecoder(keys={"k1": b"k" * 32}).decode(message_of(moved))
    assert isinstance(found, Unreadable)


@given(st.binary(max_size=60), st.integers(0, 400))
def test_no_bytes_raise(noise, at):
    value = feedback_codec().encode(feedback())
    FeedbackDecoder().decode(message_of(value[:at] + noise + value[at:]))
    FeedbackDecoder().decode(message_of(noise))
