"""Copies, pickles, saved and loaded programs, here and elsewhere: plain, never captured, with the same results."""

import copy
import pickle
import subprocess
import sys

import cloudpickle
import dspy
import pytest

import headrace
from tests.unit.headrace.capture.offline import TRUSTED, OfflineLM, Program
from tests.unit.headrace.ways.outcomes import outcome


def local():
    """A program whose class no other process can import: only cloudpickle carries it."""

    class Local(dspy.Module):
        def __init__(self):
            super().__init__()
            self.ask = dspy.Predict("question -> answer")

        def forward(self, question):
            return self.ask(question=question)

    return Local()


def saved_whole(program, folder):
    program.save(folder / "whole", save_program=True)
    return dspy.load(folder / "whole", **TRUSTED)


def saved_state(program, folder, suffix="json"):
    program.save(folder / f"state.{suffix}")
    fresh = Program()
    fresh.load(folder / f"state.{suffix}", **(TRUSTED if suffix == "pkl" else {}))
    return fresh


def in_a_list(program, folder):
    del folder
    return copy.deepcopy({"programs": [program]})["programs"][0]


def as_a_part(program, folder):
    del folder

    class Whole(dspy.Module):
        def __init__(self):
            super().__init__()
            self.part = program

    return Whole().deepcopy().part


COPIES = {
    "copy": lambda program, _: copy.copy(program),
    "deepcopy": lambda program, _: copy.deepcopy(program),
    "Module.deepcopy": lambda program, _: program.deepcopy(),
    "Module.reset_copy": lambda program, _: program.reset_copy(),
    "copy of a copy": lambda program, _: copy.deepcopy(copy.copy(program)),
    "deepcopy of a list": in_a_list,
    "deepcopy of a module around it": as_a_part,
    "cloudpickle": lambda program, _: cloudpickle.loads(cloudpickle.dumps(program)),
    "saved whole": saved_whole,
    "saved state": saved_state,
    "saved state, pickled": lambda program, folder: saved_state(program, folder, "pkl"),
    "a new one of its class": lambda program, _: type(program)(),
}


@pytest.mark.parametrize("name", COPIES)
@pytest.mark.filterwarnings("ignore:.*pickle:UserWarning")
def test_a_copy_is_plain_calls_as_before_and_is_not_captured(everything, tmp_path, name):
    ours = headrace.instrument(Program(), "qa")
    twin = COPIES[name](ours, tmp_path)
    assert type(twin) is Program
    assert outcome(twin, question="x") == outcome(Program(), question="x")
    assert everything.calls == []
    assert outcome(ours, question="x") == outcome(twin, question="x")
    assert len(everything.roots) == 1


@pytest.mark.parametrize("name", COPIES)
@pytest.mark.filterwarnings("ignore:.*pickle:UserWarning")
def test_a_copy_can_be_instrumented_itself(everything, tmp_path, name):
    ours = headrace.instrument(Program(), "qa", "v1")
    twin = headrace.instrument(COPIES[name](ours, tmp_path), "qa", "v2")
    twin(question="x")
    ours(question="x")
    assert [root.module_version for root in everything.roots] == ["v2", "v1"]
    assert [call.signature for call in everything.calls[:3]] == ["qa.generate.predict", "qa.judge", "qa"]


def test_demos_and_instructions_travel_and_the_hash_tells_them(everything, tmp_path):
    ours = headrace.instrument(Program(), "qa")
    ours(question="x")
    ours.judge.demos = [dspy.Example(answer="a", score=1.0)]
    ours.judge.signature = ours.judge.signature.with_instructions("Be strict.")
    ours(question="x")
    loaded = headrace.instrument(saved_state(ours, tmp_path), "qa")
    loaded(question="x")
    before, after, again = (root.program_hash for root in everything.roots)
    assert before != after == again


def test_plain_pickle_refuses_an_inline_signature_as_before(everything):
    def told(program):
        return outcome(pickle.dumps, program).raised.partition("(")[0]

    assert told(headrace.instrument(Program(), "qa")) == told(Program())
    assert everything.calls == []


READS = {
    "cloudpickle": "import cloudpickle; program = cloudpickle.loads(open(sys.argv[1], 'rb').read())",
    "saved whole": f"import dspy; program = dspy.load(sys.argv[1], **{TRUSTED})",
}


@pytest.mark.parametrize("how", READS)
def test_a_process_without_headrace_reads_it(everything, tmp_path, how):
    program, place = headrace.instrument(local(), "qa"), tmp_path / "program"
    if how == "cloudpickle":
        place.write_bytes(cloudpickle.dumps(program))
    else:
        program.save(place, save_program=True)
    code = f"import sys; sys.modules['headrace'] = None; {READS[how]}; print(type(program).__name__, program)"
    done = subprocess.run(
        [sys.executable, "-c", code, str(place)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.startswith("Local ask = Predict("), done.stderr
    assert everything.calls == []


def test_what_is_saved_is_what_the_plain_program_saves(tmp_path):
    Program().save(tmp_path / "plain.json")
    headrace.instrument(Program(), "qa").save(tmp_path / "ours.json")
    assert (tmp_path / "ours.json").read_text() == (tmp_path / "plain.json").read_text()


def test_a_module_that_sets_itself_up_again_stays_instrumented(everything):
    program = headrace.instrument(Program(), "qa")
    program.__init__()
    program(question="x")
    assert [call.signature for call in everything.calls] == ["qa.generate.predict", "qa.judge", "qa"]


def test_parts_exchanged_between_programs_stay_what_they_are(everything):
    """A plain part in an instrumented program is recorded as its part; alone it is not."""
    ours, other = headrace.instrument(Program(), "qa"), Program()
    ours.judge, other.judge = other.judge, ours.judge
    ours(question="x")
    assert [call.signature for call in everything.calls] == ["qa.generate.predict", "qa.judge", "qa"]
    other(question="x")
    assert len(everything.calls) == 3


def test_lms_are_set_and_read_as_before(everything):
    program, lm = headrace.instrument(Program(), "qa"), OfflineLM({"answer": "green", "reasoning": "so", "score": "1"})
    program.set_lm(lm)
    assert program.get_lm() is lm
    assert program(question="x").answer == "green"
    assert everything.roots[0].output["answer"] == "green"
