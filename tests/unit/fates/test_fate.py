"""What became of a message, told afterwards as the consumer decides it."""

import dataclasses

import pytest

from headrace.config import load
from headrace_consumers.dataset.judging.filter import REASONS, Filter
from headrace_consumers.dataset.judging.suppression import NOBODY
from headrace_consumers.dataset.records.decode import Decoded, FastavroDecoder, Unreadable
from headrace_consumers.fates.fate import Fate, Outcome, Reading, fate_of, reading_of
from headrace_consumers.fates.reasons import detail_of
from headrace_consumers.fates.rows import Row
from tests.support.interactions import interaction, message_of

BAD = Unreadable("undecodable", "cut short")
MISPLACED = Unreadable("misplaced", "it belongs in partition 1")
READING = Reading(0, 10, 0, "k", None, "S", "full")
ROW = Row("k", "e", "r", "S", "topic", "id", 0, 10, 0, 1.0, "file")


def row(**changes):
    return dataclasses.replace(ROW, **changes)


@pytest.mark.parametrize(
    ("changes", "found", "position", "outcome", "reason"),
    [
        ({}, row(), 20, Outcome.row, None),
        ({}, row(offset=3), 20, Outcome.copy, None),
        ({"unreadable": BAD}, row(offset=3), 20, Outcome.copy, None),
        ({"unreadable": MISPLACED}, row(partition=1), 20, Outcome.unreadable, "misplaced"),
        ({"unreadable": MISPLACED}, row(partition=1), 10, Outcome.waiting, None),
        ({"unreadable": MISPLACED}, row(), 20, Outcome.row, None),  # a release that only warned has made it one
        ({"rejected": "cost"}, row(offset=3), 20, Outcome.copy, None),
        ({}, row(topic_id="older", offset=99), 20, Outcome.copy, None),
        ({}, row(partition=1, offset=99), 20, Outcome.copy, None),
        ({"rejected": "cost"}, row(offset=15), 20, Outcome.rejected, "cost"),
        ({}, row(offset=15), 20, Outcome.absent, None),
        ({"unreadable": BAD}, None, 20, Outcome.unreadable, "undecodable"),
        ({"unreadable": BAD}, None, 10, Outcome.waiting, None),
        ({"rejected": "cost"}, None, 11, Outcome.rejected, "cost"),
        ({"rejected": "cost"}, None, None, Outcome.waiting, None),
        ({"capture_level": "outcome"}, None, 20, Outcome.outcome, None),
        ({}, None, 20, Outcome.absent, None),
    ],
)
def test_each_fate(changes, found, position, outcome, reason):
    fate = fate_of(dataclasses.replace(READING, **changes), found, "id", position)
    assert (fate.outcome, fate.reason) == (outcome, reason)
    assert fate.row == (found if outcome in {Outcome.row, Outcome.copy} else None)


def test_a_reading_is_judged_as_the_consumer_judges():
    config = load(None, {}, {})
    messages = [
        message_of(interaction(latency_ms=9e9), 3),
        message_of(interaction(success=False, capture_level="outcome", dedup_key="e"), 4),
        message_of(b"rubbish", 5, key=b"\xff"),
    ]
    slow, outcome, rubbish = (
        reading_of(message, decoded, Filter(config.filters))
        for message, decoded in zip(messages, FastavroDecoder().decode(messages), strict=True)
    )
    assert (slow.rejected, slow.offset, slow.signature) == ("latency", 3, interaction()["signature"])
    assert (outcome.rejected, outcome.capture_level) == (None, "outcome")
    assert rubbish.unreadable is not None
    assert rubbish.key == "\ufffd"
    assert fate_of(rubbish, None, "id", 20) == Fate(Outcome.unreadable, "not_single_object")


def test_each_reason_is_told_with_what_was_missed():
    filters = load(None, {"filters": {"default": {"own_filters": ["math:isfinite"]}}}, {}).filters
    changes = {
        "environment": {"environment": "staging"},
        "failed": {"success": False, "error_type": "ValueError"},
        "truncated": {"truncated": True},
        "latency": {"latency_ms": 7200.5},
        "cost": {"cost_usd": 0.25},
        "quality": {"output": '{"a":null}'},
    }
    assert {*changes, "suppressed"} == set(REASONS)
    told = {}
    for reason, change in changes.items():
        (decoded,) = FastavroDecoder().decode([message_of(interaction(**change))])
        assert isinstance(decoded, Decoded)
        assert Filter(filters).judge(decoded.record, decoded.output).reason == reason
        told[reason] = detail_of(reason, decoded, filters)
    assert told == {
        "environment": "it is of staging, filters.environments has production",
        "failed": "the call failed: ValueError",
        "truncated": "a part of it was cut: telemetry.max_field_bytes",
        "latency": "it took 7,200.5 ms, max_latency_ms is 5,000",
        "cost": "it cost 0.25 USD, max_cost_usd is 0.1",
        "quality": "fields gives it 0, min_quality_score is 0.7",
    }
    assert detail_of("suppressed", decoded, filters) == "it is of somebody who was erased (headrace erase)"
    assert detail_of("math:isfinite", decoded, filters) == "math:isfinite says no"


def test_a_record_of_an_erased_person_is_told_so_before_any_filter_is_asked():
    message = message_of(interaction(subject_id="sha256:1", success=False))
    (decoded,) = FastavroDecoder().decode([message])
    suppression = NOBODY.with_(["sha256:1"], [], "2026-11-27")
    reading = reading_of(message, decoded, Filter(load(None, {}, {}).filters), suppression)
    assert fate_of(reading, None, "id", 20) == Fate(Outcome.rejected, "suppressed")
