"""Every call of an instrumented module is counted once, by how it ended, whether it is sampled or not."""

import asyncio

import dspy
import pytest

import headrace
from headrace import runtime
from headrace.capture.marks import mark_of
from headrace.config import load
from headrace_schemas.latency import bucket_of
from tests.unit.headrace.capture.offline import ANSWERS, Echo, KeepingPipeline, OfflineLM, Program


class Outer(dspy.Module):
    """Calls an instrumented module, in threads if told so."""

    def __init__(self, inner, threads=None):
        super().__init__()
        self.inner, self.threads = inner, threads

    def forward(self, question):
        if self.threads:
            pairs = [(self.inner, {"question": question})] * self.threads
            return dspy.Parallel(num_threads=self.threads, disable_progress_bar=True)(pairs)[0]
        return self.inner(question=question)


def counted(pipeline):
    return {each["module_name"]: each for each in pipeline.counters.snapshot()}


def calls(pipeline):
    return {name: each["calls"] for name, each in counted(pipeline).items()}


@pytest.mark.parametrize("rate_pct", [0, 25, 100])
def test_all_calls_are_counted_at_every_rate(at, rate_pct):
    pipeline = at(rate_pct)
    echo = headrace.instrument(Echo(), "echo", "v2")
    for _ in range(60):
        echo(value=1)
        asyncio.run(echo.acall(value=1))
    (series,) = pipeline.counters.snapshot()
    assert (series["module_name"], series["module_version"], series["signature"]) == ("echo", "v2", "echo")
    assert (series["calls"], series["errors"], series["cancelled"]) == (120, [], 0)
    assert len(pipeline.calls) == {0: 0, 100: 120}.get(rate_pct, len(pipeline.calls))


@pytest.mark.parametrize("rate_pct", [0, 100])
def test_errors_are_counted_by_their_type_and_what_ends_a_call_from_outside_as_cancelled(at, rate_pct):
    pipeline = at(rate_pct)
    echo = headrace.instrument(Echo())
    raised = [ValueError("a"), ValueError("b"), TimeoutError(), asyncio.CancelledError(), KeyboardInterrupt()]
    for error in [*raised, SystemExit(), GeneratorExit()]:
        with pytest.raises(type(error)):
            echo(value=error)
    echo(value=1)
    (series,) = pipeline.counters.snapshot()
    assert (series["calls"], series["cancelled"]) == (8, 4)
    assert {each["name"]: each["count"] for each in series["errors"]} == {"ValueError": 2, "TimeoutError": 1}


@pytest.mark.parametrize("rate_pct", [0, 100])
def test_a_cancelled_task_is_a_cancelled_call(at, rate_pct):
    pipeline, begun = at(rate_pct), asyncio.Event()

    class Waits(dspy.Module):
        async def aforward(self):
            begun.set()
            await asyncio.Event().wait()

    waits = headrace.instrument(Waits())

    async def cancel():
        task = asyncio.ensure_future(waits.acall())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert counted(pipeline)["Waits"]["cancelled"] == 1
    assert counted(pipeline)["Waits"]["errors"] == []


@pytest.mark.parametrize("rate_pct", [0, 100])
@pytest.mark.parametrize("threads", [None, 3])
def test_a_nested_module_s_calls_are_its_own(at, rate_pct, threads):
    pipeline = at(rate_pct)
    outer = headrace.instrument(Outer(headrace.instrument(Program(), "inner"), threads), "outer")
    for _ in range(4):
        outer(question="x")
    assert calls(pipeline) == {"outer": 4, "inner": 4 * (threads or 1)}


def test_what_is_suppressed_evaluated_copied_or_switched_off_is_not_counted(at):
    pipeline = at(100)
    program = headrace.instrument(Program(), "program")
    with headrace.suppress():
        program(question="x")
        Outer(program, threads=2)(question="x")
    examples = [dspy.Example(question="x").with_inputs("question")]
    dspy.Evaluate(devset=examples, metric=lambda *_: 1.0, display_progress=False)(program)
    program.deepcopy()(question="x")
    assert pipeline.counters.is_empty
    off = KeepingPipeline()
    runtime.swap(runtime.Runtime(load(None, {"telemetry": {"enabled": False}}, {}), off))
    program(question="x")
    assert off.counters.is_empty


def test_the_latency_is_that_of_the_record(everything):
    headrace.instrument(Program(), "program")(question="x")
    (root,) = everything.roots
    series = counted(everything)["program"]
    assert series["latency_s_sum"] * 1000 == pytest.approx(root.latency_ms)
    assert series["latency_counts"][bucket_of(series["latency_s_sum"])] == 1


def test_names_are_those_of_the_records(everything):
    headrace.instrument(Echo(), "an echo/2", "ü")(value=1)
    (series,) = everything.counters.snapshot()
    assert series["module_name"].startswith("an_echo_2-")
    assert series["module_version"].startswith("_-")
    assert series["signature"] == series["module_name"]


def test_usage_is_that_of_the_sampled_calls_and_their_weight_is_one_by_the_rate(at):
    pipeline = at(25)
    program = headrace.instrument(Program(), "program")
    for _ in range(100):
        program(question="x")
    sampled = len(pipeline.roots)
    assert 0 < sampled < 100
    (usage,) = counted(pipeline)["program"]["usage"]
    assert (usage["sampled"], usage["weight"], usage["unknown_cost"]) == (sampled, sampled * 4, 0)
    # two LM calls of 7 and 3 tokens and 0.25 USD in each
    assert (usage["tokens_input"], usage["tokens_output"], usage["cost_usd"]) == (
        sampled * 4 * 14,
        sampled * 4 * 6,
        sampled * 4 * 0.5,
    )
    assert usage["model"] == pipeline.roots[0].model


def test_usage_of_a_nested_module_is_counted_for_it_and_for_the_one_around_it_once_each(everything):
    headrace.instrument(Outer(headrace.instrument(dspy.ChainOfThought("question -> answer"), "inner")), "outer")(
        question="x"
    )
    inner, outer = counted(everything)["inner"]["usage"], counted(everything)["outer"]["usage"]
    assert [each["tokens_input"] for each in inner] == [each["tokens_input"] for each in outer] == [7]


def test_a_predictor_with_the_module_s_identity_but_other_inputs_is_no_call_of_the_module(everything):
    class Twice(dspy.ChainOfThought):
        def forward(self, **kwargs):
            super().forward(**kwargs)
            return self.predict(question="something else")

    headrace.instrument(Twice("question -> answer"), "twice")(question="x")
    (usage,) = counted(everything)["twice"]["usage"]
    assert (usage["sampled"], usage["tokens_input"]) == (1, 14)
    assert calls(everything) == {"twice": 1}


def test_an_unknown_cost_is_counted_as_unknown(everything):
    with dspy.context(lm=OfflineLM(ANSWERS, cost_usd=None)):
        headrace.instrument(Program(), "program")(question="x")
    (usage,) = counted(everything)["program"]["usage"]
    assert (usage["unknown_cost"], usage["cost_usd"], usage["tokens_input"]) == (1, 0.0, 14)


def test_a_call_that_a_new_configuration_overtakes_is_counted_in_one_of_both():
    old, new = KeepingPipeline(), KeepingPipeline()
    config = load(None, {"telemetry": {"enabled": True, "sampling_rate_pct": 0}}, {})
    before = runtime.swap(runtime.Runtime(config, old))

    class Reconfigures(Echo):
        def forward(self, value):
            runtime.swap(runtime.Runtime(config, new))
            old.counters.snapshot(seal=True)
            return value

    try:
        headrace.instrument(Reconfigures(), "overtaken")(value=1)
    finally:
        runtime.swap(before)
    assert old.counters.is_empty
    assert calls(new) == {"overtaken": 1}


def test_usage_whose_counters_are_sealed_meanwhile_is_counted_in_the_new_ones():
    config = load(None, {"telemetry": {"enabled": True, "sampling_rate_pct": 100}}, {})
    new = KeepingPipeline()

    class Overtaken(KeepingPipeline):
        def submit(self, call):
            runtime.swap(runtime.Runtime(config, new))
            self.counters.snapshot(seal=True)
            return super().submit(call)

    old = Overtaken()
    before = runtime.swap(runtime.Runtime(config, old))
    try:
        headrace.instrument(Echo(), "overtaken")(value=1)
    finally:
        runtime.swap(before)
    (series,) = new.counters.snapshot()
    assert [usage["sampled"] for usage in series["usage"]] == [1]
    assert calls(old) == {"overtaken": 1}


def test_counters_that_fail_do_not_reach_the_caller_and_are_told_of_once(at, caplog):
    pipeline = at(1e-9)

    def fail(*_, **__):
        raise RuntimeError("broken on purpose")

    pipeline.counters.add = fail
    echo = headrace.instrument(Echo())
    assert [echo(value=1), echo(value=2)] == [1, 2]
    assert [record.getMessage().count("RuntimeError") for record in caplog.records] == [1]


def test_a_failure_of_capture_does_not_lose_the_count(at):
    pipeline = at(100)
    pipeline.broken = True
    headrace.instrument(Echo(), "echo")(value=1)
    assert calls(pipeline) == {"echo": 1}
    assert pipeline.failures == ["capture_failed"]


def test_the_key_of_a_module_is_made_once():
    mark = mark_of(headrace.instrument(Echo(), "echo"))
    assert mark.key is mark.key == ("echo", "baseline", "echo")
