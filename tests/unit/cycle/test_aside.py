"""One folder for run after run: which run it is for, and where that of an earlier period goes."""

import json

import pytest

from headrace_consumers.cycle.artefacts import CutMade, CycleStep, RolledOut
from headrace_consumers.cycle.aside import Placed, placed
from headrace_consumers.cycle.errors import CycleError
from headrace_consumers.cycle.run_folder import RunFolder, runs_in
from tests.support.cycles import SIGNATURE, config_of, cycle, waiting


@pytest.fixture
def run_in(tmp_path):
    """Do November's run in a folder, up to a step."""
    waiting(tmp_path)

    def run(name, until=CycleStep.ROLL_OUT):
        cycle(tmp_path, config_of(tmp_path), output_dir=tmp_path / name, until=until)
        return tmp_path / name

    return run


def test_a_folder_without_a_run_or_with_this_period_s_is_for_this_period(tmp_path, run_in):
    (tmp_path / "new").mkdir()
    assert placed(tmp_path / "new", "202612", tmp_path) == Placed("202612")
    folder = run_in("fixed")
    assert placed(folder, "202611", tmp_path) == Placed("202611")
    assert (folder / SIGNATURE).is_dir()


def test_a_folder_with_a_run_s_id_in_its_name_is_for_that_run(tmp_path, run_in):
    folder = run_in("optimization_202611", CycleStep.CUT)
    assert placed(folder, "202612", tmp_path) == Placed("202611")
    assert (folder / SIGNATURE).is_dir()


def test_a_run_of_an_earlier_period_is_put_aside_whole_and_nothing_else_is(tmp_path, run_in):
    folder, runs = run_in("fixed"), tmp_path / "optimization"
    (folder / "notes.txt").write_text("mine")
    before = {each.name: each.read_bytes() for each in (folder / SIGNATURE).glob("*.json")}
    aside = folder / "optimization_202611"
    assert placed(folder, "202612", runs) == Placed("202612", f"run 202611 was put aside, in {aside}: it is done")
    assert {each.name: each.read_bytes() for each in (aside / SIGNATURE).glob("*.json")} == before
    assert RunFolder(aside).of(SIGNATURE).need(RolledOut).registered is not None
    assert (aside / "report.html").is_file()
    assert sorted(each.name for each in folder.iterdir()) == [".lock", "notes.txt", aside.name]
    assert [each.path for each in runs_in(runs)] == [aside]


def test_a_run_that_is_not_at_its_end_is_put_aside_and_goes_on_there(tmp_path, run_in):
    folder = run_in("the fixed one", CycleStep.BASELINE)
    aside = folder / "optimization_202611"
    told = placed(folder, "202612", tmp_path / "optimization").told
    assert told == (
        f"run 202611 was put aside, in {aside}: it is not at its end; "
        f"headrace cycle run --output-dir '{aside}' goes on with it"
    )
    made = RunFolder(aside).of(SIGNATURE).need(CutMade)
    assert placed(aside, "202612", tmp_path / "optimization") == Placed("202611")
    (ran,) = cycle(tmp_path, config_of(tmp_path), output_dir=aside)
    assert ran.is_complete
    assert RunFolder(aside).of(SIGNATURE).need(CutMade) == made


def test_killed_while_it_is_put_aside_the_rest_follows(tmp_path, run_in):
    folder = run_in("fixed")
    aside = folder / "optimization_202611"
    aside.mkdir()
    (folder / SIGNATURE).rename(aside / SIGNATURE)
    assert placed(folder, "202612", tmp_path).told.endswith(": it is done")
    assert (aside / "run.json").is_file()


def test_two_runs_of_one_period_are_both_kept(tmp_path, run_in):
    folder = run_in("fixed", CycleStep.CUT)
    placed(folder, "202612", tmp_path)
    run_in("fixed", CycleStep.GATE)
    placed(folder, "202612", tmp_path)
    assert (folder / "optimization_202611" / SIGNATURE / "cut.json").is_file()
    assert (folder / "optimization_202611_2" / SIGNATURE / "gate.json").is_file()


def test_what_cannot_be_put_aside_is_one_line(tmp_path, run_in):
    folder = run_in("fixed")
    (folder / "optimization_202611").write_text("a file")
    with pytest.raises(CycleError, match=r"run 202611 cannot be put aside there \(Not a directory\); give"):
        placed(folder, "202612", tmp_path)
    assert json.loads((folder / "run.json").read_bytes())["id"] == "202611"
