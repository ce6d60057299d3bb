"""Which rate holds: the module before all, the later word before the earlier, the configuration last."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

import headrace
from headrace import runtime
from headrace.config import load
from headrace.config.telemetry import Telemetry
from headrace.errors import ConfigError, UsageError
from headrace.policy import Policy, Sampling
from tests.unit.headrace.capture.offline import Echo, KeepingPipeline


@dataclass
class Order:
    rate_pct: float | None = None
    enabled: bool | None = None


def policy(**telemetry):
    return Policy(load(None, {"telemetry": {"enabled": True, "sampling_rate_pct": 10, **telemetry}}, {}).telemetry)


def test_the_configuration_gives_one_rate_and_what_differs_for_a_module():
    made = policy(modules={"qa": {"sampling_rate_pct": 50}, "chat": {"enabled": False}, "slow": {}})
    assert [made.rate_of(name) for name in ("qa", "chat", "slow", "any")] == [0.5, None, 0.1, 0.1]
    assert made.sampling("qa") == Sampling(50, enabled=True)
    assert made.sampling() == Sampling(10, enabled=True)
    assert made.sampling("chat") == Sampling(10, enabled=False)


def test_off_by_default_and_off_for_all_is_off_for_each():
    assert not Policy(Telemetry()).is_on
    made = policy(enabled=False, modules={"qa": {"enabled": True, "sampling_rate_pct": 100}})
    assert not made.is_on
    assert made.rate_of("qa") is None
    assert made.after_call("qa", enabled=True).rate_of("qa") is None
    assert made.after_call(None, enabled=True).rate_of("qa") == 1


def test_names_are_compared_as_the_records_have_them():
    made = policy(modules={"an echo": {"sampling_rate_pct": 50}})
    from headrace_schemas.names import to_valid_name

    assert made.rate_of(to_valid_name("an echo")) == 0.5
    assert made.after_call("an echo", rate_pct=1).rate_of(to_valid_name("an echo")) == 0.01


def test_a_call_changes_what_it_names_and_leaves_the_rest():
    made = policy(modules={"qa": {"sampling_rate_pct": 50}}).after_call("qa", rate_pct=5)
    assert (made.rate_of("qa"), made.rate_of("any")) == (0.05, 0.1)
    made = made.after_call("qa", enabled=False)
    assert made.sampling("qa") == Sampling(5, enabled=False)
    made = made.after_call("qa", enabled=True)
    assert made.rate_of("qa") == 0.05
    made = made.after_call(None, rate_pct=100)
    assert (made.rate_of("qa"), made.rate_of("any")) == (0.05, 1)
    assert made.after_call("qa", reset=True).rate_of("qa") == 0.5
    assert made.after_call("qa", reset=True, rate_pct=7).rate_of("qa") == 0.07
    assert made.after_call(None, reset=True).rate_of("any") == 0.1
    assert made.after_call("qa") is not made
    assert made.after_call("qa").sampling("qa") == made.sampling("qa")


def test_of_an_order_and_a_call_the_later_holds_for_each_setting():
    made = policy().after_orders({"*": Order(rate_pct=5)})
    assert made.rate_of("qa") == 0.05
    made = made.after_call(None, rate_pct=20)
    assert made.rate_of("qa") == 0.2
    made = made.after_orders({"*": Order(rate_pct=5)})  # read again, after a reconnection, it is no younger
    assert made.rate_of("qa") == 0.2
    made = made.after_orders({"*": Order(rate_pct=6)})
    assert made.rate_of("qa") == 0.06
    made = made.after_orders({"*": Order(enabled=False)})
    assert made.sampling() == Sampling(20, enabled=False)
    made = made.after_orders({})
    assert made.sampling() == Sampling(20, enabled=True)


def test_an_order_about_a_module_comes_before_one_about_all():
    made = policy().after_orders({"*": Order(rate_pct=5), "qa": Order(rate_pct=50, enabled=False)})
    assert (made.rate_of("qa"), made.rate_of("any")) == (None, 0.05)
    assert made.sampling("qa") == Sampling(50, enabled=False)


SAID = st.tuples(st.sampled_from([None, "a", "b"]), st.none() | st.floats(0, 100), st.none() | st.booleans())


@given(st.lists(SAID, max_size=8))
def test_calls_alone_hold_as_a_dictionary_would(said):
    made, rates, switches = policy(), {None: 10}, {None: True}
    for module, rate_pct, enabled in said:
        made = made.after_call(module, rate_pct=rate_pct, enabled=enabled)
        rates |= {} if rate_pct is None else {module: rate_pct}
        switches |= {} if enabled is None else {module: enabled}
    for module in ("a", "b", "c"):
        rate_pct = rates.get(module, rates[None])
        is_on = switches[None] and switches.get(module, True)
        assert made.sampling(module) == Sampling(rate_pct, is_on)
        assert made.rate_of(module) == (rate_pct / 100 if is_on else None)
    assert made.is_on == switches[None]


def test_the_configuration_is_checked():
    with pytest.raises(ConfigError, match=r"telemetry\.modules\.qa\.sampling_rate_pct: found 101"):
        policy(modules={"qa": {"sampling_rate_pct": 101}})
    with pytest.raises(ConfigError, match=r"telemetry\.modules\.qa\.rate: unknown key"):
        policy(modules={"qa": {"rate": 5}})
    with pytest.raises(ConfigError, match=r"did you mean telemetry\.keep\.errors_per_s"):
        policy(keep={"error_per_s": 5})


@pytest.fixture
def pipeline():
    pipeline = KeepingPipeline()
    config = load(None, {"telemetry": {"enabled": True, "sampling_rate_pct": 0}}, {})
    before = runtime.swap(runtime.Runtime(config, pipeline))
    yield pipeline
    runtime.swap(before)


def test_set_sampling_takes_effect_with_the_next_call_and_says_what_holds(pipeline):
    echo, other = headrace.instrument(Echo(), "echo"), headrace.instrument(Echo(), "other")
    assert headrace.set_sampling() == Sampling(0, enabled=True)
    assert headrace.set_sampling("echo", rate_pct=100) == Sampling(100, enabled=True)
    for module in (echo, other):
        module(value=1)
    assert [call.module_name for call in pipeline.calls] == ["echo"]
    assert headrace.set_sampling("echo", enabled=False) == Sampling(100, enabled=False)
    echo(value=2)
    assert headrace.set_sampling(enabled=False) == Sampling(0, enabled=False)
    assert runtime.slot.active is None
    other(value=2)
    headrace.set_sampling(enabled=True)
    other(value=3)
    assert len(pipeline.calls) == 1
    assert {each["module_name"]: each["calls"] for each in pipeline.counters.snapshot()} == {"echo": 1, "other": 2}


def test_set_sampling_switches_on_what_the_configuration_left_off():
    pipeline = KeepingPipeline()
    before = runtime.swap(runtime.Runtime(load(None, None, {}), pipeline))
    try:
        echo = headrace.instrument(Echo())
        echo(value=1)
        assert headrace.set_sampling(rate_pct=100, enabled=True) == Sampling(100, enabled=True)
        echo(value=2)
    finally:
        runtime.swap(before)
    assert [call.input for call in pipeline.calls] == [{"value": 2}]


@pytest.mark.parametrize(
    "wrong",
    [
        {"rate_pct": 101},
        {"rate_pct": -1},
        {"rate_pct": True},
        {"rate_pct": "5"},
        {"rate_pct": float("nan")},
        {"enabled": 1},
        {"module": ""},
        {"module": 3},
    ],
)
def test_set_sampling_refuses_what_it_cannot_use_and_changes_nothing(pipeline, wrong):
    with pytest.raises(UsageError, match=f"set_sampling: {next(iter(wrong))}"):
        headrace.set_sampling(**wrong)
    assert headrace.set_sampling() == Sampling(0, enabled=True)
    assert pipeline.calls == []


@pytest.mark.usefixtures("pipeline")
def test_orders_reach_a_runtime_and_only_that_which_is_in_place_becomes_active():
    ours = runtime.slot.runtime
    runtime.apply_orders(ours, {"*": Order(enabled=False)})
    assert runtime.slot.active is None
    other = runtime.Runtime(ours.config, KeepingPipeline())
    runtime.apply_orders(other, {"*": Order(rate_pct=100)})
    assert runtime.slot.active is None
    runtime.apply_orders(ours, {})
    assert runtime.slot.active is ours


def test_the_children_of_a_call_carry_the_rate_of_its_root():
    pipeline = KeepingPipeline()
    modules = {"outer": {"sampling_rate_pct": 100}, "inner": {"sampling_rate_pct": 1}}
    config = load(None, {"telemetry": {"enabled": True, "sampling_rate_pct": 0, "modules": modules}}, {})
    before = runtime.swap(runtime.Runtime(config, pipeline))

    class Outer(Echo):
        def __init__(self):
            super().__init__()
            self.inner = headrace.instrument(Echo(), "inner")

        def forward(self, value):
            headrace.set_sampling("outer", rate_pct=50)  # from the next call on
            return self.inner(value=value)

    try:
        headrace.instrument(Outer(), "outer")(value=1)
    finally:
        runtime.swap(before)
    assert {call.module_name: call.inclusion_probability for call in pipeline.calls} == {"outer": 1, "inner": 1}
