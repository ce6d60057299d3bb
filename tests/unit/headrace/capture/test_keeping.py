"""What is kept of a call, from the wrapper on: full, outcome, or nothing; with the probability that the rules give."""

import random

import pytest

import headrace
from headrace import runtime
from headrace.config import load
from headrace.delivery.finishing import Finisher
from headrace.delivery.protection import Protection
from headrace.keep import KeepRules, level_of
from headrace.key_material import producer_keys
from headrace.policy import Policy
from headrace_schemas import interaction_codec, keys
from tests.unit.headrace.capture.offline import Echo, KeepingPipeline


class Clock:
    def __init__(self):
        self.now_s = 100.0

    def __call__(self):
        return self.now_s


class Takes(Echo):
    """Takes as long as it is told, and fails if told so."""

    def __init__(self, clock):
        super().__init__()
        self.clock = clock

    def forward(self, latency_s, error=None):
        self.clock.now_s += latency_s
        if error is not None:
            raise error
        return "done"


@pytest.fixture
def started():
    """Start a runtime whose clock moves by hand."""
    before = []

    def start(**telemetry):
        clock, pipeline = Clock(), KeepingPipeline()
        config = load(None, {"telemetry": {"enabled": True, "sampling_rate_pct": 0, **telemetry}}, {})
        ours = runtime.Runtime(config, pipeline, perf_counter=clock, time_ns=lambda: 1_700_000_000_000_000_000)
        before.append(runtime.swap(ours))
        return pipeline, clock, config

    yield start
    for each in reversed(before):
        runtime.swap(each)


def call(module, latency_s, error=None):
    try:
        module(latency_s=latency_s, error=error)
    except Exception as raised:
        assert raised is error  # noqa: PT017


def test_an_error_that_is_not_sampled_is_kept_as_an_outcome(started):
    pipeline, clock, config = started(keep={"errors_per_s": 10})
    takes = headrace.instrument(Takes(clock), "takes", "v3")
    traceparent = f"00-{'a' * 32}-{'b' * 16}-01"
    with headrace.request("r-1", subject_id="s-1", attributes={"tenant": "acme"}, traceparent=traceparent):
        call(takes, 0.25)
        call(takes, 0.5, ValueError("no such mailbox: jane@example.com"))
    (outcome,) = pipeline.calls
    assert (outcome.capture_level, outcome.keep_reason, outcome.inclusion_probability) == ("outcome", "error", 1.0)
    assert (outcome.input, outcome.output, outcome.program_hash) == ({}, {}, None)
    assert (outcome.request_id, outcome.subject_id, outcome.attributes) == ("r-1", "s-1", {"tenant": "acme"})
    assert (outcome.trace_id, outcome.span_id) == ("a" * 32, "b" * 16)
    assert (outcome.module_name, outcome.module_version, outcome.signature) == ("takes", "v3", "takes")
    assert (outcome.success, outcome.error_type, outcome.latency_ms) == (False, "ValueError", 500.0)
    assert outcome.timestamp_ms == 1_700_000_000_000 - 500
    record, _ = Finisher(config, "i", Protection(config, producer_keys(config))).finish(outcome)
    assert "jane" not in record["error"]
    assert record["error"].startswith("no such mailbox")
    assert (record["dedup_key"], record["dedup_policy"]) == (record["event_id"], "none")
    assert (record["capture_level"], record["input"], record["output"]) == ("outcome", "{}", "{}")
    assert interaction_codec().decode(interaction_codec().encode(record)) == record


def test_a_slow_call_is_kept_and_a_cancelled_one_is_no_error(started):
    pipeline, clock, _ = started(keep={"errors_per_s": 10, "slow_per_s": 10, "slow_ms": 1000})
    takes = headrace.instrument(Takes(clock))
    call(takes, 1.0)
    call(takes, 1.5)
    with pytest.raises(KeyboardInterrupt):
        takes(latency_s=0.1, error=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        takes(latency_s=1.5, error=KeyboardInterrupt())
    assert [(each.keep_reason, each.success, each.error_type) for each in pipeline.calls] == [
        ("slow", True, None),
        ("slow", False, "KeyboardInterrupt"),
    ]


def test_without_rules_nothing_is_kept_at_rate_zero(started):
    pipeline, clock, _ = started()
    call(headrace.instrument(Takes(clock)), 1e6, ValueError())
    assert pipeline.calls == []


def test_a_sampled_error_is_full_and_has_the_rule_s_probability(started):
    pipeline, clock, _ = started(sampling_rate_pct=100, keep={"errors_per_s": 10})
    headrace.set_sampling(rate_pct=99.9999)
    takes = headrace.instrument(Takes(clock))
    with headrace.request("r-1"):
        call(takes, 0.1)
        call(takes, 0.1, ValueError())
    assert [(each.capture_level, each.keep_reason, each.inclusion_probability) for each in pipeline.calls] == [
        ("full", "sample", 0.999999),
        ("full", "sample", 1.0),
    ]


def test_rules_are_about_roots_and_children_carry_the_sampling_rate(started):
    pipeline, clock, _ = started(keep={"errors_per_s": 10})

    class Outer(Echo):
        def __init__(self):
            super().__init__()
            self.inner = headrace.instrument(Takes(clock), "inner")

        def forward(self, error):
            call(self.inner, 0.1, error)
            return "handled"

    headrace.instrument(Outer(), "outer")(error=ValueError())
    assert pipeline.calls == []
    headrace.set_sampling(rate_pct=100)
    headrace.instrument(Outer(), "outer")(error=ValueError())
    assert [(each.module_name, each.success, each.keep_reason) for each in pipeline.calls] == [
        ("inner", False, "sample"),
        ("outer", True, "sample"),
    ]


def test_what_is_suppressed_is_not_kept_either(started):
    pipeline, clock, _ = started(keep={"errors_per_s": 10})
    with headrace.suppress():
        call(headrace.instrument(Takes(clock)), 0.1, ValueError())
    assert pipeline.calls == []


def test_a_kept_outcome_that_cannot_be_submitted_is_counted_as_lost(started):
    pipeline, clock, _ = started(keep={"errors_per_s": 10})
    pipeline.broken = True
    call(headrace.instrument(Takes(clock)), 0.1, ValueError())
    assert pipeline.failures == ["capture_failed"]
    assert pipeline.counters.snapshot()[0]["calls"] == 1


def test_usage_is_weighted_by_the_sampling_rate_whatever_a_rule_adds(started):
    pipeline, clock, _ = started(sampling_rate_pct=50, keep={"errors_per_s": 1000})
    takes = headrace.instrument(Takes(clock))
    for number in range(60):
        with headrace.request(f"r-{number}"):
            call(takes, 0.001, ValueError())
    full = [each for each in pipeline.calls if each.capture_level == "full"]
    assert 0 < len(full) < len(pipeline.calls) == 60
    (usage,) = pipeline.counters.snapshot()[0]["usage"]
    assert (usage["sampled"], usage["weight"]) == (len(full), 2.0 * len(full))


def test_the_records_are_those_that_policy_and_rules_choose(started):
    """One long run through the wrapper, against the pure functions whose estimates test_keep.py judges."""
    telemetry = {
        "sampling_rate_pct": 30,
        "modules": {"rare": {"sampling_rate_pct": 5}},
        "keep": {"errors_per_s": 5, "slow_per_s": 3, "slow_ms": 200},
    }
    pipeline, clock, config = started(**telemetry)
    modules = {name: headrace.instrument(Takes(clock), name) for name in ("rare", "common")}
    rates, rules, generator = Policy(config.telemetry), KeepRules(config.telemetry.keep), random.Random(3)
    expected, now_s = [], clock.now_s
    for number in range(800):
        name, failed = generator.choice(["rare", "common"]), generator.random() < 0.3
        latency_s = generator.choice([0.01, 0.05, 0.25])
        with headrace.request(f"r-{number}"):
            call(modules[name], latency_s, ValueError() if failed else None)
        now_s += latency_s
        rate, match = (
            rates.rate_of(name),
            rules.match(failed=failed, latency_s=now_s - clock.now_s + latency_s, now_s=now_s),
        )
        level = level_of(keys.sampling_hash(f"r-{number}"), rate, match.rate)
        if level is not None:
            reason = "sample" if level == "full" else match.reason
            expected.append((f"r-{number}", name, level, reason, max(rate, match.rate)))
    found = [
        (each.request_id, each.module_name, each.capture_level, each.keep_reason, each.inclusion_probability)
        for each in pipeline.calls
    ]
    assert found == expected
    assert {each[3] for each in found} == {"sample", "error", "slow"}
