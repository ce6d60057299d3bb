"""A table built anew refuses whom the live one refuses."""

import pytest

from headrace_consumers.dataset.delta.store_at import store_at
from headrace_consumers.dataset.delta.table import InteractionTable
from headrace_consumers.dataset.feedback.rows import FEEDBACK
from headrace_consumers.dataset.judging.suppression import Suppression
from headrace_consumers.dataset.rebuild import refuse_in_feedback, refuse_in_rebuild

TODAY = "2026-11-27"


def take_over(live, anew, *layout):
    (refuse_in_feedback if layout else refuse_in_rebuild)(store_at(live), store_at(anew))


def refusing(path, *subjects):
    table = InteractionTable(path, sleep=lambda _: None)
    table.properties.suppress(subjects, [], TODAY)
    table.close()


def test_whoever_was_erased_stays_out_of_a_table_built_anew(tmp_path):
    live, anew = tmp_path / "live", tmp_path / "anew"
    refusing(live, "ann", "bob")
    for _ in range(2):
        take_over(live, anew)
    told = InteractionTable(anew).properties.suppression()
    assert told.concerns("ann", "r")
    assert told.concerns("bob", "r")
    assert not told.concerns("eve", "r")
    refusing(live, "eve")  # erased while the other is built: the next start takes it over
    take_over(live, anew)
    assert InteractionTable(anew).properties.suppression() == InteractionTable(live).properties.suppression()


def test_feedback_whose_table_is_made_after_an_erasure_knows_of_it(tmp_path):
    refusing(tmp_path / "live", "ann")
    take_over(tmp_path / "live", tmp_path / "feedback", FEEDBACK)
    assert InteractionTable(tmp_path / "feedback", FEEDBACK).properties.suppression().concerns("ann", "r")


def test_without_a_live_table_or_an_erasure_nothing_is_made(tmp_path):
    take_over(tmp_path / "live", tmp_path / "anew")
    assert not (tmp_path / "anew").exists()
    InteractionTable(tmp_path / "live").close()
    take_over(tmp_path / "live", tmp_path / "feedback", FEEDBACK)
    assert not (tmp_path / "feedback").exists()


def test_erasures_from_both_that_come_later_can_be_put_together_in_feedback_that_both_have(tmp_path):
    live, anew, said = tmp_path / "live", tmp_path / "anew", tmp_path / "feedback"
    InteractionTable(live).close()
    take_over(live, anew)  # nobody was erased yet
    refusing(live, "ann")
    take_over(live, said, FEEDBACK)
    refusing(anew, "ann", "bob")
    take_over(anew, said, FEEDBACK)  # after the switch
    told = InteractionTable(said, FEEDBACK).properties.suppression()
    assert told.concerns("ann", "r")
    assert told.concerns("bob", "r")


def test_a_dataset_without_a_key_takes_that_of_the_feedback_it_was_given(tmp_path):
    old, new, said = tmp_path / "old", tmp_path / "new", tmp_path / "feedback"
    refusing(old, "ann")
    take_over(old, said, FEEDBACK)
    InteractionTable(new).close()  # dataset.path was moved by hand
    take_over(new, said, FEEDBACK)
    assert InteractionTable(new).properties.suppression() == Suppression(key_of(said))
    refusing(new, "bob")
    take_over(new, said, FEEDBACK)
    told = InteractionTable(said, FEEDBACK).properties.suppression()
    assert told.concerns("ann", "r")
    assert told.concerns("bob", "r")


def key_of(said):
    return InteractionTable(said, FEEDBACK).properties.suppression().key


def test_a_rebuild_right_after_a_move_takes_the_key_of_the_feedback_that_was_kept(tmp_path):
    old, moved, anew, said = (tmp_path / name for name in ("old", "moved", "anew", "feedback"))
    refusing(old, "ann")
    take_over(old, said, FEEDBACK)
    InteractionTable(moved).close()  # dataset.path was moved by hand, and nobody has consumed feedback since
    refuse_in_rebuild(store_at(moved), store_at(anew), feedback=store_at(said))
    assert InteractionTable(moved).properties.suppression() == Suppression(key_of(said))
    assert InteractionTable(anew).properties.suppression() == Suppression(key_of(said))


def test_a_rebuild_without_feedback_makes_a_key(tmp_path):
    live, anew = tmp_path / "live", tmp_path / "anew"
    InteractionTable(live).close()
    refuse_in_rebuild(store_at(live), store_at(anew), feedback=store_at(tmp_path / "none"))
    told = InteractionTable(live).properties.suppression()
    assert (len(told.key), told.entries) == (32, {})
    assert InteractionTable(anew).properties.suppression() == told
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("layout", [(), (FEEDBACK,)])
def test_two_tables_that_have_a_key_each_refuse_whom_both_refuse(tmp_path, layout):
    live, other = tmp_path / "live", tmp_path / "other"
    refusing(live, "ann")
    table = InteractionTable(other, *layout)
    table.properties.suppress(["bob"], [], TODAY)
    table.close()
    for _ in range(2):
        take_over(live, other, *layout)
    refusing(live, "eve")
    take_over(live, other, *layout)
    table = InteractionTable(other, *layout)
    table.properties.suppress(["joe"], [], TODAY)
    told = table.properties.suppression()
    assert [name for name in ("ann", "bob", "eve", "joe", "sue") if told.concerns(name, "r")] == [
        "ann", "bob", "eve", "joe",
    ]  # fmt: skip
    assert [len(told.entries), *map(len, told.others.values())] == [2, 2]
    assert not InteractionTable(live).properties.suppression().concerns("bob", "r")
