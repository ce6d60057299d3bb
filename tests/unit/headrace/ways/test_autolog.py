"""autolog: what the service's code makes is captured under its class's name; what DSPy makes or copies is not."""

import asyncio
import copy

import cloudpickle
import dspy
import pytest

import headrace
from headrace import UsageError
from headrace.capture.marks import mark_of
from tests.unit.headrace.capture.offline import Program

TRAINSET = [dspy.Example(question=str(n), answer="blue").with_inputs("question") for n in range(3)]


@pytest.fixture(autouse=True)
def _autolog():
    headrace.autolog(version="v1")
    yield
    headrace.autolog(enabled=False)


class Ask(dspy.Signature):
    question: str = dspy.InputField()
    answer: str = dspy.OutputField()


class Holds(dspy.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner
        self.sum_up = dspy.Predict("answer -> summary")

    def forward(self, question):
        return self.sum_up(answer=self.inner(question=question).answer)


def test_a_program_is_captured_without_a_line_about_it(everything):
    program = Program()
    program(question="x")
    asyncio.run(program.acall(question="y"))
    assert [(call.module_name, call.module_version, call.signature) for call in everything.calls] == [
        ("Program", "v1", "Program.generate.predict"),
        ("Program", "v1", "Program.judge"),
        ("Program", "v1", "Program"),
    ] * 2
    assert len(everything.roots) == 2


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: dspy.Predict("question -> answer"), "Predict-question-answer"),
        (lambda: dspy.Predict(Ask), "Predict-Ask"),
        (lambda: dspy.ChainOfThought(Ask), "ChainOfThought-question-reasoning-answer"),
        (lambda: dspy.ReAct(Ask, tools=[]), "ReAct-Ask"),
        (Program, "Program"),
    ],
)
def test_names(make, name):
    assert mark_of(make()).name == name


def test_parts_made_inside_are_not_captured_by_themselves_and_parts_handed_in_are_children(everything):
    holds = Holds(Program())
    assert mark_of(holds.sum_up) is None
    holds(question="x")
    (root,) = everything.roots
    assert root.module_name == "Holds"
    (inner,) = everything.named("Program")
    assert inner.parent_event_id == root.event_id
    assert [call.signature for call in everything.inside(inner)] == ["Program.generate.predict", "Program.judge"]
    assert len(everything.calls) == 5


COPIES = {
    "deepcopy": copy.deepcopy,
    "reset_copy": lambda program: program.reset_copy(),
    "cloudpickle": lambda program: cloudpickle.loads(cloudpickle.dumps(program)),
}


@pytest.mark.parametrize("name", COPIES)
def test_copies_are_not_captured(everything, name):
    COPIES[name](Program())(question="x")
    assert everything.calls == []


def judging(example, prediction, trace=None):
    """A metric that makes and asks a judge of its own, as metrics do."""
    del trace
    dspy.Predict("answer -> score: float")(answer=prediction.answer)
    return example.answer == prediction.answer


OPTIMIZERS = {
    "BootstrapFewShot": lambda: dspy.BootstrapFewShot(metric=judging, max_bootstrapped_demos=1),
    "BootstrapFewShotWithRandomSearch": lambda: dspy.BootstrapFewShotWithRandomSearch(
        metric=judging, num_candidate_programs=1, num_threads=2, max_bootstrapped_demos=1
    ),
    "LabeledFewShot": lambda: dspy.LabeledFewShot(k=1),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_are_not_captured_nor_the_judges_that_they_ask(everything, name):
    judge = dspy.Predict("answer -> score: float")
    program = Program()
    compiled = OPTIMIZERS[name]().compile(program, trainset=TRAINSET)
    assert everything.calls == []
    compiled(question="x")
    assert everything.calls == []
    program(question="x")
    judge(answer="x")
    assert len(everything.roots) == 2


def test_evaluations_are_not_captured(everything):
    dspy.Evaluate(devset=TRAINSET, metric=judging, num_threads=2, display_progress=False)(Program())
    assert everything.calls == []


def test_what_is_made_while_capture_is_suppressed_is_left_alone():
    with headrace.suppress():
        assert mark_of(Program()) is None


def test_what_has_a_name_keeps_it_and_gets_its_own_by_one_line(everything):
    headrace.instrument(Program(), "support", "v7")(question="x")
    assert {(call.module_name, call.module_version) for call in everything.calls} == {("support", "v7")}


def test_it_can_be_called_again_and_ended(everything):
    headrace.autolog(version="v2")
    assert mark_of(Program()).version == "v2"
    headrace.autolog(enabled=False)
    before = Program()
    assert mark_of(before) is None
    before(question="x")
    assert everything.calls == []
    dspy.LabeledFewShot(k=1).compile(before, trainset=TRAINSET)
    headrace.autolog()
    assert mark_of(Program()).version == "baseline"


def test_an_error_in_the_making_is_the_programs_own():
    class Fails(dspy.Module):
        def __init__(self):
            raise KeyError("its own")

    with pytest.raises(KeyError, match="its own"):
        Fails()
    assert mark_of(Program()) is not None


def test_a_class_that_cannot_be_instrumented_is_made_as_ever():
    class Refuses(dspy.Module):
        def __setattr__(self, name, value):
            if name == "__class__":
                raise TypeError("no")
            super().__setattr__(name, value)

        def forward(self):
            return 5

    assert Refuses()() == 5


def test_a_version_that_is_none_is_refused():
    with pytest.raises(UsageError, match="version must be a string that is not empty, found ''"):
        headrace.autolog(version="")
