"""The module behaves as before; its calls are recorded."""

import asyncio
import copy
import inspect
import logging
import pickle
import threading

import cloudpickle
import dspy
import pytest
from dspy.utils.callback import BaseCallback

import headrace
from headrace import runtime
from headrace.config import load
from headrace.errors import UsageError
from tests.unit.headrace.capture.conftest import capturing
from tests.unit.headrace.capture.offline import TRUSTED, Echo, KeepingPipeline, OfflineLM, Program


def test_a_call_returns_what_the_plain_module_returns_and_leaves_one_record(everything):
    predict = headrace.instrument(dspy.Predict("question -> answer"), "qa", "v2")
    assert predict(question="colour?") == dspy.Predict("question -> answer")(question="colour?")
    (call,) = everything.calls
    assert (call.module_name, call.module_version, call.signature) == ("qa", "v2", "qa.self")
    assert (call.input, call.output) == ({"question": "colour?"}, {"answer": "blue"})
    assert (call.success, call.error, call.error_type) == (True, None, None)
    assert (call.tokens_input, call.tokens_output, call.cost_usd, call.lm_calls) == (7, 3, 0.25, 1)
    assert (call.model, call.cache_hits, call.inclusion_probability) == ("dummy", 0, 1.0)
    assert call.program_hash is not None
    assert call.keep_reason == "sample"


def test_acall_is_recorded_as_a_call_is(everything):
    program = headrace.instrument(Program(), "qa")
    program(question="x")
    asyncio.run(program.acall(question="x"))
    shape = [(call.signature, call.fields_hash, call.input, call.output, call.lm_calls) for call in everything.calls]
    assert shape[:3] == shape[3:]
    assert len(shape) == 6


def test_time_comes_from_the_clocks_passed_in():
    pipeline, seconds = KeepingPipeline(), iter([9.0, 10.0, 10.25])
    config = load(None, {"telemetry": {"enabled": True, "sampling_rate_pct": 100}}, {})
    ours = runtime.Runtime(
        config, pipeline, time_ns=lambda: 1_700_000_000_123_456_789, perf_counter=lambda: next(seconds)
    )
    previous = runtime.swap(ours)
    try:
        headrace.instrument(Echo())(value=1)
    finally:
        runtime.swap(previous)
    assert (pipeline.calls[0].timestamp_ms, pipeline.calls[0].latency_ms) == (1_700_000_000_123, 250.0)


def test_the_callers_exception_passes_unchanged_and_is_recorded(everything):
    echo, raised = headrace.instrument(Echo()), ValueError("no such ship")
    with pytest.raises(ValueError, match="no such ship") as caught:
        echo(value=raised)
    assert caught.value is raised
    (call,) = everything.calls
    assert (call.success, call.output, call.error, call.error_type) == (False, {}, "no such ship", "ValueError")


@pytest.mark.parametrize("raised", [KeyboardInterrupt(), SystemExit(3), asyncio.CancelledError()])
def test_exceptions_that_are_no_errors_pass_and_are_recorded_too(everything, raised):
    with pytest.raises(type(raised)) as caught:
        headrace.instrument(Echo())(value=raised)
    assert caught.value is raised
    assert everything.calls[0].error_type == type(raised).__name__


def test_a_cancelled_task_is_cancelled_and_recorded(everything):
    class Waits(dspy.Module):
        async def aforward(self):
            self.waiting.set()
            await asyncio.Event().wait()

    async def cancel():
        program = headrace.instrument(Waits())
        program.waiting = asyncio.Event()
        task = asyncio.create_task(program.acall())
        await program.waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert [call.error_type for call in everything.calls] == ["CancelledError"]


def test_an_error_message_is_bounded_and_a_broken_one_does_no_harm(everything):
    class Unprintable(Exception):  # noqa: N818  # it is the text that is the matter
        def __str__(self):
            raise RuntimeError

    echo = headrace.instrument(Echo())
    with pytest.raises(ValueError, match="x"):
        echo(value=ValueError("x" * 10_000))
    with pytest.raises(Unprintable):
        echo(value=Unprintable())
    assert [call.error for call in everything.calls] == ["x" * 2_000, "<no message>"]


def test_an_instrumented_module_looks_like_the_plain_one(everything):
    plain, ours = Program(), headrace.instrument(Program(), "qa")
    assert isinstance(ours, Program)
    assert isinstance(ours, dspy.Module)
    assert type(ours).__name__ == "Program"
    assert type(ours).__qualname__ == type(plain).__qualname__
    assert inspect.getsource(type(ours)) == inspect.getsource(Program)
    assert inspect.signature(type(ours).__call__) == inspect.signature(Program.__call__)
    assert inspect.iscoroutinefunction(ours.acall)
    assert [name for name, _ in ours.named_predictors()] == [name for name, _ in plain.named_predictors()]
    assert ours.dump_state() == plain.dump_state()
    assert vars(ours).keys() == vars(plain).keys()
    assert everything.calls == []


def test_state_is_saved_and_loaded(everything, tmp_path):
    ours = headrace.instrument(Program(), "qa")
    ours.judge.demos = [dspy.Example(answer="a", score=1.0)]
    ours.save(tmp_path / "state.json")
    other = headrace.instrument(Program(), "qa")
    other.load(tmp_path / "state.json")
    assert [dict(demo) for demo in other.judge.demos] == [{"answer": "a", "score": 1.0}]
    ours.save(tmp_path / "whole", save_program=True)
    loaded = dspy.load(tmp_path / "whole", **TRUSTED)
    assert type(loaded) is Program
    assert everything.calls == []


COPIES = {
    "copy.copy": copy.copy,
    "copy.deepcopy": copy.deepcopy,
    "Module.deepcopy": lambda module: module.deepcopy(),
    "Module.reset_copy": lambda module: module.reset_copy(),
    "cloudpickle": lambda module: cloudpickle.loads(cloudpickle.dumps(module)),
}


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES.keys())
def test_a_copy_is_a_plain_module_and_is_not_captured(everything, copied):
    ours = headrace.instrument(Program(), "qa")
    twin = copied(ours)
    assert type(twin) is Program
    assert twin(question="x").answer == "blue"
    assert everything.calls == []
    ours(question="x")
    assert len(everything.roots) == 1


class Named(Echo):
    """Made by arguments to __new__, which pickle has to give again."""

    def __new__(cls, *args, **kwargs):
        made = super().__new__(cls)
        made.given = (args, kwargs)
        return made

    def __init__(self, *_, **__):
        super().__init__()

    def __getnewargs__(self):
        return ("a",)


class Keyworded(Named):
    def __getnewargs_ex__(self):
        return (("a",), {"b": 1})


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickled_module_comes_back_plain(everything, protocol):
    twin = pickle.loads(pickle.dumps(headrace.instrument(Echo()), protocol=protocol))
    assert type(twin) is Echo
    assert twin(value=1) == 1
    assert everything.calls == []


@pytest.mark.parametrize("kind", [Named, Keyworded])
def test_arguments_that_a_class_wants_for_its_making_are_pickled_along(everything, kind):
    ours = headrace.instrument(kind("x"))
    twin = pickle.loads(pickle.dumps(ours))
    assert type(twin) is kind
    assert twin.given == ours.given == (("x",), {})
    assert everything.calls == []


class Uncopyable(dspy.Module):
    """Module.deepcopy falls back to attribute by attribute."""

    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()

    def forward(self):
        return dspy.Prediction(answer="x")


class SelfCopying(Echo):
    def __copy__(self):
        return type(self)()

    def __deepcopy__(self, memo):
        return type(self)()


def test_copies_that_a_class_makes_itself_are_plain_too(everything, caplog):
    with caplog.at_level(logging.CRITICAL):  # DSPy warns of the lock
        assert type(headrace.instrument(Uncopyable()).deepcopy()) is Uncopyable
    ours = headrace.instrument(SelfCopying())
    assert type(copy.copy(ours)) is SelfCopying
    assert type(copy.deepcopy(ours)) is SelfCopying
    assert type(ours) is not SelfCopying
    assert everything.calls == []


def test_instrumenting_again_replaces_name_and_version(everything):
    echo = headrace.instrument(headrace.instrument(Echo(), "old"), "new", version="v2")
    echo(value=1)
    assert [(call.module_name, call.module_version) for call in everything.calls] == [("new", "v2")]
    assert type(copy.deepcopy(echo)) is Echo


def test_the_default_name_is_the_class_name(everything):
    headrace.instrument(Echo())(value=1)
    assert (everything.calls[0].module_name, everything.calls[0].module_version) == ("Echo", "baseline")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("text",), "expected an instance of dspy.Module, found str"),
        ((Echo,), "expected an instance of dspy.Module, found the class Echo"),
        ((Echo(), ""), "name must be a string that is not empty, found ''"),
        ((Echo(), "qa", 2), "version must be a string that is not empty, found 2"),
    ],
)
def test_what_cannot_be_instrumented_is_refused_in_one_line(arguments, message):
    with pytest.raises(UsageError, match=message):
        headrace.instrument(*arguments)


def test_a_failure_of_ours_is_counted_and_never_reaches_the_caller(caplog):
    with capturing(100) as pipeline:
        program = headrace.instrument(Program(), "qa")
        pipeline.broken = True
        assert program(question="my secret question").answer == "blue"
        assert asyncio.run(program.acall(question="my secret question")).answer == "blue"
        with pytest.raises(TypeError):
            program(nothing=1)
    assert pipeline.failures == ["capture_failed"] * 7
    assert pipeline.stats().balanced
    assert len(caplog.records) == 1
    assert "RuntimeError at offline.py:" in caplog.text
    assert "secret" not in caplog.text


def test_a_failure_at_the_start_of_a_call_is_counted_and_the_call_goes_on():
    def broken():
        raise OSError

    pipeline = KeepingPipeline()
    config = load(None, {"telemetry": {"enabled": True, "sampling_rate_pct": 100}}, {})
    previous = runtime.swap(runtime.Runtime(config, pipeline, time_ns=broken))
    try:
        assert headrace.instrument(Echo())(value=5) == 5
    finally:
        runtime.swap(previous)
    assert pipeline.stats().dropped == {"capture_failed": 1}


def test_switched_off_nothing_is_captured_and_a_later_configuration_switches_it_on(caplog):
    with capturing(100, enabled=False) as off:
        echo = headrace.instrument(Echo())
        headrace.instrument(Echo())
        assert echo(value=1) == 1
    assert off.calls == []
    assert [record.getMessage().partition(". ")[0] for record in caplog.records] == [
        "headrace captures nothing: telemetry.enabled is false"
    ]
    with capturing(100) as on:
        echo(value=2)
    assert [call.input for call in on.calls] == [{"value": 2}]


def test_the_users_own_callbacks_and_usage_tracking_work_in_a_captured_call(everything):
    class Listens(BaseCallback):
        def __init__(self):
            self.heard = []

        def on_module_start(self, call_id, instance, inputs):
            del call_id, inputs
            self.heard.append(type(instance).__name__)

    settings_listener, own_listener = Listens(), Listens()
    program = headrace.instrument(Program(), "qa")
    program.callbacks = [own_listener]
    with dspy.context(callbacks=[settings_listener], track_usage=True):
        prediction = program(question="x")
    assert settings_listener.heard == ["Program", "ChainOfThought", "Predict", "Predict"]
    assert own_listener.heard == ["Program"]
    assert prediction.get_lm_usage() is not None
    assert len(everything.calls) == 3


def test_a_streamed_program_is_captured(everything):
    program = headrace.instrument(Program(), "qa")
    streamed = dspy.streamify(program)

    async def last():
        return [chunk async for chunk in streamed(question="x")][-1]

    assert asyncio.run(last()).answer == "blue"
    assert len(everything.roots) == 1


def test_what_the_call_changes_in_its_inputs_is_not_recorded_as_input(everything):
    class Changes(dspy.Module):
        def forward(self, items):
            items.append("changed")
            return dspy.Prediction(items=items)

    headrace.instrument(Changes())(["given"])
    (call,) = everything.calls
    assert call.input == {"items": ["given"]}
    assert call.output == {"items": ["given", "changed"]}


def test_an_output_that_is_no_prediction_is_the_field_output(everything):
    headrace.instrument(Echo())(value=[1, 2])
    assert everything.calls[0].output == {"output": [1, 2]}


def test_an_optimizer_leaves_no_records_of_its_student(everything):
    student = headrace.instrument(Program(), "qa")
    trainset = [dspy.Example(question=str(n), answer="blue").with_inputs("question") for n in range(3)]
    compiled = dspy.BootstrapFewShot(metric=lambda *_: True, max_bootstrapped_demos=1).compile(
        student, trainset=trainset
    )
    assert type(compiled) is Program
    assert everything.calls == []


def test_a_call_without_any_lm_configured_fails_as_it_would(everything):
    with dspy.context(lm=None), pytest.raises(ValueError, match="No LM is loaded"):
        headrace.instrument(dspy.Predict("question -> answer"), "qa")(question="x")
    assert everything.calls[0].success is False


def test_an_lm_error_is_the_callers_and_the_records(everything):
    with dspy.context(lm=OfflineLM(error=TimeoutError("too slow"))), pytest.raises(Exception, match="too slow"):
        headrace.instrument(Program(), "qa")(question="x")
    assert [(call.signature, call.success) for call in everything.calls] == [
        ("qa.generate.predict", False),
        ("qa", False),
    ]
