"""What the user has attached already hears, counts and keeps the same with Headrace as without."""

import asyncio
import logging

import dspy
import pytest
from dspy.utils.callback import BaseCallback

import headrace
from tests.unit.headrace.capture.offline import ANSWERS, OfflineLM, Program


class Listens(BaseCallback):
    """Writes down every hook that it hears, with the names of what it is about."""

    def __init__(self):
        self.heard = []


def _listens_to(hook):
    def heard(self, **told):
        instance = told.get("instance")
        inputs, outputs, exception = told.get("inputs"), told.get("outputs"), told.get("exception")
        self.heard.append((hook, type(instance).__name__, repr(inputs)[:80], type(outputs).__name__, repr(exception)))

    return heard


for name in dir(BaseCallback):
    if name.startswith("on_"):
        setattr(Listens, name, _listens_to(name))


class Breaks(BaseCallback):
    """A callback that fails, as DSPy allows it to."""

    def on_module_start(self, call_id, instance, inputs):
        del call_id, instance, inputs
        raise RuntimeError("the user's own")


def call(program, *, asynchronous):
    return asyncio.run(program.acall(question="x")) if asynchronous else program(question="x")


@pytest.mark.parametrize("asynchronous", [False, True])
def test_callbacks_hear_the_same_in_the_same_order(everything, asynchronous):
    def heard(program):
        settings, own, lms = Listens(), Listens(), Listens()
        program.callbacks = [own]
        lm = OfflineLM()
        lm.callbacks = [lms]
        with dspy.context(callbacks=[settings], lm=lm):
            call(program, asynchronous=asynchronous)
        return settings.heard, own.heard, lms.heard

    plain = heard(Program())
    assert heard(headrace.instrument(Program(), "qa")) == plain
    assert len(plain[0]) > 10
    assert len(everything.calls) == 3


def test_callbacks_hear_of_an_error_as_before(everything):
    def heard(program):
        listener = Listens()
        with (
            dspy.context(callbacks=[listener], lm=OfflineLM(error=ValueError("no"))),
            pytest.raises(Exception, match="no"),
        ):
            program(question="x")
        return listener.heard

    assert heard(headrace.instrument(Program(), "qa")) == heard(Program())
    assert len(everything.roots) == 1


def test_a_callback_that_fails_harms_neither(everything, caplog):
    program = headrace.instrument(Program(), "qa")
    with caplog.at_level(logging.CRITICAL), dspy.context(callbacks=[Breaks()]):
        assert program(question="x").answer == "blue"
    assert len(everything.calls) == 3


def test_the_callbacks_list_is_not_touched(everything):
    listeners = [Listens()]
    with dspy.context(callbacks=listeners):
        headrace.instrument(Program(), "qa")(question="x")
        assert dspy.settings.callbacks is listeners
        assert len(listeners) == 1
    assert len(everything.calls) == 3


class Reports(OfflineLM):
    """An LM whose usage track_usage can see."""

    def update_history(self, entry):
        super().update_history(entry)
        tracker = dspy.settings.usage_tracker
        if tracker:
            tracker.add_usage(self.model, {"prompt_tokens": 7, "completion_tokens": 3})


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("how", ["setting", "context manager", "both"])
def test_the_users_track_usage_counts_the_same(everything, asynchronous, how):
    def told(program):
        with dspy.context(lm=Reports(), track_usage=how != "context manager"):
            if how == "setting":
                return call(program, asynchronous=asynchronous).get_lm_usage()
            with dspy.track_usage() as tracker:
                prediction = call(program, asynchronous=asynchronous)
            return tracker.get_total_tokens(), prediction.get_lm_usage()

    plain = told(Program())
    assert told(headrace.instrument(Program(), "qa")) == plain
    assert "'prompt_tokens': 14" in repr(plain)
    assert everything.roots[0].tokens_input == 14


def test_histories_are_those_of_the_plain_program(everything):
    def told(program):
        lm = OfflineLM()
        with dspy.context(lm=lm):
            program(question="x")
        return [
            len(lm.history),
            len(program.history),
            len(program.judge.history),
            len(program.generate.predict.history),
        ]

    assert told(headrace.instrument(Program(), "qa")) == told(Program()) == [2, 2, 1, 1]
    assert len(everything.calls) == 3


def test_the_trace_is_that_of_the_plain_program(everything):
    def told(program):
        with dspy.context(trace=[]):
            program(question="x")
            trace = dspy.settings.trace
        return [(step[1], dict(step[2])) for step in trace], [step[0] in program.predictors() for step in trace]

    plain = told(Program())
    assert told(headrace.instrument(Program(), "qa")) == plain
    assert plain[1] == [True, True]
    assert len(everything.calls) == 3


def test_the_users_settings_are_back_after_the_call_also_after_an_error(everything):
    program = headrace.instrument(Program(), "qa")
    before = dict(dspy.settings.config) if hasattr(dspy.settings, "config") else dict(dspy.settings.copy())
    program(question="x")
    with pytest.raises(TypeError):
        program(nothing=1)
    asyncio.run(program.acall(question="x"))
    after = dict(dspy.settings.config) if hasattr(dspy.settings, "config") else dict(dspy.settings.copy())
    assert after == before
    assert len(everything.roots) == 3


def test_settings_that_the_program_reads_are_its_own(everything):
    class Reads(dspy.Module):
        def forward(self):
            return dspy.Prediction(lm=dspy.settings.lm.model, adapter=type(dspy.settings.adapter).__name__)

    with dspy.context(adapter=dspy.JSONAdapter()):
        result = headrace.instrument(Reads(), "reads")()
    assert dict(result) == {"lm": "dummy", "adapter": "JSONAdapter"}
    assert everything.calls[0].output == dict(result)


def test_a_subclass_with_a_call_of_its_own_keeps_it(everything):
    class Counts(Program):
        def __call__(self, *args, **kwargs):
            self.counted = getattr(self, "counted", 0) + 1
            return super().__call__(*args, **kwargs)

    program = headrace.instrument(Counts(), "qa")
    program(question="x")
    program(question="y")
    assert program.counted == 2
    assert len(everything.roots) == 2


def test_a_program_called_through_another_librarys_wrapper_is_recorded_once(everything):
    """Somebody else's patch of `dspy.Module.__call__`, such as a tracing library's, runs as before."""
    seen, plain_call = [], dspy.Module.__call__

    def traced(self, *args, **kwargs):
        seen.append(type(self).__name__)
        return plain_call(self, *args, **kwargs)

    dspy.Module.__call__ = traced
    try:
        headrace.instrument(Program(), "qa")(question="x")
    finally:
        dspy.Module.__call__ = plain_call
    assert seen == ["Program", "ChainOfThought", "Predict", "Predict"]
    assert len(everything.calls) == 3
    assert ANSWERS["answer"] == everything.roots[0].output["answer"]


def test_a_patch_that_comes_after_is_heard_too(everything):
    program = headrace.instrument(Program(), "qa")
    seen, plain_call = [], dspy.Module.__call__

    def traced(self, *args, **kwargs):
        seen.append(type(self).__name__)
        return plain_call(self, *args, **kwargs)

    dspy.Module.__call__ = traced
    try:
        program(question="x")
    finally:
        dspy.Module.__call__ = plain_call
    assert seen == ["Program", "ChainOfThought", "Predict", "Predict"]
    assert len(everything.calls) == 3
