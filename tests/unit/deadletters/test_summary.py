"""Dead letters counted, shown and chosen, as functions over values."""

import json

import pytest

from headrace_consumers.deadletters.letters import Letter, Odd, Replayed
from headrace_consumers.deadletters.portrait import hexdump, portrait
from headrace_consumers.deadletters.replay import Choice, plan
from headrace_consumers.deadletters.summary import summarize
from headrace_schemas import DeadLetter, Registry, interaction_codec
from tests.support.interactions import interaction

HOUR_MS = 3_600_000
MONDAY_MS = 1_772_442_000_000  # 2026-03-02 09:00 UTC


def letter(offset, reason="undecodable", *, topic="t", topic_id="id", partition=0, hours=0, **changes):
    made = DeadLetter(
        topic=topic, topic_id=topic_id, partition=partition, offset=offset, append_time_ms=MONDAY_MS, reason=reason,
        detail=f"detail {offset}", key=b"k", value=b"\x00original",
        headers=[{"name": "h", "value": b"secret"}], consumer="c",
    )  # fmt: skip
    made.update(changes)
    return Letter(f"{topic}/{partition}/{offset}", made, MONDAY_MS + hours * HOUR_MS)


def test_letters_are_counted_by_reason_and_topic_and_copies_once():
    summary = summarize(
        [
            letter(1), letter(2, hours=2), letter(2, hours=3), letter(3, "tombstone"), letter(4, topic="u"),
            letter(1, topic_id="another"), Odd(0, 9), Replayed(("id", "t/0/1"), "t/0/20", MONDAY_MS),
        ]
    )  # fmt: skip
    counts = {(g.reason, g.topic): (g.letters, g.replayed) for g in summary.groups}
    assert counts == {("undecodable", "t"): (3, 1), ("tombstone", "t"): (1, 0), ("undecodable", "u"): (1, 0)}
    assert (summary.copies, summary.odd) == (1, (1, (0, 9)))
    assert summary.groups[0].reason == "undecodable"  # the largest first
    assert summary.groups[0].size_bytes == 3 * len(b"\x00original")


def test_letters_are_counted_by_time():
    entries = [letter(1), letter(2, hours=1), letter(3, hours=1), letter(4, hours=24)]
    (by_hour,) = summarize(entries, by="hour").groups
    assert by_hour.by_time == {"2026-03-02T09:00Z": 1, "2026-03-02T10:00Z": 2, "2026-03-03T09:00Z": 1}
    (by_day,) = summarize(entries, since_ms=MONDAY_MS + HOUR_MS).groups
    assert by_day.by_time == {"2026-03-02": 2, "2026-03-03": 1}
    assert (by_day.first_ms, by_day.last_ms) == (MONDAY_MS + HOUR_MS, MONDAY_MS + 24 * HOUR_MS)
    assert by_day.example == "t/0/4"


def test_without_being_asked_for_no_payload_is_shown():
    shown = json.dumps(portrait([letter(1, value=b"alice@example.com", key=b"alice")], Registry()))
    assert "alice" not in shown
    assert "secret" not in shown
    assert "5 bytes, not 64 hex digits" in shown
    assert "17 bytes, not Avro's single-object encoding" in shown


def test_a_letter_is_shown_with_its_content_when_asked_for():
    record = interaction("why?")
    value = interaction_codec().encode(record)
    mark = Replayed(("id", "t/0/1"), "t/0/9", None)
    shown = portrait([letter(1, value=value, key=record["dedup_key"].encode()), mark], Registry(), payload=True)
    assert shown["key"] == record["dedup_key"]  # a hash says nothing
    assert "headrace.v1.Interaction" in shown["value"]
    assert shown["replayed_to"] == ["t/0/9"]
    assert shown["payload"]["record"] == record
    assert shown["payload"]["headers"] == {"h": "secret"}
    assert shown["payload"]["hexdump"][0].startswith("00000000  c3 01 ")


def test_a_dump_shows_only_printable_characters_and_says_what_it_leaves_out():
    assert hexdump(b"ab\x1b[2J\xff" + b"z" * 20, 18) == [
        "00000000  61 62 1b 5b 32 4a ff 7a 7a 7a 7a 7a 7a 7a 7a 7a  |ab.[2J.zzzzzzzzz|",
        "00000010  7a 7a                                            |zz|",
        "... 9 more bytes",
    ]
    assert hexdump(b"", 18) == []


ENTRIES = [
    letter(1), letter(2, "unknown_schema"), letter(2, "unknown_schema"), letter(3, partition=1), letter(4, topic="u"),
    letter(5), Replayed(("id", "t/0/5"), "t/0/30", MONDAY_MS), Odd(0, 3),
]  # fmt: skip


@pytest.mark.parametrize(
    ("choice", "sources", "before"),
    [
        (Choice(), {"t/0/1", "t/0/2", "t/1/3", "u/0/4"}, 1),
        (Choice(again=True), {"t/0/1", "t/0/2", "t/1/3", "u/0/4", "t/0/5"}, 0),
        (Choice(reasons=frozenset({"unknown_schema"})), {"t/0/2"}, 0),
        (Choice(topic="t"), {"t/0/1", "t/0/2", "t/1/3"}, 1),
        (Choice(topic="t", partition=1), {"t/1/3"}, 0),
        (Choice(topic="t", partition=0, first_offset=2, last_offset=4), {"t/0/2"}, 0),
        (Choice(topic="t", partition=0, first_offset=2), {"t/0/2"}, 1),
        (Choice(topic="nothing"), set(), 0),
    ],
)
def test_a_plan_takes_what_is_chosen_and_was_not_replayed(choice, sources, before):
    made = plan(ENTRIES, choice, lambda _: None)
    assert {source for _, source in made.letters} == sources
    assert made.replayed_before == before
    assert made.chosen.total() == len(sources) + before


def test_a_plan_says_what_will_be_a_dead_letter_again():
    made = plan(ENTRIES, Choice(), lambda letter: None if letter["offset"] == 2 else letter["reason"])
    assert made.unreadable_still == {"undecodable": 3}  # not the one that was replayed before
