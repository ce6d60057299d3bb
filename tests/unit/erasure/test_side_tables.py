"""Feedback and sightings: what is the person's goes with the rows, what is others' stays, killed in between too."""

from pathlib import Path

import pytest

from headrace_consumers.dataset.delta.files import write_files
from headrace_consumers.dataset.delta.moves import Move
from headrace_consumers.dataset.delta.store_at import store_at
from headrace_consumers.dataset.delta.table import InteractionTable
from headrace_consumers.dataset.feedback.rows import FEEDBACK, feedback_rows
from headrace_consumers.dataset.kafka.message import Message
from headrace_consumers.dataset.kafka.messages import Messages
from headrace_consumers.dataset.rebuild import refuse_in_feedback, refuse_in_rebuild
from headrace_consumers.dataset.side_tables import feedback_beside, sightings_path
from headrace_consumers.dataset.sightings import SIGHTINGS, sighting_rows
from headrace_consumers.dataset.steps import ErasureStep
from headrace_schemas import keys
from headrace_schemas.topics import REQUEST_HEADER
from tests.support.erasing import append, erasure, holds_anywhere, of_person, person, rows_of
from tests.support.interactions import NOW_MS
from tests.unit.erasure.test_erasure import Killed

MINE, THEIRS = of_person(1, "a", request_id="mine"), of_person(2, "b", request_id="theirs")


def feedback(number, request_id, subject):
    return {
        "feedback_id": f"{number:032x}", "request_id": request_id, "module_name": None, "subject_id": subject,
        "score": 1.0, "label": None, "comment": f"comment {number}", "correction": None, "timestamp_ms": NOW_MS,
        "service": "s", "environment": "production", "instance": "i", "redaction_version": "1", "redactions": 0,
        "truncated": False,
    }  # fmt: skip


FEEDBACKS = [
    feedback(0, "theirs", person(1)),  # by the person, on somebody else's request
    feedback(1, "mine", None),  # on the person's request, by nobody known
    feedback(2, "mine", person(2)),  # by somebody else
    feedback(3, "theirs", None),
]


@pytest.fixture
def path(tmp_path):
    """A dataset of two people with its side tables."""
    path = tmp_path / "t"
    append(InteractionTable(path), [MINE, THEIRS])
    copies = [(MINE, "theirs"), (THEIRS, "mine"), (THEIRS, "theirs"), (THEIRS, None)]
    messages = [
        Message(0, n, of["dedup_key"].encode(), b"", NOW_MS, ((REQUEST_HEADER, keys.request_id_hash(request or "-")),))
        for n, (of, request) in enumerate(copies)
    ]
    sightings = InteractionTable(Path(sightings_path(str(path))), SIGHTINGS)
    rows = sighting_rows(Messages.of(messages), "topic", "id")
    sightings.commit(write_files(sightings.store, rows, SIGHTINGS), [Move("id/0", None, 4)])
    told = [(Message(0, n, b"", b"", NOW_MS), of) for n, of in enumerate(FEEDBACKS)]
    table = InteractionTable(Path(feedback_beside(str(path))), FEEDBACK)
    rows = feedback_rows(told, "feedback", "id")
    table.commit(write_files(table.store, rows, FEEDBACK), [Move("id/0", None, 4)])
    return path


def offsets(path):
    return rows_of(path)["offset"].to_list()


def insist_on_the_others_only(path, made):
    """The certificate names the person, and nothing else does."""
    assert made.pseudonyms == [person(1)]
    assert [file.name for file in holds_anywhere(path.parent, 1)] == ["c.json"]
    assert offsets(path) == [1]
    assert offsets(sightings_path(str(path))) == [2, 3]
    assert offsets(feedback_beside(str(path))) == [2, 3]


def test_what_is_the_persons_goes_and_what_is_others_stays(path, tmp_path):
    plan = erasure(path, 1).look()
    assert {name: found.rows.total() for name, (_, found) in plan.tables.items()} == {
        "interactions": 1, "sightings": 2, "feedback": 2,
    }  # fmt: skip
    made = erasure(path, 1).run(tmp_path / "c.json")
    insist_on_the_others_only(path, made)
    assert [(table.holds, sum(table.rows.values())) for table in made.tables] == [
        ("interactions", 1), ("feedback", 2), ("sightings", 2),
    ]  # fmt: skip


@pytest.mark.parametrize("step", list(ErasureStep))
@pytest.mark.parametrize("table", [1, 2, 3])
def test_killed_in_the_midst_of_a_table_nothing_of_the_others_is_forgotten(path, tmp_path, step, table):
    met = []

    def strike(point):
        met.append(point)
        if met.count(f"after:{step}") == table:
            raise Killed

    try:
        erasure(path, 1, hook=strike).run(tmp_path / "first.json")
    except Killed:
        (tmp_path / "first.json").unlink(missing_ok=True)
        made = erasure(path, 1).run(tmp_path / "c.json")
        insist_on_the_others_only(path, made)
        assert sum(sum(report.rows.values()) for report in made.tables) == 5
    else:
        assert table > met.count(f"after:{step}")


def test_feedback_on_the_request_that_comes_later_is_refused_too(path, tmp_path):
    erasure(path, 1).run(tmp_path / "c.json")
    known = InteractionTable(Path(feedback_beside(str(path))), FEEDBACK).properties.suppression()
    assert known.entry("request", "mine") in known.entries
    assert known.entry("subject", person(1)) in known.entries
    assert known.entry("request", "theirs") not in known.entries


def test_after_a_switch_feedback_that_was_kept_goes_with_the_new_table_and_with_the_old_one(path, tmp_path):
    """The new table lacks the row: only the old one tells that feedback by nobody known is on the person's request."""
    anew = tmp_path / "t-anew"
    refuse_in_rebuild(store_at(path), store_at(anew))
    append(InteractionTable(anew), [THEIRS])
    kept = {"feedback_path": feedback_beside(str(path))}
    assert erasure(anew, 1, **kept).run(tmp_path / "new.json").tables[1].holds == "feedback"
    assert offsets(kept["feedback_path"]) == [1, 2, 3]
    (tmp_path / "new.json").unlink()
    insist_on_the_others_only(path, erasure(path, 1, **kept).run(tmp_path / "c.json"))


def test_feedback_kept_by_a_dataset_that_moved_is_consumed_on_after_its_first_erasure(path, tmp_path):
    """Its path was changed by hand, and nobody has told the new table of who was erased from the old one."""
    erasure(path, 3).run(tmp_path / "c.json")
    kept = feedback_beside(str(path))
    moved = tmp_path / "moved"
    append(InteractionTable(moved), [MINE])
    erasure(moved, 1, feedback_path=kept).run(tmp_path / "first.json")
    refuse_in_feedback(store_at(moved), store_at(kept))  # as `consume feedback` begins
    known = InteractionTable(Path(kept), FEEDBACK).properties.suppression()
    assert all(known.entry("subject", person(number)) in known.entries for number in (3, 1))
    assert InteractionTable(moved).properties.suppression().key == known.key


def test_feedback_that_has_a_key_of_its_own_refuses_them_all_the_same(path, tmp_path):
    erasure(path, 3).run(tmp_path / "c.json")
    another = tmp_path / "another"
    append(InteractionTable(another), [MINE])
    erasure(another, 2).run(tmp_path / "of_another.json")
    erasure(another, 1, feedback_path=feedback_beside(str(path))).run(tmp_path / "last.json")
    known = InteractionTable(Path(feedback_beside(str(path))), FEEDBACK).properties.suppression()
    assert all(known.entry("subject", person(number)) in known.entries for number in (3, 1))
    assert offsets(feedback_beside(str(path))) == [2, 3]
