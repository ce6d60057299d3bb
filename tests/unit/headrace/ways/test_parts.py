"""instrument_all: each part under its own name, counted by itself, recorded once, in the datasets it was in before."""

import asyncio
import copy
import logging
from collections import Counter

import dspy
import pytest

import headrace
from headrace import UsageError
from headrace.capture.marks import mark_of
from tests.unit.headrace.capture.offline import ANSWERS, OfflineLM, Program
from tests.unit.headrace.ways.outcomes import outcome
from tests.unit.headrace.ways.test_modules import AGENT, CASES, Layered, look_up


def told(calls):
    """What a dataset sees of records: whose they are, and what is in them."""
    return Counter((call.signature, call.fields_hash, repr(call.input), repr(call.output)) for call in calls)


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("make", [Program, Layered], ids=["two predictors", "lists and dicts"])
def test_each_part_has_its_own_name_and_the_datasets_are_the_same(everything, make, asynchronous):
    def call(program):
        return asyncio.run(program.acall(question="x")) if asynchronous else program(question="x")

    call(headrace.instrument(make(), "qa", "v1"))
    before = list(everything.calls)
    everything.calls.clear()
    call(headrace.instrument_all(make(), "qa", "v2"))
    assert told(everything.calls) == told(before)
    (root,) = everything.roots
    assert {call.parent_event_id for call in everything.calls} == {None, root.event_id}
    assert {call.module_version for call in everything.calls} == {"v2"}
    names = {call.signature: call.module_name for call in everything.calls}
    assert names["qa"] == "qa"
    if make is Program:
        assert names == {"qa": "qa", "qa.generate.predict": "qa.generate", "qa.judge": "qa.judge"}
    else:
        assert names["qa.rest[1].predict"] == "qa.rest[1]"
        assert names["qa.last['score']"] == "qa.last['score']"


@pytest.mark.filterwarnings("ignore:.*prefix:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*is deprecated and will be removed:DeprecationWarning")
@pytest.mark.parametrize("name", CASES)
def test_no_call_of_dspys_own_modules_is_recorded_twice(everything, name):
    case, own = CASES[name], {}
    if name == "MultiChainComparison":  # it makes other inputs of its own for its predictor: a call of its own
        own = {"m.compare": 1}
    with dspy.context(lm=OfflineLM({**ANSWERS, **case.fields})):
        plain = outcome(case.make(), question="x")
        ours = outcome(headrace.instrument_all(case.make(), "m"), question="x")
    assert (ours.raised, plain.raised) == (None, None)
    assert ours.result["fields"].keys() == plain.result["fields"].keys()
    assert Counter(call.signature for call in everything.calls) == {**case.records, **own}
    assert len(everything.roots) == 1


def test_a_module_that_hands_its_inputs_through_two_levels_is_one_record(everything):
    class Inner(dspy.Module):
        def __init__(self):
            super().__init__()
            self.ask = dspy.ChainOfThought("question -> answer")

        def forward(self, question):
            return self.ask(question=question)

    class Outer(dspy.Module):
        def __init__(self):
            super().__init__()
            self.inner = Inner()

        def forward(self, question):
            return self.inner(question=question)

    headrace.instrument_all(Outer(), "outer")(question="x")
    assert [call.signature for call in everything.calls] == ["outer.inner.ask.predict"]


def test_a_part_in_two_places_has_the_name_of_the_first(everything):
    class Shares(dspy.Module):
        def __init__(self):
            super().__init__()
            self.ask = dspy.Predict("question -> answer")
            self.again = self.ask
            self.judge = dspy.Predict("answer -> score: float")
            self.loop = self

        def forward(self, question):
            return self.judge(answer=self.again(question=self.ask(question=question).answer).answer)

    headrace.instrument_all(Shares(), "shares")(question="x")
    assert [call.module_name for call in everything.calls] == ["shares.ask", "shares.ask", "shares.judge", "shares"]


def test_each_part_is_counted_exactly_sampled_or_not(everything, at):
    program = headrace.instrument_all(Program(), "qa", "v2")
    program(question="x")
    unsampled = at(0.000001)
    with headrace.request("r"):
        for _ in range(3):
            program(question="x")
    assert unsampled.calls == []
    keys = {mark_of(part).key for part in (program, program.generate, program.judge)}
    assert {key[0] for key in keys} == {"qa", "qa.generate", "qa.judge"}
    assert len(everything.calls) == 3


def test_a_part_alone_is_a_call_of_its_own(everything):
    program = headrace.instrument_all(Program(), "qa")
    program.judge(answer="x")
    assert [(call.module_name, call.signature, call.parent_event_id) for call in everything.calls] == [
        ("qa.judge", "qa.judge", None)
    ]


def test_what_was_instrumented_by_itself_keeps_its_name_and_parts_take_a_new_version(everything):
    program = Program()
    headrace.instrument(program.judge, "fairness", "f1")
    headrace.instrument_all(headrace.instrument_all(program, "qa", "v1"), "qa", "v2")
    program(question="x")
    assert {(call.module_name, call.module_version) for call in everything.calls} == {
        ("qa", "v2"),
        ("qa.generate", "v2"),
        ("fairness", "f1"),
    }


def test_copies_of_a_program_and_of_its_parts_are_plain(everything):
    twin = copy.deepcopy(headrace.instrument_all(Program(), "qa"))
    assert [type(part) for part in (twin, twin.generate, twin.judge)] == [Program, dspy.ChainOfThought, dspy.Predict]
    twin(question="x")
    assert everything.calls == []


def test_an_optimizer_and_an_evaluation_leave_no_records(everything):
    program = headrace.instrument_all(Program(), "qa")
    trainset = [dspy.Example(question=str(n), answer="blue").with_inputs("question") for n in range(3)]
    compiled = dspy.BootstrapFewShot(metric=lambda *_: True, max_bootstrapped_demos=1).compile(
        program, trainset=trainset
    )
    dspy.Evaluate(devset=trainset, metric=lambda *_: True, num_threads=2, display_progress=False)(program)
    assert [type(part) for part in (compiled, compiled.generate)] == [Program, dspy.ChainOfThought]
    assert everything.calls == []


def test_a_frozen_part_is_named_as_before(everything):
    program = Program()
    program.generate._compiled = True
    headrace.instrument_all(program, "qa")(question="x")
    assert {call.module_name for call in everything.calls} == {"qa", "qa.generate", "qa.judge"}


def test_a_predictor_and_an_agent(everything):
    headrace.instrument_all(dspy.Predict("question -> answer"), "ask")(question="x")
    with dspy.context(lm=OfflineLM({**ANSWERS, **AGENT})):
        headrace.instrument_all(dspy.ReAct("question -> answer", tools=[look_up], max_iters=1), "m")(question="x")
    assert [(call.module_name, call.signature) for call in everything.calls] == [
        ("ask", "ask.self"),
        ("m.react", "m.react"),
        ("m.extract", "m.extract.predict"),
        ("m", "m"),
    ]


def test_a_part_whose_class_cannot_be_replaced_is_left_out_and_told(everything, caplog):
    class Slotted(dspy.Predict):
        __slots__ = ("extra",)

        def __setattr__(self, name, value):
            if name == "__class__":
                raise TypeError("no")
            super().__setattr__(name, value)

    class Holds(Program):
        def __init__(self):
            super().__init__()
            self.judge = Slotted("answer -> score: float")

    with caplog.at_level(logging.WARNING):
        program = headrace.instrument_all(Holds(), "qa")
    program(question="x")
    assert "headrace leaves out qa.judge: " in caplog.text
    assert [(call.module_name, call.signature) for call in everything.calls] == [
        ("qa.generate", "qa.generate.predict"),
        ("qa", "qa.judge"),
        ("qa", "qa"),
    ]


@pytest.mark.parametrize("given", ["text", Program, None])
def test_what_is_no_module_is_refused(given):
    with pytest.raises(UsageError, match=r"expected an instance of dspy\.Module"):
        headrace.instrument_all(given)
