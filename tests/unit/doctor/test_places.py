"""Folders that are written to: each way in which one can be of no use."""

from pathlib import Path

import pytest

from headrace.config import load
from headrace_consumers.doctor.places import Facts, Place, judge_modes, judge_place, judge_secrets, look, places

PLACE = Place("dataset.path", Path("data"), 1000)
GB = 10**9


def states(facts, place=PLACE):
    return [(result.check, result.state) for result in judge_place(place, facts)]


def test_room_and_permission_are_ok():
    (result,) = judge_place(PLACE, Facts(exists=True, trouble=None, free_bytes=2 * GB))
    assert (result.state, result.what) == ("ok", "writable, 2,000 MB free")
    (result,) = judge_place(PLACE, Facts(exists=False, trouble=None, free_bytes=2 * GB))
    assert result.what.startswith("will be made when it is needed; writable")


def test_a_full_disk_is_wrong_and_a_narrow_one_a_note():
    assert states(Facts(exists=True, trouble=None, free_bytes=99_000_000)) == [("disk data", "wrong")]
    assert states(Facts(exists=True, trouble=None, free_bytes=101_000_000)) == [("disk data", "note")]
    (result,) = judge_place(PLACE, Facts(exists=True, trouble=None, free_bytes=101_000_000))
    assert result.what == "101 MB free, up to 1,000 MB may be written"
    assert "dataset.path" in result.mend


def test_a_folder_that_cannot_be_written_names_the_key():
    (result,) = judge_place(PLACE, Facts(exists=True, trouble="data: Permission denied"))
    assert (result.state, result.what) == ("wrong", "cannot be written (data: Permission denied)")
    assert "set dataset.path elsewhere" in result.mend


@pytest.mark.parametrize(("ahead_s", "side"), [(6.0, "6 s ahead of"), (-6.0, "6 s behind")])
def test_a_file_server_with_another_clock_is_wrong(ahead_s, side):
    disk, clock = judge_place(PLACE, Facts(exists=True, trouble=None, free_bytes=2 * GB, clock_ahead_s=ahead_s))
    assert (disk.state, clock.state) == ("ok", "wrong")
    assert side in clock.what


def test_a_look_leaves_nothing_behind_and_makes_no_folder(tmp_path):
    facts = look(tmp_path / "a" / "b")
    assert (facts.exists, facts.trouble) == (False, None)
    assert facts.free_bytes > 0
    assert abs(facts.clock_ahead_s) < 5
    assert list(tmp_path.iterdir()) == []
    assert look(tmp_path).exists


def test_a_look_finds_a_folder_that_is_a_file_or_takes_none(tmp_path):
    (tmp_path / "file").write_text("")
    assert "Not a directory" in (look(tmp_path / "file").trouble or "")
    assert look(Path("/proc/no/such")).trouble is not None


def test_a_clock_that_differs_is_seen(tmp_path):
    assert look(tmp_path, time_s=lambda: 0.0).clock_ahead_s > 10**9


def test_the_log_counts_where_no_broker_is_set_and_a_remote_table_never():
    def keys(**sections):
        return [place.key for place in places(load(None, sections, {}))]

    assert keys() == ["telemetry.log_file_path", "dataset.path", "dataset.state_path"]
    assert keys(kafka={"bootstrap_servers": "b:9092"}) == ["spool.path", "dataset.path", "dataset.state_path"]
    assert "dataset.path" not in keys(dataset={"path": "s3://bucket/table"})
    assert "dataset.feedback_path" in keys(dataset={"feedback_path": "/mnt/feedback"})
    assert "dataset.feedback_path" not in keys(dataset={"feedback_path": "s3://bucket/feedback"})


def test_payloads_that_others_may_read_are_wrong():
    (result,) = judge_modes("the log", [(Path("a"), 0o100600), (Path("b"), 0o100640), (Path("c"), 0o100606)])
    assert result.state == "wrong"
    assert result.what == "b and 1 more: others than the owner may read or write the log (mode 640)"
    assert result.mend == "chmod 600 b"
    (result,) = judge_modes("the log", [(Path("a"), 0o100600)])
    assert result.state == "ok"
    assert list(judge_modes("the log", [])) == []


def test_secrets_that_everybody_may_read_are_a_note():
    (result,) = judge_secrets(Path("c.json"), 0o100644, has_secrets=True)
    assert result.state == "note"
    assert list(judge_secrets(Path("c.json"), 0o100644, has_secrets=False)) == []
    assert list(judge_secrets(Path("c.json"), 0o100640, has_secrets=True)) == []
