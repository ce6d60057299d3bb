"""Whom a table no longer takes: no commit that comes after an entry holds a row of theirs, whenever it was judged."""

import polars as pl
import pytest

from headrace.config import load
from headrace_consumers.dataset.delta.table import InteractionTable
from headrace_consumers.dataset.errors import TableError
from headrace_consumers.dataset.judging.filter import Filter
from headrace_consumers.dataset.judging.suppression import NOBODY, Suppression
from tests.support.committing import CommitPath
from tests.support.erasing import of_person, person
from tests.support.interactions import message_of

SINCE = "2026-11-27T00:00:00+00:00"


def messages(*records, first=0):
    return [message_of(record, first + place) for place, record in enumerate(records)]


@pytest.fixture
def path(tmp_path):
    path = CommitPath(tmp_path)
    yield path
    path.close()


def frame(*pairs):
    return pl.DataFrame(pairs, schema={"subject_id": pl.String, "request_id": pl.String}, orient="row")


def test_entries_hold_for_subjects_and_requests_and_nobody_else():
    known = NOBODY.with_([person(1)], ["r"], SINCE)
    assert known.holds(frame((person(1), "a"), (None, "r"), (None, "a"), (person(2), "b"))).to_list() == [
        True, True, False, False,
    ]  # fmt: skip
    assert [known.concerns(*pair) for pair in ((person(1), "a"), (None, "r"), (None, "a"))] == [True, True, False]
    assert not NOBODY.concerns(person(1), "r")
    assert known.holds(frame((None, "a"), (person(2), "b"))) is None
    assert NOBODY.holds(frame((person(1), "a"))) is None
    assert known.holds(frame()) is None
    assert NOBODY.with_([person(1)], [], SINCE).holds(frame((None, person(1)))) is None  # a request named like that


def test_entries_survive_being_written_say_nothing_and_keep_their_date():
    known = NOBODY.with_([person(1)], ["r"], SINCE)
    properties = known.as_properties()
    assert Suppression.of(properties) == known
    assert person(1) not in str(properties)
    assert person(1).removeprefix("sha256:") not in str(properties)
    assert known.with_([person(1)], [], "later") == known
    assert known.key != NOBODY.with_([person(1)], ["r"], SINCE).key
    assert Suppression.of({}) == NOBODY


def test_entries_of_two_keys_are_kept_beside_each_other_and_hold_both():
    one, other = NOBODY.with_([person(1)], ["r"], SINCE), NOBODY.with_([person(2)], ["q"], SINCE)
    both = one.together(other).together(other)
    assert (both.key, both.entries, both.others) == (one.key, one.entries, {other.key: other.entries})
    assert Suppression.of(both.as_properties()) == both
    assert one.as_properties().items() <= both.as_properties().items()  # a release before reads its own, as it was
    records = frame((person(1), "a"), (person(2), "a"), (None, "r"), (None, "q"), (person(3), "b"))
    assert both.holds(records).to_list() == [True] * 4 + [False]
    assert [both.concerns(*row) for row in records.rows()] == [True] * 4 + [False]
    assert other.together(both).entries == other.entries
    assert other.together(both).others == {one.key: one.entries}
    later = both.with_([person(3)], [], SINCE)
    assert later.holds(records).all()
    assert later.others == both.others
    assert one.together(NOBODY.keyed()) == one


def test_an_old_list_under_the_tables_own_key_hides_no_new_entry():
    one = NOBODY.with_([person(1)], [], SINCE)
    both = Suppression(one.key, one.with_([person(2)], [], SINCE).entries, {one.key: one.entries})
    assert both.concerns(person(1), "a")
    assert both.concerns(person(2), "a")


@pytest.mark.parametrize("text", ["", "[]", '{"key": "xy", "entries": {}}', '{"key": "00", "entries": []}', "{}"])
def test_what_somebody_else_wrote_there_is_refused(text):
    with pytest.raises(ValueError, match="is not what Headrace writes"):
        Suppression.of({"headrace.suppressed": text})
    with pytest.raises(ValueError, match="is not what Headrace writes"):
        Suppression.of({"headrace.suppressed.others": text if text == "" else f"[{text}]"})


def test_records_of_a_suppressed_person_are_rejected_and_their_keys_are_not_seen(path):
    path.table.properties.suppress([person(1)], [], SINCE)
    tally = path.commit(messages(of_person(1, "a"), of_person(2, "b"), of_person(None, "c")))
    assert tally.rejected == {"suppressed": 1}
    assert tally.balances
    assert path.rows().sort("offset")["subject_id"].to_list() == [person(2), None]
    copy = of_person(2, "a")  # the same question, asked by another: its key is not known
    assert path.commit(messages(copy, first=3)).kept == 1


def test_a_copy_of_another_person_behind_it_wins(path):
    path.table.properties.suppress([person(1)], [], SINCE)
    tally = path.commit(messages(of_person(1, "a"), of_person(2, "a")))
    assert (tally.kept, tally.duplicates, tally.rejected) == (1, 0, {"suppressed": 1})
    assert path.rows()["subject_id"].to_list() == [person(2)]


def test_a_person_s_own_callables_are_not_asked_about_them(tmp_path):
    own = {"default": {"own_filters": ["tests.unit.consumers.own_callables:fails_on_secret"]}}
    filter_ = Filter(load(None, {"filters": own}, {}).filters)
    path = CommitPath(tmp_path, filter_=filter_)
    path.table.properties.suppress([person(1)], [], SINCE)
    assert path.commit(messages(of_person(1, "secret"))).rejected == {"suppressed": 1}
    path.close()


def test_a_batch_that_was_judged_before_is_judged_again(path, tmp_path, monkeypatch):
    other = InteractionTable(tmp_path / "table")
    written = InteractionTable._write
    struck = []

    def at_the_last_moment(table, *arguments):
        if not struck:
            struck.append(other.properties.suppress([person(1)], [], SINCE))
        written(table, *arguments)

    monkeypatch.setattr(InteractionTable, "_write", at_the_last_moment)
    tally = path.commit(messages(of_person(1, "a"), of_person(2, "b")))
    assert (tally.kept, tally.rejected, tally.consumed) == (1, {"suppressed": 1}, 2)
    assert path.rows()["subject_id"].to_list() == [person(2)]
    assert len(list((tmp_path / "table").glob("ingest_date=*/*"))) == 1  # and no file of the first judgement is left


def test_two_that_suppress_at_once_both_do(tmp_path):
    one, other = (InteractionTable(tmp_path / "t", sleep=lambda _: None) for _ in range(2))
    refreshed = one.refresh
    struck = []

    def and_then_the_other():
        refreshed()
        if not struck:
            struck.append(other.properties.suppress([person(2)], [], SINCE))

    one.refresh = and_then_the_other
    known = one.properties.suppress([person(1)], [], SINCE)
    other.refresh()
    assert known == other.properties.suppression()
    assert len(known.entries) == 2


def test_what_the_table_remembers_otherwise_stays(tmp_path):
    table = InteractionTable(tmp_path / "t")
    before = table.properties.known_topics()
    table.properties.suppress([person(1)], [], SINCE)
    assert table.properties.known_topics() == before
    table._table.alter.set_table_properties({"headrace.suppressed": "rubbish"}, raise_if_not_exists=False)
    with pytest.raises(TableError, match=r"headrace\.suppressed"):
        table.properties.suppression()
